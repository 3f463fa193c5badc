"""The feedback store that a configuration names."""

from hematovision.config import RunConfig
from hematovision.data.ingestion import Limits
from hematovision.feedback.store import FeedbackStore, open_feedback
from hematovision.home import Home


def feedback_of(home: Home, config: RunConfig) -> FeedbackStore:
    """The feedback store of a home, as the configuration says."""
    return open_feedback(
        home,
        config.records.database,
        config.feedback.pictures,
        settings=config.feedback,
        duplicates=config.duplicates,
        limits=Limits(config.reading.max_pixels, config.reading.min_side),
    )

"""What people decide of a version, inside a pipeline run."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from hematovision.config import RunConfig
from hematovision.errors import GateRefused
from hematovision.home import locate_home
from hematovision.promotion import champion
from hematovision.promotion.decisions import SignedDecision
from hematovision.promotion.policy import policy_of
from hematovision.promotion.review import Review, open_review
from hematovision.promotion.standing import Standing
from hematovision.registry.versions import find_version


def _review(config: RunConfig, model: str) -> Review:
    version = find_version(locate_home(), f"models:/{model}")
    return open_review(version, policy_of(config), config.records.database)


@step(enable_cache=False)
def read_standing(config: RunConfig, model: str) -> Annotated[Standing, "standing"]:
    """Where the version stands now."""
    return _review(config, model).publish()


@step(enable_cache=False)
def record_decision(signed: SignedDecision, config: RunConfig, model: str) -> Annotated[str, "outcome"]:
    """Write a signed decision into the ledger; one that does not count is told and left out.

    A step that is run again after a kill finds its decision recorded.
    """
    review = _review(config, model)
    known = {decision.content.nonce for decision in review.standing().decisions}
    try:
        outcome = "recorded"
        if signed.content.nonce not in known:
            review.record(signed)
    except GateRefused as error:
        outcome = str(error)
    log_metadata({"by": signed.content.name, "action": signed.content.action, "outcome": outcome})
    return outcome


@step(enable_cache=False)
def promote_version(config: RunConfig, model: str) -> Annotated[int, "record"]:
    """Make the version the champion; refused where anything is missing."""
    home = locate_home()
    version = find_version(home, f"models:/{model}")
    moved = champion.promote(home, version, policy_of(config), database=config.records.database)
    log_metadata({"champion": model, "run": str(get_step_context().pipeline_run.id)})
    return moved.record

"""From a challenger to the champion, with people in between."""

from zenml import pipeline, wait

from hematovision.config import RunConfig
from hematovision.promotion.decisions import SignedDecision
from pipelines.sign_off import POLL_SECONDS, condition_name
from steps.decide import promote_version, read_standing, record_decision


@pipeline(dynamic=True, enable_cache=False)
def promotion_pipeline(config: RunConfig, model: str, seconds: int) -> None:
    """Wait for one signed decision after the other until nothing is missing, then make the version the champion."""
    number = 1
    while (standing := read_standing(config, model).load()).waits_for_people:
        signed = wait(
            schema=SignedDecision,
            name=condition_name(model, number),
            question=f"{model} needs {'; '.join(standing.missing)}. Sign with `hematovision review approve --to-run`.",
            timeout=seconds,
            poll_interval=POLL_SECONDS,
        )
        record_decision(signed, config, model)
        number += 1
    promote_version(config, model)

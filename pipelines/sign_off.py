"""Hands a signed decision to the pipeline run that waits for it."""

from hematovision.errors import UsageError
from hematovision.promotion.decisions import SignedDecision

POLL_SECONDS = 2


def condition_name(model: str, number: int) -> str:
    """What the n-th wait of a run for a version is called."""
    return f"decision {number} on {model}"


def hand_over(signed: SignedDecision) -> str:
    """Resolve the newest wait for the version that a decision is about.

    Returns:
        The name of the run, which records the decision.

    Raises:
        UsageError: no run waits for a decision on this version.
    """
    from zenml.client import Client

    model, client = signed.content.model, Client()
    pending = client.list_run_wait_conditions(status="pending", name=f"endswith: on {model}", hydrate=True)
    if not pending.items:
        raise UsageError(
            f"No pipeline run waits for a decision on {model}: start one with `hematovision promote {model} --wait "
            "SECONDS`, or decide without --to-run."
        )
    condition = pending.items[0]
    client.resolve_run_wait_condition(condition.id, result=signed.model_dump(mode="json"))
    return str(condition.run.name)

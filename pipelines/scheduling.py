"""Pipelines started by the orchestrator's own clock, where it has one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hematovision.errors import HematoVisionError, UsageError


def _orchestrator(client: Any) -> Any:
    found = client.active_stack.orchestrator
    if not found.config.is_schedulable:
        raise UsageError(
            f"The orchestrator {found.name!r} of the active ZenML stack ({found.flavor}) keeps no schedules. "
            "Use --engine embedded with `hematovision schedule daemon`, or a stack on Kubernetes, Kubeflow, Airflow or "
            "a cloud."
        )
    return found


def check_orchestrator(client: Any = None) -> None:
    """Whether the active stack's orchestrator keeps schedules.

    Raises:
        UsageError: it does not; the message names the engine that does.
    """
    from zenml.client import Client

    _orchestrator(client or Client())


def schedule_pipeline(
    pipeline: Any,
    name: str,
    parameters: dict[str, Any],
    *,
    cron: str | None = None,
    interval_seconds: float | None = None,
    client: Any = None,
) -> str:
    """Hand a pipeline with its parameters to the active stack's orchestrator; gives ZenML's id of the schedule.

    Args:
        cron: a crontab line in UTC; or else `interval_seconds`, from now.

    Raises:
        UsageError: the orchestrator keeps no schedules.
        HematoVisionError: it refused this one.
    """
    from zenml.client import Client
    from zenml.config.schedule import Schedule

    client = client or Client()
    _orchestrator(client)
    periodic = {"start_time": datetime.now(UTC), "interval_second": timedelta(seconds=interval_seconds or 0)}
    schedule = Schedule(name=name, cron_expression=cron) if cron else Schedule(name=name, **periodic)
    try:
        pipeline.with_options(schedule=schedule)(**parameters)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise HematoVisionError(f"The orchestrator did not take the schedule: {error}") from error
    return str(client.get_schedule(name, allow_name_prefix_match=False).id)


def activate_schedule(number: str, active: bool, *, client: Any = None) -> None:
    """Stop a schedule of the orchestrator, or go on with it.

    Raises:
        UsageError: the orchestrator cannot do that.
    """
    from zenml.client import Client

    client = client or Client()
    if not _orchestrator(client).supports_schedule_updates:
        raise UsageError("This orchestrator cannot pause a schedule: remove it, and add it again when it is wanted.")
    client.update_schedule(number, active=active)


def remove_schedule(number: str, *, client: Any = None) -> None:
    """Take a schedule from the orchestrator.

    Raises:
        UsageError: the orchestrator cannot do that; ZenML alone forgetting it would leave it running.
    """
    from zenml.client import Client

    client = client or Client()
    if not _orchestrator(client).supports_schedule_deletion:
        raise UsageError("This orchestrator cannot delete a schedule through ZenML: delete it with its own tool first.")
    client.delete_schedule(number)

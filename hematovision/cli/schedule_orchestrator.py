"""The ZenML engine of a schedule: a command becomes its pipeline, with the parameters it would be given."""

from typing import Any

from hematovision.cli.schedule_command import parse_command
from hematovision.errors import UsageError
from hematovision.scheduling.schedule import Schedule

LEARNING = ("run", "register", "train", "ingest")
WATCHING = ("monitor", "evaluate")


def pipeline_of(command: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The pipeline behind a command, and its parameters.

    Raises:
        UsageError: the command is no pipeline.
    """
    name, options = parse_command(command)
    if name in LEARNING:
        return _learning(name, options)
    if name in WATCHING:
        return _watching(name, options)
    known = ", ".join((*LEARNING, *WATCHING))
    raise UsageError(f"`hematovision {name}` is no ZenML pipeline; an orchestrator can keep {known}.")


def _learning(name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from hematovision.cli.learning import configured
    from hematovision.config import data_path
    from pipelines.ingestion import ingestion_pipeline
    from pipelines.training import candidate_pipeline, training_pipeline

    known = {"train": candidate_pipeline, "ingest": ingestion_pipeline}
    config = configured(*(options[key] for key in ("data", "config", "on_leakage", "folds", "seed")))
    parameters = {"config": config, "path": str(data_path(config)), "embedded": config.data == "synthetic"}
    return known.get(name, training_pipeline), parameters


def _watching(name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from pathlib import Path

    from hematovision.cli.drift import window_parameters
    from hematovision.config import load_config
    from pipelines.monitoring import evaluation_pipeline, monitoring_pipeline

    parameters = {"config": load_config(options["config"]), "model": options["model"]}
    if name == "monitor":
        asked = ("data", "predictions", "site", "since", "last", "record")
        return monitoring_pipeline, parameters | window_parameters(*(options[key] for key in asked))
    return evaluation_pipeline, parameters | {"path": str(Path(options["data"]).expanduser().resolve())}


class ZenmlOrchestrator:
    """The orchestrator of the active ZenML stack."""

    def add(self, schedule: Schedule) -> str:
        """Hand a schedule over."""
        from pipelines.scheduling import check_orchestrator, schedule_pipeline

        check_orchestrator()
        pipeline, parameters = pipeline_of(schedule.command)
        return schedule_pipeline(
            pipeline, schedule.name, parameters, cron=schedule.cron, interval_seconds=schedule.interval_seconds
        )

    def set_active(self, number: str, active: bool) -> None:
        """Stop firing, or go on."""
        from pipelines.scheduling import activate_schedule

        activate_schedule(number, active)

    def remove(self, number: str) -> None:
        """Take it away."""
        from pipelines.scheduling import remove_schedule

        remove_schedule(number)

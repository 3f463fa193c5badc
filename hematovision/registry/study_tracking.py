"""A search in MLflow: one parent run the study, one nested run a trial. Writing twice changes nothing."""

from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from hematovision.home import Home
from hematovision.learning.search.study import folds_of, reason_of, seconds_of
from hematovision.registry.mlflow_registry import tracking

_STUDY, _TRIAL, _PARENT = "hematovision.study", "hematovision.trial", "mlflow.parentRunId"
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


def experiment_name(model_name: str) -> str:
    """Searches lie beside the model's experiment, not among its runs."""
    return f"{model_name}-search"


def track_study(home: Home, model_name: str, study: Any, parameters: dict[str, str]) -> str:
    """Bring MLflow up to what the study knows, as after a kill between the two; returns the parent's run."""
    with tracking(home, experiment_name(model_name)) as mlflow:
        client = mlflow.MlflowClient()
        experiment = mlflow.get_experiment_by_name(experiment_name(model_name)).experiment_id
        parent = _parent(client, experiment, study, parameters)
        known = {run.data.tags[_TRIAL]: run for run in _runs(client, experiment, f"tags.`{_PARENT}` = '{parent}'")}
        for trial in study.get_trials(deepcopy=False):
            run = known.get(str(trial.number))
            if trial.state.is_finished() and (run is None or run.info.status == "RUNNING"):
                _track_trial(client, experiment, parent, trial, run.info.run_id if run else None)
    return parent


def _runs(client: Any, experiment: str, query: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _parent(client: Any, experiment: str, study: Any, parameters: dict[str, str]) -> str:
    found = _runs(client, experiment, f"tags.`{_STUDY}` = '{study.study_name}'")
    if found:
        return str(found[0].info.run_id)
    run = client.create_run(experiment, run_name=study.study_name, tags={_STUDY: study.study_name})
    for name, value in parameters.items():
        client.log_param(run.info.run_id, name, value)
    return str(run.info.run_id)


def _track_trial(client: Any, experiment: str, parent: str, trial: FrozenTrial, run_id: str | None) -> None:
    from mlflow.entities import Metric, Param, RunTag

    if run_id is None:
        named = {_PARENT: parent, _TRIAL: str(trial.number)}
        run_id = client.create_run(experiment, run_name=f"trial {trial.number}", tags=named).info.run_id
    folds = folds_of(trial)
    stamp = int(trial.datetime_complete.timestamp() * 1000) if trial.datetime_complete else 0
    metrics = [
        Metric(name, getattr(fold, name), stamp, fold.fold)
        for fold in folds
        for name in ("macro_f1", "log_loss", "epochs")
    ]
    means = {
        f"mean_{name}": sum(getattr(fold, name) for fold in folds) / len(folds)
        for name in ("macro_f1", "log_loss")
        if folds
    }
    metrics += [Metric(name, value, stamp, 0) for name, value in (means | {"seconds": seconds_of(trial)}).items()]
    tags = [RunTag("hematovision.state", trial.state.name.lower()), RunTag("hematovision.reason", reason_of(trial))]
    params = [Param(name, str(value)) for name, value in trial.params.items()]
    client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
    client.set_terminated(run_id, _STATUS[trial.state], end_time=stamp)


def finish_tracking(home: Home, model_name: str, parent: str, metrics: dict[str, float], files: list[Path]) -> None:
    """Log the outcome of a study on its parent run, with plots, table and configuration."""
    with tracking(home, experiment_name(model_name)) as mlflow:
        client = mlflow.MlflowClient()
        for name, value in metrics.items():
            client.log_metric(parent, name, value)
        for file in files:
            client.log_artifact(parent, str(file))
        client.set_terminated(parent)

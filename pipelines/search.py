"""From cells to the settings that did best on inner folds."""

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from pipelines.ingestion import prepare_cells
from steps.caching import LIBRARY_CACHE
from steps.search import ask_trials, choose_cells, conclude_study, open_study, score_trial, tell_trials


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def search_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Ask a round of trials, score them side by side, tell the study; until it has all it is to have."""
    prepared = prepare_cells(config, path, embedded)
    cells, learning = choose_cells(prepared.manifest, prepared.golden_folder, config)
    study = open_study(cells, learning, config)
    while (asked := ask_trials(study, config)).load():
        outcomes = score_trial.map(
            trial=asked, cells=unmapped(cells), learning=unmapped(learning), config=unmapped(config)
        )
        tell_trials(study, outcomes, config)
    conclude_study(study, cells, prepared.pinned, config)

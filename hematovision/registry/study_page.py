"""The plots of a search as one self-contained page."""

from html import escape
from typing import Any

from hematovision.learning.search.settings import SearchSettings

_STYLE = "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1c2733}"
_WARNING = (
    "These scores chose the configuration, so the best of them is flattering. The honest figure is that of the golden "
    "set, which no trial has seen, in the run made with <code>best.yaml</code>; the folds of that run "
    "have been seen by the search. Not a medical device: the final word is a person's."
)


def study_page(study: Any, search: SearchSettings, *, seed: int) -> str:
    """History, parallel coordinates, importance and slices with plotly inlined; nothing is fetched when it opens."""
    figures = _figures(study, search, seed)
    parts = [
        figure if isinstance(figure, str) else figure.to_html(full_html=False, include_plotlyjs=index == 0)
        for index, figure in enumerate(figures)
    ]
    name = escape(study.study_name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Search {name}</title><style>{_STYLE}</style>'
        f"<h1>Search {name}</h1><p>{_WARNING}</p>{''.join(parts)}</html>"
    )


def _figures(study: Any, search: SearchSettings, seed: int) -> list[Any]:
    from optuna import visualization

    name = f"mean {search.objective} over inner folds"
    return [
        visualization.plot_optimization_history(study, target_name=name),
        visualization.plot_parallel_coordinate(study, target_name=name),
        _importances(study, seed),
        visualization.plot_slice(study, target_name=name),
    ]


def _importances(study: Any, seed: int) -> Any:
    """Functional ANOVA (Hutter et al. 2014), or a line that says why there is none."""
    from optuna import visualization
    from optuna.importance import FanovaImportanceEvaluator

    try:
        return visualization.plot_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    except (ValueError, RuntimeError) as error:
        return f"<p>No importances: {escape(str(error))}</p>"

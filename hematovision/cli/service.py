"""`evaluate`, `predict`: a registered model at work."""

import time
from pathlib import Path
from typing import Any

from hematovision.cli.output import command
from hematovision.cli.prediction_tables import show_evaluation, show_predictions


def evaluate(model: str, data: str, config: Path | None, *, as_json: bool) -> None:
    """Score a model on labelled cells."""
    with command(as_json) as output:
        started = time.monotonic()
        from hematovision.config import load_config
        from pipelines.execution import execute
        from pipelines.monitoring import evaluation_pipeline

        finished = execute(evaluation_pipeline, config=load_config(config), model=model, path=_resolved(data))
        result = finished.artifact("evaluate_on", "evaluation").model_dump()
        document = {**result.pop("evaluation"), **result, "seconds": round(time.monotonic() - started, 1)}
        output.result(document, show_evaluation)


def predict(model: str, paths: list[Path], config: Path | None, *, as_json: bool) -> None:
    """Classify images."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.pictures import pictures_in
        from hematovision.errors import GateRefused
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.registry.mlflow_registry import fetch_model
        from hematovision.registry.predictor import Predictor

        reading = load_config(config).reading
        pictures = pictures_in(paths, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
        predictor = Predictor.load(fetch_model(locate_home(), model) / "artifacts" / "package")
        with progress_bar("Classifying") as progress:
            answers = predictor.answer([picture.load for picture in pictures], progress=progress)
        names = [pictures[position].path for position in answers.positions]
        document = _predictions(model, predictor.specification, names, answers)
        document["errors"] = [
            {"path": pictures[place].path, "reason": reason} for place, reason in answers.errors.items()
        ]
        output.result(document, show_predictions)
        if not names:
            raise GateRefused(f"Not one of {len(pictures)} images could be read.")


def _predictions(model: str, specification: Any, names: list[str], answers: Any) -> dict[str, Any]:
    from hematovision.evaluation.prediction_sets import named

    sets = named(answers.sets, answers.probabilities, specification.classes)
    rows = []
    for row, name in enumerate(names):
        chances = answers.probabilities[row]
        by_class = {label: float(value) for label, value in zip(specification.classes, chances, strict=True)}
        rows.append(
            {
                "path": name,
                "label": max(by_class, key=by_class.__getitem__),
                "probabilities": by_class,
                "set": sets[row],
                "strangeness": float(answers.strangeness[row]),
                "unlike_training": bool(answers.unlike_training[row]),
            }
        )
    return {
        "model": model,
        "data_version": specification.data_version,
        "synthetic": specification.synthetic,
        "confidence": specification.sets.confidence,
        "never_excluded": [specification.classes[number] for number in specification.sets.always],
        "predictions": rows,
    }


def _resolved(path: str) -> str:
    return str(Path(path).expanduser().resolve())

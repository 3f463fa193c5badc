"""The model as MLflow loads it, from code: no pickle anywhere."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from hematovision.evaluation.prediction_sets import named
from hematovision.registry.predictor import Predictor


class HematoVisionModel(PythonModel):
    """Takes a table with one column `image` (encoded bytes); gives label, set, probabilities, strangeness, error."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and compile the package that was logged."""
        self.predictor = Predictor.load(Path(context.artifacts["package"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row a picture, in order; an unreadable one has no label and says why in `error`.

        `set` lists the classes that cannot be excluded as a JSON array of text. Where `strangeness` is above 1 the
        picture is unlike anything the model was trained on, and `unlike_training` says `true`; else `false`.
        """
        loads = [lambda data=data: bytes(data) for data in model_input["image"]]
        answers = self.predictor.answer(loads)
        classes = self.predictor.specification.classes
        table = pd.DataFrame(answers.probabilities, columns=classes, index=answers.positions).reindex(range(len(loads)))
        table.insert(0, "label", "")
        table.loc[answers.positions, "label"] = [classes[index] for index in answers.probabilities.argmax(1)]
        table.insert(1, "set", "")
        table.loc[answers.positions, "set"] = [
            json.dumps(found, ensure_ascii=False) for found in named(answers.sets, answers.probabilities, classes)
        ]
        table["strangeness"] = pd.Series(answers.strangeness, index=answers.positions)
        table["unlike_training"] = ""
        table.loc[answers.positions, "unlike_training"] = [str(strange).lower() for strange in answers.unlike_training]
        table["error"] = [answers.errors.get(position, "") for position in range(len(loads))]
        return table


set_model(HematoVisionModel())

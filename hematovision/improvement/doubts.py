"""Which corrections the networks of a retrain doubt that had not seen them: slips of the hand, and worse."""

from collections.abc import Collection, Sequence

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.evaluation.calibration import fit_temperature, softmax
from hematovision.feedback.suspicion import confident_learning
from hematovision.learning.folds import FoldOutcome, class_names, out_of_fold_logits


class DoubtedCell(BaseModel):
    """A correction and what a network says that never saw it.

    Attributes:
        image: SHA-256 of the picture. label: what people said. likely: what the network says, with its probability.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    label: str
    likely: str
    probability: float


class Doubts(BaseModel):
    """The doubted ones among `n` corrections that a retrain learnt from, the surest doubt first."""

    model_config = ConfigDict(frozen=True)

    n: int
    cells: list[DoubtedCell]

    @property
    def share(self) -> float:
        """0 to 1; 0 where there was nothing to doubt."""
        return len(self.cells) / self.n if self.n else 0.0


def doubted_labels(manifest: pd.DataFrame, outcomes: Sequence[FoldOutcome], fresh: Collection[str]) -> Doubts:
    """Ask each fold's network about the corrections in its fold.

    A label is doubted where confident learning (Northcutt, Jiang & Chuang, JAIR 70, 2021) holds another class against
    it: the network, calibrated on all folds, gives that class at least the probability that cells of it have on
    average. On arrival the champion was asked the same; it may not know the site, these networks have learnt from it.

    Args:
        fresh: content hashes of the corrected cells.
    """
    rows, truth, logits = out_of_fold_logits(manifest, outcomes)
    probabilities = softmax(logits, fit_temperature(logits, truth))
    issues, classes = confident_learning(truth, probabilities), class_names(manifest)
    corrected = rows["sha256"].isin(fresh).to_numpy(dtype=bool)
    doubted = [
        DoubtedCell(
            image=str(rows["sha256"].iloc[row]),
            label=classes[truth[row]],
            likely=classes[issues.likely[row]],
            probability=float(probabilities[row, issues.likely[row]]),
        )
        for row in (corrected & issues.suspect).nonzero()[0]
    ]
    return Doubts(n=int(corrected.sum()), cells=sorted(doubted, key=lambda cell: (-cell.probability, cell.image)))

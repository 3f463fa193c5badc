"""Challenger and champion on the same golden cells: may they be compared, what each says, how long each takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.data.labels import match_labels
from hematovision.data.manifest import DEVELOPMENT
from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError
from hematovision.evaluation.comparison import Answered
from hematovision.progress import Progress
from hematovision.promotion.gates import Gate, plain_gate
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import ModelSpecification, package_digest
from hematovision.registry.predictor import Predictor
from hematovision.registry.versions import RegisteredVersion


@dataclass(frozen=True)
class Rival:
    """A verified model of the registry at work; `digest` is of its package."""

    version: RegisteredVersion
    digest: str
    predictor: Predictor

    @classmethod
    def load(cls, version: RegisteredVersion) -> "Rival":
        """Verify and compile the package of a version.

        Raises:
            HematoVisionError: a file is missing or altered, see `verify_package`.
        """
        folder = fetch_model(version.home, version.uri) / "artifacts" / "package"
        predictor = Predictor.load(folder)
        return cls(version, package_digest(folder), predictor)

    @property
    def specification(self) -> ModelSpecification:
        """What the model says of itself."""
        return self.predictor.specification


class ChangedCell(BaseModel):
    """A golden cell that one model gets right and the other wrong."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    label: str
    champion: str
    challenger: str


@dataclass(frozen=True)
class Field:
    """Golden cells that both models answered, in the classes of either.

    Attributes:
        rows: (N) golden rows. classes: C names, the challenger's first. truth: (N,) class numbers.
        challenger, champion: answers (N, C); a class that a model does not know has probability 0 in its answers.
        unread: cells that one of the models refused to read.
    """

    rows: pd.DataFrame
    classes: list[str]
    truth: np.ndarray
    challenger: Answered
    champion: Answered
    unread: int

    def changed(self) -> tuple[list[ChangedCell], list[ChangedCell]]:
        """Cells lost (only the champion is right) and won (only the challenger is)."""
        right = [side.predicted == self.truth for side in (self.challenger, self.champion)]
        return self._cells(right[1] & ~right[0]), self._cells(right[0] & ~right[1])

    def _cells(self, chosen: np.ndarray) -> list[ChangedCell]:
        return [
            ChangedCell(
                path=str(self.rows["path"].iloc[place]),
                sha256=str(self.rows["sha256"].iloc[place]),
                label=str(self.rows["label"].iloc[place]),
                champion=self.classes[self.champion.predicted[place]],
                challenger=self.classes[self.challenger.predicted[place]],
            )
            for place in np.flatnonzero(chosen)
        ]


def comparable(challenger: Rival, champion: Rival, golden: pd.DataFrame) -> list[Gate]:
    """Whether a comparison on the challenger's golden rows would be fair, and would mean anything."""
    return [_same_cells(challenger, champion, golden), _kept(challenger, champion), _real(challenger, champion)]


def _same_cells(challenger: Rival, champion: Rival, golden: pd.DataFrame) -> Gate:
    name, of = "champion.comparable", champion.version.label
    if challenger.specification.golden_digest == champion.specification.golden_digest:
        return plain_gate(name, "champion", True, f"{of} was tested on the same frozen golden set")
    learnt = champion.version.manifest()
    if learnt is None:
        return plain_gate(
            name, "champion", False,
            f"{of} has another golden set and no table of the cells it learnt from: they cannot be compared",
        )  # fmt: skip
    development = learnt[learnt["split"] == DEVELOPMENT]
    known = golden["sha256"].isin(development["sha256"]) | golden["pixel_sha256"].isin(development["pixel_sha256"])
    if known.any():
        return plain_gate(
            name, "champion", False,
            f"{of} has another golden set and learnt from {int(known.sum())} of these {len(golden)} golden cells, "
            f"{golden.loc[known, 'path'].iloc[0]} first: a comparison would flatter it and cannot be made. Train the "
            "challenger with the data version, seed and split settings of the champion",
        )  # fmt: skip
    return plain_gate(
        name, "champion", True,
        f"{of} has another golden set, but learnt from none of these {len(golden)} cells",
    )  # fmt: skip


def _kept(challenger: Rival, champion: Rival) -> Gate:
    theirs, ours = champion.specification.classes, challenger.specification.classes
    lost = [label for label in theirs if label not in match_labels(theirs, ours)]
    told = f"cannot name what the champion can: {', '.join(lost)}" if lost else "names every class the champion names"
    return plain_gate("champion.classes_kept", "champion", not lost, told)


def _real(challenger: Rival, champion: Rival) -> Gate:
    lost = challenger.specification.synthetic and not champion.specification.synthetic
    told = (
        "learnt from generated cells only, the champion from real ones"
        if lost
        else "cells of the same kind as the champion's, or real ones"
    )
    return plain_gate("champion.real_cells", "champion", not lost, told)


def face(
    challenger: Rival,
    champion: Rival,
    golden: pd.DataFrame,
    store: ImageStore,
    *,
    known: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Field:
    """Both models' answers to golden rows in order of path.

    Args:
        known: (N, C) probabilities of the challenger for exactly these rows, where it has answered them already.

    Raises:
        HematoVisionError: a cell is missing from the store, or neither model could read any.
    """
    ours, theirs = challenger.specification.classes, champion.specification.classes
    matched = match_labels(theirs, ours)
    classes = ours + [label for label in theirs if label not in matched]
    columns = [classes.index(matched.get(label, label)) for label in theirs]
    first, places = (
        (_widened(challenger, known, list(range(len(ours))), len(classes)), np.arange(len(golden)))
        if known is not None
        else _answered(challenger, golden, store, list(range(len(ours))), len(classes), None)
    )
    second, others = _answered(champion, golden, store, columns, len(classes), progress)
    both, left, right = np.intersect1d(places, others, return_indices=True)
    if not len(both):
        raise HematoVisionError(f"{challenger.version.label} and {champion.version.label} can read no golden cell.")
    rows = golden.iloc[both].reset_index(drop=True)
    return Field(
        rows=rows,
        classes=classes,
        truth=np.array([classes.index(label) for label in rows["label"]], dtype=np.int64),
        challenger=_at(first, left),
        champion=_at(second, right),
        unread=len(golden) - len(both),
    )


def _at(answered: Answered, places: np.ndarray) -> Answered:
    return replace(answered, probabilities=answered.probabilities[places], sets=answered.sets[places])


def _answered(
    rival: Rival, rows: pd.DataFrame, store: ImageStore, columns: list[int], width: int, progress: Progress | None
) -> tuple[Answered, np.ndarray]:
    loads = [lambda sha256=sha256: store.read(sha256) for sha256 in rows["sha256"]]
    answers = rival.predictor.answer(loads, progress=progress)
    return _widened(rival, answers.probabilities, columns, width), answers.positions


def _widened(rival: Rival, probabilities: np.ndarray, columns: list[int], width: int) -> Answered:
    wide, sets = np.zeros((len(probabilities), width)), np.zeros((len(probabilities), width), dtype=bool)
    wide[:, columns], sets[:, columns] = probabilities, rival.specification.sets.sets(probabilities)
    return Answered(wide, sets)


def time_in_turns(predictors: Sequence[Predictor], pictures: Sequence[bytes], *, rounds: int) -> np.ndarray:
    """Seconds (P, rounds) for one encoded picture, from bytes to calibrated answer.

    In each round every model answers the same picture, one after the other and in turning order, so that whatever else
    the machine does falls on all of them alike. A first answer of each is not counted.
    """
    seconds = np.empty((len(predictors), rounds))
    for predictor in predictors:
        _seconds_for(predictor, pictures[0])
    for number in range(rounds):
        for turn in range(len(predictors)):
            place = (turn + number) % len(predictors)
            seconds[place, number] = _seconds_for(predictors[place], pictures[number % len(pictures)])
    return seconds


def _seconds_for(predictor: Predictor, picture: bytes) -> float:
    started = perf_counter()
    predictor.answer([lambda: picture])
    return perf_counter() - started

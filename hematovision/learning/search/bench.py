"""Where trials are scored: the development cells with their inner folds, features kept in memory between trials."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from hematovision.data.golden import GoldenSet, assert_untouched
from hematovision.data.manifest import DEVELOPMENT
from hematovision.data.splits import deal_folds, validation_split
from hematovision.errors import HematoVisionError
from hematovision.evaluation.calibration import softmax
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.features import FeatureCache, Features
from hematovision.learning.fitting import Part
from hematovision.learning.folds import FeatureSet, class_names
from hematovision.learning.search.pruning import hopeless
from hematovision.learning.search.settings import SearchSettings
from hematovision.learning.search.space import configured
from hematovision.learning.search.trials import FoldScore, TrialOutcome, TrialRequest
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import predict_logits, train

_KEPT_IN_MEMORY = 4


def inner_folds(manifest: pd.DataFrame, golden: GoldenSet, *, folds: int, seed: int) -> pd.DataFrame:
    """The development cells alone, by path, with `fold` dealt anew: all that a search may see.

    Raises:
        GateRefused: a development cell touches the golden set, or a class has fewer groups than there are folds.
    """
    development = manifest[manifest["split"] == DEVELOPMENT].sort_values("path", kind="stable", ignore_index=True)
    assert_untouched(golden, development)
    return deal_folds(development, folds=folds, seed=seed)


class Bench:
    """Scores trials on inner folds; shared by threads, one at a time computes features, all read them."""

    def __init__(self, cells: pd.DataFrame, prepare: Callable[[LearningSettings], FeatureSet], *, seed: int) -> None:
        """Take cells as `inner_folds` gives them.

        Args:
            prepare: computes what the feature cache lacks for these settings and says where it lies.
            seed: of every network; the same for all trials, so that they differ in their settings alone.
        """
        if (cells["split"] != DEVELOPMENT).any():
            raise HematoVisionError("a search was handed cells that are not development cells: this is a defect.")
        self.cells = cells
        self.classes = class_names(cells)
        self.seed = seed
        self._prepare = prepare
        self._inputs: OrderedDict[str, tuple[Features, Backbone]] = OrderedDict()
        self._parts: dict[tuple[int, float], tuple[Part, Part, Part]] = {}
        self._one_at_a_time = threading.Lock()

    def inputs(self, settings: LearningSettings) -> tuple[Features, Backbone]:
        """Features of all cells, and the backbone whose blocks follow them.

        Where only the head is trained these are pooled features read once, followed by no block at all.
        """
        head_only = settings.head_alone
        computed = (settings.backbone.model_dump_json(), settings.augmentation.model_dump_json())
        key = " ".join([str(head_only), settings.head.pool, *computed])
        with self._one_at_a_time:
            if key not in self._inputs:
                self._inputs[key] = self._read(settings, head_only)
                if len(self._inputs) > _KEPT_IN_MEMORY:
                    self._inputs.popitem(last=False)
            self._inputs.move_to_end(key)
            return self._inputs[key]

    def _read(self, settings: LearningSettings, head_only: bool) -> tuple[Features, Backbone]:
        where = self._prepare(settings)
        features = FeatureCache(Path(where.folder)).read(list(self.cells["sha256"]))
        backbone = load_backbone(settings.backbone, seed=self.seed, pooling=settings.pooling(where.side))
        if not head_only:
            return features, backbone
        return Features(features.pooled, features.pooled), replace(backbone, lower=nn.Identity(), upper=nn.Identity())

    def parts(self, fold: int, validation_fraction: float) -> tuple[Part, Part, Part]:
        """Rows to fit, rows for early stopping, and the fold itself."""
        key = (fold, validation_fraction)
        if key not in self._parts:
            left_out = self.cells["fold"] == fold
            split = validation_split(self.cells[~left_out], fraction=validation_fraction, seed=self.seed + 1 + fold)
            self._parts[key] = (self._part(split[0]), self._part(split[1]), self._part(self.cells[left_out]))
        return self._parts[key]

    def _part(self, rows: pd.DataFrame) -> Part:
        numbers = rows["label"].map({label: number for number, label in enumerate(self.classes)})
        return Part(rows.index.to_numpy(dtype=np.int64, copy=True), numbers.to_numpy(dtype=np.int64, copy=True))

    def score_fold(self, settings: LearningSettings, fold: int) -> FoldScore:
        """Train without an inner fold and score that fold.

        Raises:
            HematoVisionError: the training diverged.
        """
        features, backbone = self.inputs(settings)
        fitted, held_out, left_out = self.parts(fold, settings.training.validation_fraction)
        trained = train(
            features,
            fitted,
            held_out,
            backbone,
            self.classes,
            settings,
            seed=self.seed + 1 + fold,
            threads=1,
        )
        logits = predict_logits(trained.network, features, left_out.rows).astype(np.float64)
        if not np.isfinite(logits).all():
            raise HematoVisionError(f"training diverged on inner fold {fold + 1}: outputs are not finite")
        return _scored(fold, logits, left_out.targets, len(trained.curves))

    def run(
        self,
        request: TrialRequest,
        base: LearningSettings,
        search: SearchSettings,
        folds_done: Callable[[int], None] | None = None,
    ) -> TrialOutcome:
        """Score a trial fold by fold, giving it up when it is hopeless.

        Args:
            folds_done: told of folds finished, those spared by giving up included.
        """
        started = time.monotonic()
        folds: list[FoldScore] = []
        done = folds_done or (lambda _: None)

        def ended(state: str, reason: str = "") -> TrialOutcome:
            done(search.folds - len(folds))
            seconds = time.monotonic() - started
            return TrialOutcome(number=request.number, state=state, folds=folds, seconds=seconds, reason=reason)

        try:
            settings = configured(base, request.parameters)
            for fold in range(search.folds):
                folds.append(self.score_fold(settings, fold))
                done(1)
                values = [getattr(score, search.objective) for score in folds]
                if len(folds) < search.folds and hopeless(values, request.peers, search.objective, search.pruning):
                    return ended("pruned")
        except HematoVisionError as error:
            return ended("failed", str(error))
        return ended("complete")


def _scored(fold: int, logits: np.ndarray, truth: np.ndarray, epochs: int) -> FoldScore:
    from sklearn.metrics import f1_score, log_loss

    f1 = f1_score(truth, logits.argmax(1), labels=np.unique(truth), average="macro", zero_division=0)
    loss = log_loss(truth, softmax(logits, 1.0), labels=np.arange(logits.shape[1]))
    return FoldScore(fold=fold, macro_f1=float(f1), log_loss=float(loss), epochs=epochs)

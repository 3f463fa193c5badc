"""Folds are scored as trained; what the page says of trust is calibrated by the other folds."""

import numpy as np
import pandas as pd

from hematovision.config import load_config
from hematovision.evaluation.cross_fitting import cross_fit
from hematovision.learning.folds import FoldOutcome
from hematovision.registry.assessment import cross_validate

N, FOLDS, CLASSES = 120, 3, ["basophil", "monocyte"]


def test_trust_out_of_fold_is_cross_fitted_by_the_folds_of_the_manifest() -> None:
    rng = np.random.default_rng(2)
    truth = np.arange(N) % 2
    manifest = pd.DataFrame(
        {
            "path": [f"{index}.png" for index in range(N)],
            "label": [CLASSES[number] for number in truth],
            "group": [f"slide-{index // 4}" for index in range(N)],
            "fold": np.arange(N) // 4 % FOLDS,
        }
    )
    logits = pd.DataFrame(rng.normal(size=(N, 2)) + 2 * np.eye(2)[truth], index=manifest["path"])
    outcomes = []
    for fold in range(FOLDS):
        paths = list(manifest.loc[manifest["fold"] == fold, "path"])
        outcomes.append(
            FoldOutcome(fold=fold, epochs=1, seconds=0.0, paths=paths, logits=logits.loc[paths].to_numpy().tolist())
        )
    config = load_config(None, {"evaluation": {"resamples": 100}, "trust": {"confidence": 0.9}})
    scored = cross_validate(manifest, outcomes, config.evaluation, config.trust, seed=1)
    expected = cross_fit(logits.to_numpy(), truth, manifest["fold"].to_numpy(), confidence=0.9)
    assert scored.trust is not None
    assert scored.trust.sets.asked == 0.9
    assert scored.trust.sets.coverage.value == expected.sets[np.arange(N), truth].mean()
    assert scored.trust.sets.mean_size.value == expected.sets.sum(axis=1).mean()
    assert [row.share for row in scored.trust.selection.answered] == [1.0, 0.95, 0.9, 0.8]
    assert scored.trust.strangeness is None, "the out-of-fold cells set the limit"
    assert scored.trust.ece.value != scored.pooled.ece.value

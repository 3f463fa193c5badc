from xml.etree import ElementTree as ET

import numpy as np
import pytest

from hematovision.evaluation import plots
from hematovision.evaluation.cross_validation import FoldPredictions, pool_folds
from hematovision.evaluation.metrics import evaluate
from hematovision.evaluation.plots import LearningCurve
from hematovision.evaluation.svg import inline, label

NAMES = ["<script>alert(1)</script>", "immature granulocyte (metamyelocyte, long)", "$x_1$ & \x07co", "血小板", "e_f"]
SETTINGS = {"confidence": 0.95, "resamples": 100, "seed": 0, "ece_bins": 10}


def cells(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.arange(n) % len(NAMES)
    raw = rng.random((n, len(NAMES))) + 2 * np.eye(len(NAMES))[truth]
    return truth, raw / raw.sum(axis=1, keepdims=True)


def every_plot() -> dict[str, str]:
    truth, probabilities = cells()
    evaluation = evaluate(NAMES, truth, probabilities, groups=None, **SETTINGS)
    parts = [FoldPredictions(k, truth[k::3], probabilities[k::3], None, 3, 1.0) for k in range(3)]
    curves = [
        LearningCurve(name="fold 0", metrics={"training loss": [1.0, 0.4, 0.2], "validation accuracy": [0.5, 0.8, 1]}),
        LearningCurve(name="final", frozen_epochs=1, metrics={"training loss": [0.9, 0.3], "validation F1": [0.6, 1]}),
    ]
    return {
        "confusion": plots.confusion_matrix(evaluation),
        "reliability": plots.reliability(evaluation),
        "classes": plots.class_f1(evaluation),
        "folds": plots.folds(pool_folds(NAMES, parts, **SETTINGS)),
        "counts": plots.class_counts({name: {"development": 80, "golden": 20} for name in NAMES}),
        "curves": plots.learning_curves(curves),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return every_plot()


def texts(document: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(document).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


def test_every_plot_is_a_document_that_needs_nothing_else(drawn: dict[str, str]):
    for document in drawn.values():
        root = ET.fromstring(document)  # noqa: S314
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert document.count("http") == 1  # the namespace


def test_plots_are_the_same_bytes_every_time(drawn: dict[str, str]):
    assert every_plot() == drawn


def test_labels_stay_text_whatever_they_hold(drawn: dict[str, str]):
    shown = " ".join(texts(drawn["counts"]))
    for fragment in ("<script>", "$x 1$ &  co", "血小板", "e f", "development", "golden"):
        assert fragment in shown
    assert "<script" not in "".join(drawn.values())


def test_the_confusion_matrix_shows_its_counts(drawn: dict[str, str]):
    truth, probabilities = cells()
    hits = int(((probabilities.argmax(axis=1) == truth) & (truth == 0)).sum())
    assert str(hits) in texts(drawn["confusion"])


def test_plots_follow_the_theme_of_the_page(drawn: dict[str, str]):
    assert all("var(--blue, #0072b2)" in document for document in drawn.values())


def test_inlined_plots_share_no_id(drawn: dict[str, str]):
    bare = [inline(document, prefix=name) for name, document in drawn.items()]
    ids = [e.get("id") for one in bare for e in ET.fromstring(one).iter() if e.get("id")]  # noqa: S314
    assert len(ids) == len(set(ids))
    for one in bare:
        own = {e.get("id") for e in ET.fromstring(one).iter()}  # noqa: S314
        used = [e.get("href") for e in ET.fromstring(one).iter() if e.get("href")]  # noqa: S314
        assert all(reference[1:] in own for reference in used)
        assert "xmlns" not in one


@pytest.mark.parametrize(
    ("text", "width", "lines", "shown"),
    [
        ("red_cell", 20, 3, "red cell"),
        ("", 20, 3, "(empty)"),
        ("x" * 30, 10, 1, "x" * 9 + "…"),
        ("a b c", 1, 2, "a\n…"),
    ],
)
def test_labels_are_cut_not_lost(text: str, width: int, lines: int, shown: str):
    assert label(text, width=width, lines=lines) == shown

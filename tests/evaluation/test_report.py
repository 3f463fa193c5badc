import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hematovision.data.settings import Corruption
from hematovision.errors import HematoVisionError
from hematovision.evaluation.cross_validation import FoldPredictions, pool_folds
from hematovision.evaluation.metrics import evaluate
from hematovision.evaluation.mistakes import most_confident_mistakes
from hematovision.evaluation.pictures import Picture, contact_sheet
from hematovision.evaluation.plots import LearningCurve
from hematovision.evaluation.report import digits, percent, render_report, show_correct, show_mistakes
from hematovision.evaluation.report_content import Data, LeftOut, Provenance, ReportContent, Training
from hematovision.evaluation.robustness import summarise_robustness, untested
from hematovision.evaluation.settings import SliceSettings
from hematovision.evaluation.slices import Slices, slice_errors
from hematovision.evaluation.trust import Trust, Trusted, assess_trust

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=alert(1)>"
CLASSES = ["basophil", HOSTILE, "monocyte"]
NUMBERS: dict[str, Any] = {"confidence": 0.95, "resamples": 100, "seed": 0, "ece_bins": 10}
VOID = {"meta", "img", "br", "link", "input", "path", "use", "rect"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps every tag with its attributes and the text a reader sees."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name))]


def load(sha256: str) -> np.ndarray:
    return np.random.default_rng(int(sha256)).integers(0, 255, (200, 200, 3), dtype=np.uint8)


def trust_in(truth: np.ndarray, probabilities: np.ndarray, scores: np.ndarray | None) -> Trust:
    sets = probabilities > 0.3
    sets[:, 2] = True
    given = Trusted(
        probabilities=probabilities, sets=sets, uncompleted=sets, always=[2], asked=0.95, scores=scores, promised=0.01
    )
    return assess_trust(CLASSES, truth, given, groups=None, shares=[0.9], **NUMBERS)


def explain(images: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
    assert len(images) == len(labels)
    return np.linspace(0, 1, len(images) * 16, dtype=np.float32).reshape(-1, 4, 4)


def sliced(rows: pd.DataFrame, correct: np.ndarray) -> Slices:
    asked = SliceSettings(minimum_cells=10, error_rate=0.05, shown=16)
    described = rows.assign(attribute_shape=HOSTILE, source_group=rows["group"])
    described.loc[:44, "attribute_shape"] = "round"
    described.loc[:1, "attribute_shape"] = ""
    worse = np.where(described["source_group"] == "3", False, correct)
    return slice_errors(described, worse, asked, cells="golden set", groups=None, confidence=0.95)


ROBUSTNESS = summarise_robustness(
    np.ones(20, dtype=bool),
    {(HOSTILE, severity): np.arange(20) >= 3 * severity for severity in (1, 5)},
    {HOSTILE: Corruption(kind="jpeg", strengths=[5, 4, 3, 2, 1], says=HOSTILE)},
    cells="golden set",
    groups=None,
    confidence=0.95,
    resamples=100,
    seed=0,
)


def content(n: int = 90, **changes: Any) -> ReportContent:
    rng = np.random.default_rng(1)
    truth = np.arange(n) % 3
    raw = rng.random((n, 3)) + 0.25 * np.eye(3)[truth]
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    rows = pd.DataFrame(
        {
            "path": [f"{HOSTILE}/{i}.png" for i in range(n)],
            "sha256": [str(i) for i in range(n)],
            "label": [CLASSES[t] for t in truth],
            "group": [str(i // 10) for i in range(n)],
        }
    )
    parts = [FoldPredictions(k, truth[k::3], probabilities[k::3], None, 4, 2.5) for k in range(3)]
    mistakes = most_confident_mistakes(rows, truth, probabilities, CLASSES, limit=24)
    parts_of_report: dict[str, Any] = {
        "model": HOSTILE,
        "created": datetime(2026, 1, 2, tzinfo=UTC),
        "evaluated_on": "golden set",
        "data": Data(
            name=HOSTILE,
            version="md5:0123.dir",
            source=HOSTILE,
            n=n,
            synthetic=False,
            counts={name: {"development": 24, "golden": 6} for name in CLASSES},
            quarantine=[LeftOut(path=HOSTILE, reason="truncated after 3 rows")],
            duplicates=[["one.png", "two.png"]],
            contact_sheet=contact_sheet(rows, load, per_class=8, side=128, quality=80, seed=0),
        ),
        "evaluation": evaluate(CLASSES, truth, probabilities, groups=list(rows["group"]), **NUMBERS).model_copy(
            update={"trust": trust_in(truth, probabilities, np.linspace(0.1, 1.2, n))}
        ),
        "cross_validation": pool_folds(CLASSES, parts, **NUMBERS).model_copy(
            update={"trust": trust_in(truth, probabilities, None)}
        ),
        "mistakes": show_mistakes(mistakes, load, side=160, quality=80, explain=explain),
        "correct": show_correct({HOSTILE: [("c.png", "3")]}, load, explain, side=80, quality=80),
        "slices": [sliced(rows, probabilities.argmax(axis=1) == truth)],
        "robustness": ROBUSTNESS,
        "training": Training(
            settings={"learning_rate": "0.001", HOSTILE: HOSTILE},
            curves=[LearningCurve(name="final", metrics={"training loss": [1.0, 0.5], "validation accuracy": [0, 1]})],
        ),
        "provenance": Provenance(git_commit="4bc3361", dirty=True, seed=11, libraries={"torch": "2.15.0"}),
    }
    return ReportContent(**{**parts_of_report, **changes})


@pytest.fixture(scope="module")
def full() -> ReportContent:
    return content()


@pytest.fixture(scope="module")
def document(full: ReportContent) -> str:
    return render_report(full)


@pytest.fixture(scope="module")
def page(document: str) -> Page:
    return Page(document)


def test_the_page_loads_nothing(document: str, page: Page):
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.attributes("src"))
    assert all(target.startswith("#") for target in page.attributes("href"))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
    styles = "".join(re.findall(r"<style.*?</style>", document, re.DOTALL)) + "".join(page.attributes("style"))
    assert "@import" not in styles
    assert not re.search(r"url\((?!#)", styles)


def test_hostile_names_are_text_only(document: str, page: Page):
    assert "<script" not in document
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in page.text


def test_a_reader_finds_every_part(full: ReportContent, page: Page):
    words = " ".join(page.text.split())
    for expected in (
        "Not a medical device", "candidate", "Result on the golden set", "truncated after 3 rows", "Cross-validation",
        "1 cluster of near-duplicates", "learning_rate", "4bc3361", "with uncommitted changes", "2.15.0",
        "md5:0123.dir",
    ):  # fmt: skip
        assert expected in words
    assert percent(full.evaluation.accuracy.value) in page.text
    alternatives = page.attributes("alt")
    assert sum("taken for" in text for text in alternatives) == len(full.mistakes)


def test_it_can_be_used_without_eyes(page: Page):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption")
    assert {"main", "header", "nav", "footer", "h1"} <= set(tags)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in page.attributes("href")} <= set(ids)
    assert set(page.attributes("aria-labelledby")) <= set(ids)


def test_it_stays_small_with_many_pictures(document: str, full: ReportContent):
    assert len(full.mistakes) == 24
    assert len(document.encode()) < 3_000_000


def test_the_same_content_gives_the_same_bytes(full: ReportContent, document: str):
    assert render_report(full) == document


def test_synthetic_data_are_called_so_and_real_data_are_not(full: ReportContent, document: str):
    made = render_report(full.model_copy(update={"data": full.data.model_copy(update={"synthetic": True})}))
    assert "drawn by a program" in made
    assert "ynthetic" not in Page(document).text


def test_new_data_alone_can_be_reported(full: ReportContent):
    report = ReportContent(
        model="hematovision",
        model_version="3",
        evaluated_on="new data",
        data=Data(name="ward 7", version="-", source="ward7", n=9, synthetic=False, without_counterpart={"blast": 12}),
        evaluation=full.evaluation,
    )
    page = Page(render_report(report))
    words = " ".join(page.text.split())
    assert "version 3" in words
    assert "blast (12 cells)" in words
    assert "No file was quarantined" in words
    assert not {"training", "folds"} & set(page.attributes("id"))
    assert {target[1:] for target in page.attributes("href")} <= set(page.attributes("id"))


def test_few_groups_and_absent_classes_are_said():
    truth = np.array([0, 0, 2, 2])
    evaluation = evaluate(CLASSES, truth, np.eye(3)[truth], groups=list("aabb"), **NUMBERS)
    words = " ".join(Page(render_report(content(evaluation=evaluation, mistakes=[]))).text.split())
    assert "4 cells come from 2 groups" in words
    assert "Without a cell of <script>" in words
    assert "This does not promise the next one" in words


def test_a_picture_that_would_be_fetched_is_refused(full: ReportContent):
    fetched = Picture(src="http://evil.example/x.jpg", path="x.jpg", width=1, height=1)
    data = full.data.model_copy(update={"contact_sheet": {"basophil": [fetched]}})
    with pytest.raises(HematoVisionError, match="data URIs only"):
        render_report(full.model_copy(update={"data": data}))


@pytest.mark.parametrize(("value", "shown"), [(1.0, "100.0"), (0.99996, "99.9"), (0.5, "50.0"), (0.0, "0.0")])
def test_almost_all_is_never_shown_as_all(value: float, shown: str):
    assert percent(value).split("\N{NO-BREAK SPACE}")[0] == shown
    assert (digits(value) == "1.000") == (value == 1)


def test_trust_is_told_with_its_figures_and_what_is_never_excluded(full: ReportContent, page: Page):
    trust = full.evaluation.trust
    assert trust is not None and trust.strangeness is not None
    text = " ".join(page.text.split())
    assert "How far the probabilities can be trusted" in text
    assert f"{trust.sets.single} of the sets were a single class" in text
    assert "too few cells of monocyte to calibrate by" in text
    assert percent(trust.strangeness.flagged.value) in page.text
    assert "all but 1 % of ordinary cells" in text
    assert "the surest 90 %" in text
    labels = " ".join(page.attributes("aria-label"))
    assert "Coverage by class" in labels and "Strangeness of 90 cells" in labels


def test_without_trust_the_page_has_no_such_section(full: ReportContent):
    bare = full.model_copy(update={"evaluation": full.evaluation.model_copy(update={"trust": None})})
    assert "How far the probabilities" not in Page(render_report(bare)).text


def test_where_it_fails_is_said_in_words_and_drawn(full: ReportContent, document: str):
    page = Page(document)
    words = " ".join(page.text.split())
    assert "1 of 11 parts is worse than the rest: group: 3 (0.0 % of 10)" in words
    assert "shape is not stated for 2 cells" in words
    assert "The same 20 cells of the golden set" in words
    assert {"slices", "robustness"} <= set(page.attributes("id"))
    heated = [label for label in page.attributes("alt") if label.startswith("where the model looked")]
    assert len(heated) == len(full.mistakes) + 1


def test_sections_with_nothing_to_say_are_left_out(full: ReportContent):
    silent = {"slices": [], "robustness": untested("golden set", 0.95), "correct": {}, "notes": ["No maps here."]}
    page = Page(render_report(full.model_copy(update=silent)))
    assert not {"slices", "robustness"} & set(page.attributes("id"))
    assert "No maps here." in page.text


def test_a_heat_map_that_would_be_fetched_is_refused(full: ReportContent):
    fetched = Picture(src="https://evil.example/x.png", path="x.png", width=1, height=1)
    shown = full.mistakes[0].model_copy(update={"heat": fetched})
    with pytest.raises(HematoVisionError, match="data URIs only"):
        render_report(full.model_copy(update={"mistakes": [shown]}))

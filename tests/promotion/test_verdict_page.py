"""The verdict's page: every name escaped, nothing loaded, and still there when a picture is gone."""

from pathlib import Path

import numpy as np
import pytest

from hematovision.config import load_config
from hematovision.errors import HematoVisionError
from hematovision.evaluation.comparison import Answered, compare
from hematovision.home import Home
from hematovision.promotion.gates import champion_gates
from hematovision.promotion.policy import load_policy
from hematovision.promotion.rivals import ChangedCell
from hematovision.promotion.verdict import Verdict
from hematovision.promotion.verdict_page import render_verdict
from hematovision.registry.versions import RegisteredVersion
from tests.promotion.verdicts import paper_verdict

HOSTILE = "<script>alert(1)</script>"


def grey(_: str) -> np.ndarray:
    return np.full((40, 40, 3), 128, np.uint8)


def gone(sha256: str) -> np.ndarray:
    raise HematoVisionError(f"{sha256}: the image is missing from the store")


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    tags = {"model_digest": "a" * 64, "requester": f"user:{HOSTILE}", "git_commit": "b" * 40}
    version = RegisteredVersion(Home(Path("unused")), "lab", "7", "run", tags)
    policy, truth = load_policy(), np.arange(60) % 2
    wrong = np.where(np.arange(60) < 20, 1 - truth, truth)
    sides = [Answered(np.eye(2)[part] * 0.8 + 0.1, np.eye(2, dtype=bool)[part]) for part in (wrong, truth)]
    found = compare([HOSTILE, "b"], truth, *sides, groups=None, confidence=0.95, resamples=100, seed=1, ece_bins=5)
    cells = [
        ChangedCell(path=f"{HOSTILE}/{number}", sha256=str(number), label=HOSTILE, champion=HOSTILE, challenger="b")
        for number in range(20)
    ]
    gates = champion_gates(found, policy.against_champion)
    return paper_verdict(version, policy, ["floor.accuracy"], "lab/6").model_copy(
        update={"gates": gates, "comparison": found, "lost": cells, "notes": [HOSTILE]}
    )


def test_the_page_escapes_every_name_and_loads_nothing(verdict: Verdict) -> None:
    page = render_verdict(verdict, grey, load_config().evaluation)
    assert HOSTILE not in page and page.count("&lt;script&gt;") > 20
    assert "<script" not in page and 'src="http' not in page
    assert page.count('src="data:image/jpeg') == load_policy().shown_cells
    assert "Did not pass" in page and "Lost: 20" in page and "And 8 more" in page
    assert "against the champion, recall" in page


def test_a_picture_that_is_gone_is_told_and_the_verdict_stands(verdict: Verdict) -> None:
    page = render_verdict(verdict, gone, load_config().evaluation)
    assert page.count("not in the store any more") == load_policy().shown_cells
    assert "data:image" not in page and "Lost: 20" in page


def test_a_verdict_is_the_same_after_it_was_read_back(verdict: Verdict) -> None:
    again = Verdict.model_validate_json(verdict.text())
    assert again == verdict and again.digest == verdict.digest
    assert again.text().startswith('{\n  "schema": 1,')
    assert verdict.model_copy(update={"passed": True}).digest != verdict.digest

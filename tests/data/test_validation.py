"""The data gate, by the real Great Expectations: what passes, what stops a run, and what a person reads about it."""

import logging
import re
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from hematovision.data.datadocs import make_self_contained
from hematovision.data.manifest import COMPLETE
from hematovision.data.settings import Range, ValidationSettings
from hematovision.data.validation import FailedExpectation, ValidationResult, raise_for_failures, validate_manifest
from hematovision.errors import GateRefused

SETTINGS = ValidationSettings(
    min_classes=2,
    min_images_per_class=5,
    side=Range(low=16, high=4096),
    brightness=Range(low=40, high=250),
    contrast=Range(low=5, high=110),
    sharpness=Range(low=1, high=50_000),
    conflicting_clusters="critical",
    max_rows_named=4,
)


def good(count: int = 60) -> pd.DataFrame:
    columns: dict[str, list[object]] = {name: [200] * count for name in COMPLETE}
    columns |= {name: [""] * count for name in ("source_group", "source_split", "cluster")}
    columns |= {name: [40.0] * count for name in ("contrast", "saturation")}
    columns |= {
        "path": [f"cells/{row:02}.png" for row in range(count)],
        "label": [f"class {row % 2}" for row in range(count)],
        "sha256": [f"bytes {row}" for row in range(count)],
        "pixel_sha256": [f"pixels {row}" for row in range(count)],
        "group": [f"group {row:02}" for row in range(count)],
        "split": ["golden" if row % 10 < 2 else "development" for row in range(count)],
        "fold": [-1 if row % 10 < 2 else row // 10 % 3 for row in range(count)],
    }
    return pd.DataFrame(columns).astype(dict(COMPLETE))


def damaged() -> pd.DataFrame:
    """One flaw of every kind, each in rows of its own."""
    table = good()
    table.loc[2, "label"] = " "
    table.loc[3, "label"] = None
    table.loc[4, "width"] = 9
    table.loc[5, "brightness"] = 12.345
    table.loc[7, ["path", "sha256"]] = ["cells/06.png", "bytes 6"]
    table.loc[13, ["pixel_sha256", "group", "fold"]] = ["pixels 12", "group 12", 1]
    table.loc[15, ["pixel_sha256", "label"]] = ["pixels 17", "class 1"]
    table.loc[[22, 23], ["cluster", "group"]] = ["near-22", "group 22"]
    table.loc[[24, 26], "cluster"] = "near-24"
    table.loc[[40, 42], "group"] = "shared"
    table.loc[[43, 53], "group"] = "wide"
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def verdict(folder: Path) -> ValidationResult:
    return validate_manifest(damaged(), settings=SETTINGS, folder=folder, suite="split")


def test_good_data_pass(folder: Path) -> None:
    result = validate_manifest(good(), settings=SETTINGS, folder=folder, suite="split")
    assert result.success
    assert result.failed == []
    assert result.statistics["evaluated"] == result.statistics["successful"] > 20
    raise_for_failures(result)


def test_before_the_split_its_columns_are_not_asked_for_and_running_is_quiet(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        result = validate_manifest(
            good().drop(columns=["split", "fold"]), settings=SETTINGS, folder=folder, suite="ingested"
        )
    assert result.success
    assert 10 < result.statistics["evaluated"] < 24
    written = capfd.readouterr()
    assert "Calculating" not in written.out + written.err
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]


FLAWS = {
    "label": ("critical", ["cells/02.png"]),
    "width": ("critical", ["cells/04.png"]),
    "path": ("critical", ["cells/06.png", "cells/06.png"]),
    "images_of_label": ("critical", ["cells/02.png", "cells/03.png"]),
    "labels_per_cluster": ("critical", ["cells/22.png", "cells/23.png"]),
    "groups_per_picture": ("critical", ["cells/15.png", "cells/17.png"]),
    "groups_per_cluster": ("critical", ["cells/24.png", "cells/26.png"]),
    "splits_per_group": ("critical", ["cells/40.png", "cells/42.png"]),
    "folds_per_group": ("critical", ["cells/40.png", "cells/42.png", "cells/43.png", "cells/53.png"]),
    "brightness": ("warning", ["cells/05.png"]),
    "copies_of_file": ("warning", ["cells/06.png", "cells/06.png"]),
    "copies_of_picture": ("warning", ["cells/12.png", "cells/13.png", "cells/15.png", "cells/17.png"]),
}


@pytest.mark.parametrize("column", FLAWS)
def test_every_flaw_is_found_and_its_rows_are_named(verdict: ValidationResult, column: str) -> None:
    severity, rows = FLAWS[column]
    found = [failure for failure in verdict.failed if failure.column == column]
    assert {failure.severity for failure in found} == {severity}
    assert any(sorted(failure.rows) == rows for failure in found)


def test_the_same_picture_with_two_labels_is_named_with_both(verdict: ValidationResult) -> None:
    (conflict,) = [failure for failure in verdict.failed if failure.column == "labels_per_picture"]
    assert conflict.severity == "critical"
    assert "cells/12.png (labelled 'class 0', labels per picture 2)" in conflict.message
    assert "cells/13.png (labelled 'class 1', labels per picture 2)" in conflict.message


def test_nothing_sound_is_accused(verdict: ValidationResult) -> None:
    accused = {row for failure in verdict.failed for row in failure.rows}
    assert not accused & {f"cells/{row}.png" for row in (10, 11, 20, 21, 30, 31, 35, 44, 59)}
    sound = {"height", "contrast", "sharpness", "sha256", "group", "split", "splits_per_cluster"}
    assert not sound & {failure.column for failure in verdict.failed}


def test_the_count_is_whole_where_the_names_are_cut(folder: Path) -> None:
    result = validate_manifest(good().assign(contrast=1.0), settings=SETTINGS, folder=folder, suite="split")
    assert result.success
    assert [(failure.column, failure.count, len(failure.rows)) for failure in result.failed] == [("contrast", 60, 4)]
    raise_for_failures(result)


def test_a_missing_class_and_missing_columns_are_said_in_words(folder: Path) -> None:
    one_class = validate_manifest(good().assign(label="x"), settings=SETTINGS, folder=folder, suite="split")
    assert [failure.message for failure in one_class.failed] == ["there are at least 2 classes: found 1"]
    bare = validate_manifest(good()[["path", "label"]], settings=SETTINGS, folder=folder, suite="split")
    (failure,) = bare.failed
    assert failure.severity == "critical"
    assert "sha256" in failure.message


def test_a_class_on_one_side_only_is_refused(folder: Path) -> None:
    table = good()
    table.loc[table["split"] == "golden", "label"] = "class 0"
    result = validate_manifest(table, settings=SETTINGS, folder=folder, suite="split")
    assert [failure.column for failure in result.failed] == ["splits_per_label"]
    assert "labelled 'class 1'" in result.failed[0].message


def test_conflicting_clusters_can_be_a_warning(folder: Path) -> None:
    table = good()
    table.loc[[22, 23], ["cluster", "group"]] = ["near-22", "group 22"]
    milder = SETTINGS.model_copy(update={"conflicting_clusters": "warning"})
    result = validate_manifest(table, settings=milder, folder=folder, suite="split")
    assert result.success
    assert [failure.column for failure in result.failed] == ["labels_per_cluster"]


def test_a_refusal_names_the_critical_failures_and_not_the_warnings(verdict: ValidationResult) -> None:
    assert not verdict.success
    with pytest.raises(GateRefused) as refusal:
        raise_for_failures(verdict)
    told = str(refusal.value)
    assert "the width is 16 to 4096 pixels: not so for 1 of 60 rows: cells/04.png (labelled 'class 0', width 9)" in told
    assert "brightness" not in told
    assert verdict.docs_path in told


def test_the_data_docs_read_offline(verdict: ValidationResult) -> None:
    page = verdict.docs_html
    assert Path(verdict.docs_path).read_text(encoding="utf-8") == page
    assert "no label is empty" in page
    assert "cells/06.png" in page
    assert not re.findall(r"<script|<link|<img|@import|https?://|href=[\"'][^#]", page)


def test_a_page_is_cut_loose_from_every_host() -> None:
    page = """<html><head><link rel="stylesheet" href="https://a.example/x.css"><SCRIPT src='https://b.example'>
    a()</SCRIPT><style>@import url("c.css"); h1 { background: url(https://c.example/i.png) }</style></head>
    <body><a class="x" href="../index.html">home</a><a href="#part">part</a><img src="https://d.example/?id=1"/></body>"""
    done = make_self_contained(page)
    assert "example" not in done
    assert "c.css" not in done
    assert '<a class="x">home</a><a href="#part">part</a>' in done


def test_results_travel_as_json(verdict: ValidationResult) -> None:
    assert ValidationResult.model_validate_json(verdict.model_dump_json()) == verdict
    assert isinstance(verdict.failed[0], FailedExpectation)


def test_thresholds_have_no_defaults_and_must_make_sense() -> None:
    with pytest.raises(ValidationError, match="min_images_per_class"):
        ValidationSettings.model_validate(SETTINGS.model_dump(exclude={"min_images_per_class"}))
    with pytest.raises(ValidationError, match=r"low 5\.0 is above high 2\.0"):
        Range(low=5, high=2)

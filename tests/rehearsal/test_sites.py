"""Two sites, dealt into shares that never meet."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from hematovision.config import RunConfig, load_config
from hematovision.data.synthetic.picture import CELL_CLASSES
from hematovision.errors import UsageError
from hematovision.rehearsal.sites import (
    SITE_A,
    SITE_B,
    Sites,
    chosen_for_correction,
    draw_sites,
    read_sites,
    write_home_site,
)

SMALL = {
    "synthetic": {"image_size": 64, "cells_per_class_per_slide": 1},
    "rehearsal": {"slides_a": 4, "slides_b": 6, "per_class": 2},
}


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config(Path("loop"), SMALL)


@pytest.fixture(scope="module")
def drawn(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return draw_sites(tmp_path_factory.mktemp("drawn"), config)


@pytest.fixture(scope="module")
def dealt(drawn: dict[str, Path], config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Sites:
    return read_sites(tmp_path_factory.mktemp("dealt"), drawn, config)


def _shares(dealt: Sites) -> dict[str, pd.DataFrame]:
    return {
        "home": dealt.home,
        "held out a": dealt.held_out_a,
        "held out b": dealt.held_out_b,
        "first": dealt.first,
        "later": dealt.later,
    }


def test_every_cell_is_in_one_share_and_no_slide_in_two(dealt: Sites) -> None:
    shares = _shares(dealt)
    groups = [group for rows in shares.values() for group in rows["group"].unique()]
    assert len(groups) == len(set(groups))
    assert sum(len(rows) for rows in shares.values()) == (4 + 6) * len(CELL_CLASSES)
    assert all(set(rows["label"]) == set(CELL_CLASSES) for rows in shares.values())
    assert dealt.left_out == {}


def test_the_two_sites_hold_different_cells(dealt: Sites) -> None:
    of_a = set(dealt.home["sha256"]) | set(dealt.held_out_a["sha256"])
    of_b = set(dealt.first["sha256"]) | set(dealt.later["sha256"]) | set(dealt.held_out_b["sha256"])
    assert not of_a & of_b
    assert all(name.startswith(SITE_B) for name in dealt.first["source_group"])


def test_what_is_corrected_has_arrived_and_is_the_same_whoever_asks(dealt: Sites) -> None:
    chosen = chosen_for_correction(dealt, 2, seed=3)
    assert chosen == chosen_for_correction(dealt, 2, seed=3) != chosen_for_correction(dealt, 2, seed=4)
    first = dict(zip(dealt.first["sha256"], dealt.first["label"], strict=True))
    assert all(first[sha256] == label for sha256, label in chosen)
    assert {label: sum(one == label for _, one in chosen) for label in CELL_CLASSES} == dict.fromkeys(CELL_CLASSES, 2)


def test_the_home_site_is_a_source_of_its_own_cells_alone(dealt: Sites, drawn: dict[str, Path], tmp_path: Path) -> None:
    folder = write_home_site(dealt, tmp_path / "home-site", notice=drawn[SITE_A] / "README.txt")
    table = pd.read_csv(folder / "manifest.csv")
    assert sorted(Path(path).name for path in table["path"]) == sorted(dealt.home["sha256"])
    assert set(table["site"]) == {SITE_A} and table["group"].str.startswith(SITE_A).all()
    assert (folder / "README.txt").read_text().startswith("All images in this folder are SYNTHETIC")


def _folder(root: Path, rows: list[tuple[Path, str, str]]) -> Path:
    root.mkdir()
    with (root / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "group"))
        for number, (source, label, group) in enumerate(rows):
            (root / f"{number}.bmp").write_bytes(source.read_bytes())
            table.writerow((f"{number}.bmp", label, group))
    return root


def test_a_cell_of_site_a_that_stands_at_site_b_too_is_left_out_there(
    drawn: dict[str, Path], config: RunConfig, tmp_path: Path
) -> None:
    table = pd.read_csv(drawn[SITE_B] / "manifest.csv")
    rows = [(drawn[SITE_B] / row.path, row.label.upper(), row.group) for row in table.itertuples()]
    stray = drawn[SITE_A] / pd.read_csv(drawn[SITE_A] / "manifest.csv")["path"][0]
    rows.append((stray, CELL_CLASSES[0].upper(), "slide-of-its-own"))
    dealt = read_sites(tmp_path / "work", {SITE_A: drawn[SITE_A], SITE_B: _folder(tmp_path / "b", rows)}, config)
    assert dealt.left_out == {"copies of cells of site A": 1}
    assert set(dealt.first["label"]) == set(CELL_CLASSES), "labels are matched by what they mean"


def test_sites_without_a_common_class_are_refused(drawn: dict[str, Path], config: RunConfig, tmp_path: Path) -> None:
    table = pd.read_csv(drawn[SITE_B] / "manifest.csv").head(4)
    rows = [(drawn[SITE_B] / row.path, f"kind {row.Index}", row.group) for row in table.itertuples()]
    with pytest.raises(UsageError, match="share 0 classes"):
        read_sites(tmp_path / "work", {SITE_A: drawn[SITE_A], SITE_B: _folder(tmp_path / "b", rows)}, config)


def test_a_site_of_two_slides_cannot_be_dealt(drawn: dict[str, Path], config: RunConfig, tmp_path: Path) -> None:
    table = pd.read_csv(drawn[SITE_B] / "manifest.csv")
    few = table[table["group"].isin(["slide-00", "slide-01"])]
    rows = [(drawn[SITE_B] / row.path, row.label, row.group) for row in few.itertuples()]
    with pytest.raises(UsageError, match="site-b has 16 usable cells in 2 groups"):
        read_sites(tmp_path / "work", {SITE_A: drawn[SITE_A], SITE_B: _folder(tmp_path / "b", rows)}, config)

"""A data set that grows: known cells stay where they were, and nothing new comes near the golden set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.data.growth import extend_splits, relabelled, write_grown
from hematovision.data.manifest import COMPLETE, GROUPED
from hematovision.data.sources import open_source
from hematovision.data.splits import assign_splits
from hematovision.data.store import ImageStore


def cells(numbers: list[int], groups: list[str]) -> pd.DataFrame:
    columns: dict[str, object] = {name: [0] * len(numbers) for name in GROUPED}
    columns |= {
        "path": [f"{number:04}.png" for number in numbers],
        "sha256": [f"{number * 7919 % 10007:064x}" for number in numbers],
        "label": ["ab"[number % 2] for number in numbers],
        "group": groups,
        "source_group": "",
        "source_split": "",
    }
    return pd.DataFrame(columns)


KNOWN = assign_splits(
    cells(list(range(80)), [f"slide {number // 4}" for number in range(80)]),
    golden_fraction=0.25,
    folds=3,
    seed=1,
    keep_source_splits=False,
)


@given(st.lists(st.sampled_from([*sorted(set(KNOWN["group"])), "new 1", "new 2", "new 3"]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_new_cells_join_one_fold_or_are_left_out_with_a_reason(groups: list[str]) -> None:
    new = cells([100 + number for number in range(len(groups))], groups)
    grown = extend_splits(pd.concat([KNOWN[list(GROUPED)], new]), KNOWN, folds=3, held_out_fraction=0.3, seed=2)
    manifest = grown.manifest.set_index("path")
    pd.testing.assert_frame_equal(manifest.loc[KNOWN["path"]].reset_index()[list(KNOWN)], KNOWN, check_dtype=False)
    golden = set(KNOWN.loc[KNOWN["split"] == "golden", "group"])
    assert set(grown.left_out["path"]) == set(new.loc[new["group"].isin(golden), "path"])
    assert len(manifest) + len(grown.left_out) == len(KNOWN) + len(new)
    assert (manifest.groupby("group")["fold"].nunique() == 1).all()
    assert (manifest.groupby("group")["split"].nunique() == 1).all()
    assert not grown.left_out["reason"].eq("").any()


def test_a_new_cell_between_two_folds_is_left_out() -> None:
    development = KNOWN[KNOWN["split"] == "development"].groupby("fold")["group"].first()
    grouped = KNOWN[list(GROUPED)].assign(
        group=KNOWN["group"].replace({development[0]: "joined", development[1]: "joined"})
    )
    new = cells([100], ["joined"])
    grown = extend_splits(pd.concat([grouped, new]), KNOWN, folds=3, held_out_fraction=0.3, seed=2)
    assert list(grown.left_out["reason"]) == ["it joins cells of several folds"]
    assert (grown.manifest.groupby("group")["fold"].nunique() == 1).all()


def test_what_is_held_out_is_in_no_fold_and_of_every_class() -> None:
    new = cells(list(range(100, 160)), [f"new {number}" for number in range(60)])
    grown = extend_splits(pd.concat([KNOWN[list(GROUPED)], new]), KNOWN, folds=3, held_out_fraction=0.3, seed=2)
    held_out = grown.manifest[grown.manifest["split"] == "held-out"]
    assert held_out["label"].value_counts().to_dict() == {"a": 9, "b": 9}
    assert (held_out["fold"] == -1).all()


def test_what_is_laid_out_is_read_back_as_it_was(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    digests = [store.put(bytes([number]) * 9) for number in range(4)]
    known = KNOWN.head(3).assign(sha256=digests[:3], source_group=["slide 1", "", ""], attribute_site="home")
    new = pd.DataFrame({"sha256": digests[2:], "label": ["a", "b"], "group": ["", "slide 9"], "site": ["away", "away"]})
    folder = write_grown(known, new, store, tmp_path / "grown")
    items = list(open_source(folder, voc_margin=0.0, max_pixels=1000).items())
    assert [item.load() for item in items] == [bytes([number]) * 9 for number in range(4)]
    assert [item.group for item in items] == ["home/slide 1", "", "", "slide 9"], "two sites may have a slide 1"
    assert [item.attributes["site"] for item in items] == ["home", "home", "home", "away"]
    assert np.array_equal([item.label for item in items], [*known["label"], "b"])


def test_a_table_without_sites_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="site"):
        write_grown(KNOWN, pd.DataFrame({"sha256": [], "label": []}), ImageStore(tmp_path), tmp_path / "grown")


def test_known_cells_take_the_label_decided_on_since_but_golden_ones_and_places_stay() -> None:
    known = pd.DataFrame(
        {
            **dict.fromkeys(COMPLETE, ""),
            "path": ["a", "b", "c", "d"],
            "sha256": ["1", "2", "3", "3"],
            "label": ["monocyte", "monocyte", "basophil", "basophil"],
            "split": ["golden", "development", "held-out", "held-out"],
            "fold": [-1, 2, -1, -1],
        }
    )
    found = relabelled(known, {"1": "lymphocyte", "2": "lymphocyte", "3": "monocyte", "elsewhere": "basophil"})
    assert list(found["label"]) == ["monocyte", "lymphocyte", "monocyte", "monocyte"]
    assert found.drop(columns="label").equals(known.drop(columns="label"))
    assert list(known["label"]) == ["monocyte", "monocyte", "basophil", "basophil"]

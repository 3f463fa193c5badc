"""Splits are stratified, grouped, deterministic in content, and refused where they cannot be honest."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hematovision.data.manifest import GROUPED
from hematovision.data.splits import assign_splits, validation_split
from hematovision.errors import GateRefused, UsageError


def table(labels: Sequence[str], groups: Sequence[str], source_splits: Sequence[str] | None = None) -> pd.DataFrame:
    columns: dict[str, Sequence[object]] = {name: [0] * len(labels) for name in GROUPED}
    columns |= {
        "path": [f"{row:04}.png" for row in range(len(labels))],
        "sha256": [f"{row * 7919 % 10007:064x}" for row in range(len(labels))],
        "label": labels,
        "group": groups,
        "source_split": source_splits or [""] * len(labels),
    }
    return pd.DataFrame(columns)


def split(manifest: pd.DataFrame, folds: int = 3, seed: int = 0, keep: bool = True) -> pd.DataFrame:
    return assign_splits(manifest, golden_fraction=0.2, folds=folds, seed=seed, keep_source_splits=keep)


def slides(count: int, cells: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    labels = random.choice(list("abcdefgh"), count * cells)
    return table(list(labels), [f"slide {row // cells:02}" for row in range(count * cells)])


def test_single_cells_are_split_exactly() -> None:
    done = split(table(list("abcde") * 100, [f"g{row}" for row in range(500)]), folds=5)
    counts = pd.crosstab(done["label"], done["fold"])
    assert (counts[-1] == 20).all()
    assert (counts.drop(columns=-1) == 16).all(axis=None)
    assert ((done["split"] == "golden") == (done["fold"] == -1)).all()


def test_twelve_slides_are_split_near_the_shares() -> None:
    done = split(slides(12, 200), folds=5)
    assert (done["fold"] == -1).mean() == pytest.approx(0.2, abs=0.05)
    shares = pd.crosstab(done["label"], done["fold"], normalize="index")
    assert shares.drop(columns=-1).sub(0.16).abs().max(axis=None) < 0.06
    assert shares[-1].sub(0.2).abs().max() < 0.1


def test_uneven_photographs_are_stratified() -> None:
    random = np.random.default_rng(3)
    sizes = random.poisson(11, 364) + 2
    groups = np.repeat([f"photo {row}" for row in range(364)], sizes)
    labels = random.choice(["RBC", "Platelets", "WBC"], len(groups), p=[0.84, 0.08, 0.08])
    shares = pd.crosstab(
        labels, split(table(list(labels), list(groups)), folds=5)["fold"].to_numpy(), normalize="index"
    )
    assert shares.drop(columns=-1).sub(0.16).abs().max(axis=None) < 0.01


cells = st.lists(st.tuples(st.sampled_from("aaabbc"), st.integers(0, 25)), min_size=12, max_size=120)


@settings(max_examples=40, deadline=None)
@given(cells=cells, seed=st.integers(0, 3), data=st.data())
def test_no_group_straddles_and_every_class_is_everywhere_or_it_is_refused(
    cells: list[tuple[str, int]], seed: int, data: st.DataObject
) -> None:
    manifest = table([label for label, _ in cells], [f"g{group}" for _, group in cells])
    if manifest.groupby("label")["group"].nunique().min() < 4:
        with pytest.raises(GateRefused, match=r"class '.' has \d group\(s\) and cannot stand"):
            split(manifest, seed=seed)
        return
    assume(manifest.groupby("label")["group"].nunique().min() >= 6)  # between: a class may be bound to others' groups
    done = split(manifest, seed=seed)
    assert (done.groupby("group")["fold"].nunique() == 1).all()
    assert (done.groupby("label")["fold"].nunique() == 4).all()
    order = data.draw(st.permutations(range(len(manifest))))
    again = split(manifest.iloc[order], seed=seed).sort_values("path")
    pd.testing.assert_frame_equal(again, done)


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(4, 25), min_size=1, max_size=4))
def test_single_cells_are_never_refused_when_each_class_has_one_for_every_part(counts: list[int]) -> None:
    labels = [label for label, count in zip("abcd", counts, strict=False) for _ in range(count)]
    done = split(table(labels, [f"g{row}" for row in range(len(labels))]))
    assert (done.groupby("label")["fold"].nunique() == 4).all()


def mixed_slides(seed: int) -> pd.DataFrame:
    """Eight to thirty slides of one to three of six classes each."""
    random = np.random.default_rng(seed)
    rows = [
        (label, f"slide {slide}")
        for slide in range(int(random.integers(8, 30)))
        for label in random.choice(list("abcdef"), size=int(random.integers(1, 4)), replace=False)
        for _ in range(int(random.integers(1, 9)))
    ]
    return table([label for label, _ in rows], [slide for _, slide in rows])


@pytest.mark.parametrize("seed", [9, 22, 109, 227, 336])
def test_slides_that_mix_classes_leave_none_out(seed: int) -> None:
    """A class stands on as few slides as there are parts; each table fails without one rule of the allocation."""
    manifest = mixed_slides(seed)
    assert manifest.groupby("label")["group"].nunique().min() == 4
    assert (split(manifest).groupby("label")["fold"].nunique() == 4).all()


def test_slides_that_mix_classes_come_near_their_shares() -> None:
    distances = []
    for seed in (13, 86, 229, 289, 306):
        done = split(mixed_slides(seed))
        shares = pd.crosstab(done["label"], done["fold"], normalize="index").to_numpy()
        distances.append(((shares - [0.2, *[0.8 / 3] * 3]) ** 2).sum())
    assert np.mean(distances) < 0.08  # 0.15 when groups stay where they were dealt


def test_the_seed_and_only_the_content_decide() -> None:
    manifest = table(list("ab") * 60, [f"g{row}" for row in range(120)])
    first, other = split(manifest, seed=1), split(manifest, seed=2)
    assert (first["fold"] != other["fold"]).any()
    renamed = manifest.assign(path=lambda m: "moved/" + m["path"], group=lambda m: "renamed " + m["group"])
    assert (split(renamed, seed=1)["fold"] == first["fold"]).all()


def test_a_class_of_too_few_groups_is_refused_by_name() -> None:
    manifest = table(["a"] * 40 + ["rare"] * 9, [f"g{row}" for row in range(40)] + ["s1", "s2", "s3"] * 3)
    with pytest.raises(GateRefused, match=r"class 'rare' has 3 group\(s\).*golden set and 3 folds.*fewer folds"):
        split(manifest)
    assert split(manifest, folds=2)["fold"].nunique() == 3


@pytest.mark.parametrize(("fraction", "folds"), [(0.0, 3), (1.0, 3), (0.2, 1)])
def test_impossible_parameters_are_wrong_usage(fraction: float, folds: int) -> None:
    manifest = table(list("ab") * 10, [f"g{row}" for row in range(20)])
    with pytest.raises(UsageError):
        assign_splits(manifest, golden_fraction=fraction, folds=folds, seed=0, keep_source_splits=True)


def with_source_splits(test_labels: str = "ab") -> pd.DataFrame:
    labels = list("ab") * 20 + list(test_labels) * 5
    source = ["train", "validation"] * 20 + ["test"] * (5 * len(test_labels))
    return table(labels, [f"g{row}" for row in range(len(labels))], source)


def test_the_sources_test_images_become_the_golden_set() -> None:
    manifest = with_source_splits()
    done = split(manifest)
    assert ((done["split"] == "golden") == (manifest["source_split"] == "test")).all()
    assert set(done.loc[done["split"] == "development", "fold"]) == {0, 1, 2}


def test_regrouping_ignores_the_sources_splits() -> None:
    done = split(with_source_splits(), keep=False)
    assert set(done.loc[done["split"] == "golden", "source_split"]) > {"test"}


def test_a_source_test_split_that_leaks_or_lacks_a_class_is_refused() -> None:
    leaking = with_source_splits()
    leaking.loc[45, "group"] = leaking.loc[2, "group"]
    with pytest.raises(GateRefused, match=r"'g2' first: regroup"):
        split(leaking)
    with pytest.raises(GateRefused, match="class 'b' stands on one side only"):
        split(with_source_splits("a"))


def test_an_empty_manifest_is_refused() -> None:
    with pytest.raises(GateRefused, match="no image to split"):
        split(table([], []))


def test_the_validation_part_is_grouped_and_stratified() -> None:
    manifest = slides(20, 30)
    fit, validation = validation_split(manifest, fraction=0.2, seed=5)
    assert not set(fit["group"]) & set(validation["group"])
    assert set(fit["label"]) == set(validation["label"])
    assert len(validation) / len(manifest) == pytest.approx(0.2, abs=0.05)
    assert sorted([*fit["path"], *validation["path"]]) == manifest["path"].tolist()
    again = validation_split(manifest.sample(frac=1, random_state=0), fraction=0.2, seed=5)[1]
    assert sorted(again["path"]) == validation["path"].tolist()


def test_a_class_of_one_group_stays_in_the_fit_rows() -> None:
    manifest = table(["a"] * 20 + ["rare"] * 2, [f"g{row}" for row in range(20)] + ["s", "s"])
    fit, validation = validation_split(manifest, fraction=0.2, seed=0)
    assert (fit["label"] == "rare").sum() == 2
    assert set(validation["label"]) == {"a"}


def test_one_group_cannot_give_validation_rows() -> None:
    with pytest.raises(GateRefused, match="one group"):
        validation_split(table(["a", "b"], ["s", "s"]), fraction=0.2, seed=0)

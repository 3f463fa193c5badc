"""The reference and the verdict, on made embeddings whose truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hematovision.errors import HematoVisionError, UsageError
from hematovision.monitoring.drift import DriftVerdict, detect_drift, most_unusual
from hematovision.monitoring.reference import Reference, build_reference
from hematovision.monitoring.settings import DriftSettings

CLASSES = ("basophil", "monocyte", "neutrophil")
DIMENSIONS = 40
SETTINGS = DriftSettings(
    false_alarm_rate=0.05,
    resamples=300,
    maximum_reference=1000,
    minimum_reference=20,
    maximum_window=120,
    low_power_below=8,
    few_groups_below=10,
    shown_components=3,
    whitened_components=12,
    class_mix_concentration=100,
    minimum_baseline=100,
    window=200,
    on_alarm_seconds=30,
)

Cells = tuple[np.ndarray, pd.DataFrame, np.ndarray]


def cells(n: int, seed: int, *, shift: float = 0, darker: float = 0, sure: float = 3, only: int | None = None) -> Cells:
    """Embeddings, image statistics and probabilities of n cells of one lab."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(CLASSES), size=n) if only is None else np.full(n, only)
    centres = np.random.default_rng(0).normal(size=(len(CLASSES), DIMENSIONS))
    moved = shift * np.resize([1, -1], DIMENSIONS)
    embeddings = (2 + centres[labels] + rng.normal(size=(n, DIMENSIONS)) + moved).astype(np.float32)
    brightness = rng.normal(180 - darker, 8, size=n)
    table = pd.DataFrame({"brightness": brightness, "contrast": rng.normal(40, 5, size=n)})
    logits = rng.normal(size=(n, len(CLASSES))) * 0.5 + sure * np.eye(len(CLASSES))[labels]
    odds = np.exp(logits)
    return embeddings, table, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build_reference(*cells(300, 1), CLASSES, settings=SETTINGS, seed=0)


def check(reference: Reference, window: Cells, **options: object) -> DriftVerdict:
    return detect_drift(reference, *window, **({"settings": SETTINGS, "seed": 0} | options))  # type: ignore[arg-type]


def alarms(verdict: DriftVerdict) -> set[str]:
    return {signal.name for signal in verdict.signals if signal.alarm}


@pytest.mark.parametrize("n", [10, 50])
def test_false_alarms_are_as_rare_as_stated(n: int) -> None:
    # 40 windows over 2 references at 5 %: more than 6 alarms has a chance of 0.3 %.
    references = [build_reference(*cells(300, 100 + r), CLASSES, settings=SETTINGS, seed=0) for r in range(2)]
    found = [check(references[seed % 2], cells(n, 1000 + seed), seed=seed).drift for seed in range(40)]
    assert sum(found) <= 6


@pytest.mark.parametrize(
    ("window", "signal"),
    [
        ({"shift": 0.5}, "embedding"),
        ({"shift": 0.5}, "embedding_mean"),
        ({"darker": 12}, "brightness"),
        ({"sure": 0.5}, "confidence"),
        ({"sure": 0.5}, "entropy"),
        ({"only": 1}, "predicted_class"),
    ],
)
def test_a_shift_alarms_the_signal_that_names_it(reference: Reference, window: dict[str, float], signal: str) -> None:
    verdict = check(reference, cells(50, 7, **window))  # type: ignore[arg-type]
    assert verdict.drift
    assert signal in alarms(verdict)


def test_a_surer_model_is_no_drift(reference: Reference) -> None:
    assert not alarms(check(reference, cells(50, 8, sure=9))) & {"confidence", "entropy"}


def test_a_shift_too_small_to_act_on_is_no_alarm() -> None:
    nearly_always_sure = build_reference(*cells(300, 1, sure=12), CLASSES, settings=SETTINGS, seed=0)
    asked = {"confidence": 0.01, "entropy": 0.03}
    lenient = SETTINGS.model_copy(update={"smallest_shift": asked})
    a_little_less, much_less = cells(100, 7, sure=9), cells(100, 7, sure=2)
    assert alarms(check(nearly_always_sure, a_little_less)) >= set(asked)
    verdict = check(nearly_always_sure, a_little_less, settings=lenient)
    assert not alarms(verdict) & set(asked)
    assert {signal.name: signal.threshold for signal in verdict.signals}.items() >= asked.items()
    assert alarms(check(nearly_always_sure, much_less, settings=lenient)) >= set(asked)


def test_a_window_larger_than_the_reference_is_judged_by_a_sample(reference: Reference) -> None:
    verdict = check(reference, cells(700, 9))
    assert (verdict.n, len(verdict.judged)) == (700, SETTINGS.maximum_window)
    assert any("random sample of 120 of the 700" in note for note in verdict.notes)
    assert not verdict.drift
    assert check(reference, cells(700, 9, shift=0.3)).drift


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_tiny_window_gets_a_verdict_and_a_note(reference: Reference, n: int) -> None:
    verdict = check(reference, cells(n, 10))
    assert any(f"Only {n} image" in note for note in verdict.notes)
    assert all(np.isfinite([signal.value, signal.threshold]).all() for signal in verdict.signals)
    assert check(reference, cells(n, 10, shift=20)).drift


def test_slides_with_a_look_of_their_own_are_no_drift() -> None:
    """A new slide differs from the average slide by its own look; only a reference that knows groups forgives that."""

    def slides(count: int, seed: int) -> tuple[Cells, list[str]]:
        rng = np.random.default_rng(seed)
        looks = rng.normal(0, 9, size=count)
        parts = [cells(20, seed * 1000 + number) for number in range(count)]
        tables = [
            table.assign(brightness=table["brightness"] + look)
            for (_, table, _), look in zip(parts, looks, strict=True)
        ]
        merged = (
            np.concatenate([part[0] for part in parts]),
            pd.concat(tables),
            np.concatenate([part[2] for part in parts]),
        )
        return merged, [f"{seed}-{number}" for number in range(count) for _ in range(20)]

    known, groups = slides(40, 1)
    aware = build_reference(*known, CLASSES, settings=SETTINGS, seed=0, groups=groups)
    blind = build_reference(*known, CLASSES, settings=SETTINGS, seed=0)
    windows = [slides(2, seed)[0] for seed in range(2, 14)]
    assert sum("brightness" in alarms(check(aware, window)) for window in windows) <= 2
    assert sum("brightness" in alarms(check(blind, window)) for window in windows) >= 5


def test_the_same_seed_gives_the_same_verdict(reference: Reference) -> None:
    assert check(reference, cells(30, 11)) == check(reference, cells(30, 11))


def test_the_verdict_as_json(reference: Reference) -> None:
    verdict = check(reference, cells(30, 12, shift=1))
    document = json.loads(verdict.model_dump_json())
    assert document["n"] == 30
    assert document["drift"] is True
    assert document["false_alarm_rate"] == 0.05
    assert {"name", "value", "threshold", "alarm"} <= set(document["signals"][0])
    assert all(signal["alarm"] == (signal["value"] > signal["threshold"]) for signal in document["signals"])
    assert document["drift"] == any(signal["alarm"] for signal in document["signals"])
    assert DriftVerdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_most_unusual_finds_the_stranger(reference: Reference) -> None:
    embeddings = cells(20, 13)[0]
    embeddings[4] = -embeddings[4]
    assert most_unusual(reference, embeddings, count=3)[0] == 4


def test_a_reference_survives_saving(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / "monitoring")
    assert {file.name for file in (tmp_path / "monitoring").iterdir()} == {
        "reference.parquet",
        "reference.safetensors",
        "reference.json",
    }
    loaded = Reference.load(tmp_path / "monitoring")
    window = cells(40, 14, darker=6)
    assert check(loaded, window) == check(reference, window)
    assert loaded.classes == CLASSES


def test_a_site_is_compared_with_its_own_cells_where_they_are_enough(tmp_path: Path) -> None:
    home, other = cells(200, 21), cells(60, 22, shift=0.8, darker=20)
    both = tuple(
        pd.concat([a, b]) if isinstance(a, pd.DataFrame) else np.concatenate([a, b])
        for a, b in zip(home, other, strict=True)
    )
    sites = [""] * 200 + ["north"] * 60
    build_reference(*both, CLASSES, settings=SETTINGS, seed=0, sites=sites).save(tmp_path)
    loaded = Reference.load(tmp_path)
    assert loaded.sites == tuple(sites) and loaded.statistic_names == ["brightness", "contrast"]
    assert len(loaded.of_site("north", 20)) == 60
    assert len(loaded.of_site("north", 61)) == len(loaded.of_site(None, 20)) == 260
    assert set(loaded.of_site("elsewhere", 20).sites) == {""}
    window = cells(50, 23, shift=0.8, darker=20)
    assert check(loaded, window).drift, "a fifth of the reference is no reference"
    assert not check(loaded.of_site("north", 20), window).drift
    assert not check(loaded.of_site("elsewhere", 20), cells(50, 24)).drift
    assert check(loaded.of_site("elsewhere", 20), window).drift


def test_one_larger_set_is_no_alarm_where_the_reference_has_none_and_many_are() -> None:
    doubts = pd.DataFrame({"set_size": np.ones(300), "strangeness": np.random.default_rng(5).normal(0.5, 0.1, 300)})
    sure = build_reference(*cells(300, 1), CLASSES, settings=SETTINGS, seed=0, doubts=doubts)
    window = cells(50, 31)
    for larger, alarm in ((0, False), (1, False), (6, True)):
        sizes = np.where(np.arange(50) < larger, 2.0, 1.0)
        seen = pd.DataFrame({"set_size": sizes, "strangeness": doubts["strangeness"][:50]})
        assert ("set_size" in alarms(check(sure, window, doubts=seen))) == alarm
    strange = pd.DataFrame({"set_size": np.ones(50), "strangeness": doubts["strangeness"][:50] + 0.2})
    assert alarms(check(sure, window, doubts=strange)) == {"strangeness"}
    with pytest.raises(UsageError, match="give those of the new images too"):
        check(sure, window)


def test_few_cells_or_groups_measure_new_cells_by_few_components() -> None:
    wide = SETTINGS.model_copy(update={"whitened_components": 40})
    groups = [str(number // 10) for number in range(300)]
    found = {
        "alone": build_reference(*cells(300, 1), CLASSES, settings=wide, seed=0),
        "in 30 groups": build_reference(*cells(300, 1), CLASSES, settings=wide, seed=0, groups=groups),
        "a few": build_reference(*cells(40, 1), CLASSES, settings=wide, seed=0),
    }
    assert {name: one.trusted_components for name, one in found.items()} == {
        "alone": 15,
        "in 30 groups": 10,
        "a few": 2,
    }


def test_an_incomplete_or_mixed_reference_is_refused(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path / "a")
    smaller = replace(reference, observations=reference.observations.iloc[:50], groups=reference.groups[:50])
    replace(smaller, embeddings=reference.embeddings[:50]).save(tmp_path / "b")
    (tmp_path / "b" / "reference.safetensors").rename(tmp_path / "a" / "reference.safetensors")
    with pytest.raises(HematoVisionError, match="do not belong together"):
        Reference.load(tmp_path / "a")
    with pytest.raises(UsageError, match=r"reference\.safetensors is missing"):
        Reference.load(tmp_path / "b")


def test_a_large_reference_keeps_whole_groups() -> None:
    groups = [str(number // 7) for number in range(300)]
    bounded = SETTINGS.model_copy(update={"maximum_reference": 100})
    reference = build_reference(*cells(300, 15), CLASSES, settings=bounded, seed=0, groups=groups)
    assert 94 <= len(reference) <= 100
    assert {groups.count(group) for group in reference.groups} <= {7, 6}
    assert all(reference.groups.count(group) == groups.count(group) for group in reference.groups)


def test_inputs_that_do_not_fit_are_refused(reference: Reference) -> None:
    embeddings, table, probabilities = cells(12, 16)
    with pytest.raises(UsageError, match="12 rows of image statistics, 11 embeddings"):
        check(reference, (embeddings[:11], table, probabilities))
    with pytest.raises(UsageError, match="no image"):
        check(reference, (embeddings[:0], table[:0], probabilities[:0]))
    with pytest.raises(UsageError, match="lack contrast"):
        check(reference, (embeddings, table[["brightness"]], probabilities))
    with pytest.raises(UsageError, match="40 dimensions"):
        check(reference, (embeddings[:, :9], table, probabilities))
    with pytest.raises(UsageError, match="'brightness' has missing"):
        check(reference, (embeddings, table.assign(brightness=np.nan), probabilities))
    with pytest.raises(UsageError, match="2 classes do not fit"):
        check(reference, (embeddings, table, probabilities[:, :2]))
    with pytest.raises(UsageError, match="3 groups do not fit 12"):
        check(reference, (embeddings, table, probabilities), groups=["a", "b", "c"])
    with pytest.raises(UsageError, match="too small"):
        build_reference(embeddings, table, probabilities, CLASSES, settings=SETTINGS, seed=0)

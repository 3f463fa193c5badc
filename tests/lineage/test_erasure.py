"""A withdrawn image leaves every store, what cannot be reached is named, and a kill changes nothing of that."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select

from hematovision.data.golden import golden_part, rows_digest
from hematovision.data.ingestion import Limits, read_source
from hematovision.data.manifest import manifest_digest
from hematovision.data.pin import pin, without
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.database import open_database
from hematovision.errors import UnreadableImage, UsageError
from hematovision.feedback import tables
from hematovision.feedback.pictures import open_pictures
from hematovision.lineage.cells import open_index
from hematovision.lineage.erasure import TAG, Eraser
from hematovision.lineage.from_cells import CellReader
from hematovision.lineage.from_mlflow import Registry

from .conftest import DATA, RUNS, World, make_world, manifest

CELL = b"the bytes of a withdrawn cell"
SHA = hashlib.sha256(CELL).hexdigest()
PAGE = '<img src="data:image/jpeg;base64,AAAA"><b>0.98</b>'


def cells(*, split: str = "development") -> pd.DataFrame:
    made = manifest("abc", "a")
    made.loc[1, ["sha256", "pixel_sha256", "cluster", "split"]] = [SHA, "p", "k", split]
    made.loc[2, ["pixel_sha256", "cluster"]] = ["p", "k"]
    return made


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A home in which one image is everywhere."""
    made = make_world(tmp_path)
    home = made.home
    made.register("cells", cells(), RUNS[0], DATA[0])
    made.register("cells", manifest("xyz", "x"), RUNS[1], DATA[0])
    made.register("cells", cells(split="golden"), RUNS[1], DATA[1])
    for store in (home.images, home.pictures):
        ImageStore(store).put(CELL)
    feature = home.features / "plan" / SHA[:2] / f"{SHA}.safetensors"
    for path in (feature, feature.with_name("other.safetensors"), home.pictures / "golden" / "k.npz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    md5 = hashlib.md5(CELL, usedforsecurity=False).hexdigest()
    for folder in (home.data_versions / ".dvc" / "cache", home.data_remote):
        path = folder / "files" / "md5" / md5[:2] / md5[2:]
        path.parent.mkdir(parents=True)
        path.write_bytes(CELL)
    for name, table in (("with", cells()), ("none", manifest("xyz", "x")), ("unregistered", manifest("q", "q"))):
        _candidate(home.runs / f"candidate-{name}", table)
    (home.runs / "evaluate-1").mkdir()
    (home.runs / "evaluate-1" / "report.html").write_text(PAGE)
    made.predict("cells/1", of=SHA, time="2100-01-01T00:00:00")
    _correct(made)
    return made


def _candidate(folder: Path, table: pd.DataFrame) -> None:
    (folder / "package").mkdir(parents=True)
    digests = {"manifest_digest": manifest_digest(table), "golden_digest": rows_digest(golden_part(table))}
    (folder / "package" / "spec.json").write_text(json.dumps(digests))
    (folder / "report.html").write_text(PAGE)
    (folder / "report.json").write_text(json.dumps({"src": "data:image/jpeg;base64,AAAA"}))


def _correct(world: World) -> None:
    columns = [column.name for column in tables.items.c]
    row = dict.fromkeys(columns, "x") | {"state": "accepted", "reason": "", "suspected": False, "image": SHA}
    row["prediction_id"] = world.predictions[0]
    with open_database(world.records).begin() as connection:
        connection.execute(insert(tables.items).values(row))


def eraser(world: World) -> Eraser:
    return Eraser(
        world.home,
        world.ledger,
        CellReader(Registry(world.home), open_index(world.home)),
        open_database(world.records),
        open_pictures(None, world.home.pictures),
        project=world.project,
    )


def left(world: World) -> list[Path]:
    """Files that hold the image, or are called by it; its tombstones left out."""
    return [
        path
        for path in world.home.root.rglob("*")
        if path.is_file() and path.suffix != ".withdrawn" and (SHA in path.name or CELL in path.read_bytes())
    ]


def test_an_erased_image_is_in_no_store_and_only_its_hash_in_the_ledger(world: World) -> None:
    erased = eraser(world).erase(SHA, "consent withdrawn", "user:me")
    assert left(world) == []
    assert not (world.home.pictures / "golden" / "k.npz").exists()
    assert (world.home.features / "plan" / SHA[:2] / "other.safetensors").exists()
    pages = {path.parent.name: path.read_text() for path in world.home.runs.rglob("report.html")}
    assert 'AAAA"' not in pages["candidate-with"] and "0.98" in pages["candidate-with"]
    assert 'AAAA"' not in pages["candidate-unregistered"]
    assert 'AAAA"' not in (world.home.runs / "candidate-with" / "report.json").read_text()
    assert pages["candidate-none"] == pages["evaluate-1"] == PAGE
    records = list(world.ledger.records(kind="erasure"))
    assert [record.subject for record in records] == [f"image:{SHA}"] * 2
    assert "b.png" not in json.dumps([record.content for record in records])
    assert erased.trained == ["cells/1"] and erased.scored == ["cells/3"]


def test_models_are_flagged_by_how_many_of_their_cells_were_withdrawn(world: World) -> None:
    eraser(world).erase(SHA, "x", "me")
    other = cells()["sha256"][2]
    eraser(world).erase(other, "x", "me")
    tags = {thing.identity: version.tags.get(TAG) for thing, version in Registry(world.home).versions.items()}
    assert tags == {"cells/1": "2", "cells/2": None, "cells/3": "1"}


def test_feedback_on_it_is_refused_and_its_history_kept(world: World) -> None:
    eraser(world).erase(SHA, "x", "me")
    with open_database(world.records).connect() as connection:
        item = connection.execute(select(tables.items)).mappings().one()
        events = connection.execute(select(tables.events)).mappings().all()
        kept = connection.execute(select(tables.predictions.c.picture_kept)).scalars().all()
    assert item["state"] == "rejected" and len(events) == 1 and kept == [False]


def test_erasing_again_changes_nothing_and_says_so(world: World) -> None:
    first = eraser(world).erase(SHA, "x", "me")
    second = eraser(world).erase(SHA, "x", "me")
    assert sum(first.removed.values()) > 5 and not any(second.removed.values())
    assert (second.trained, second.scored, second.unreachable) == (first.trained, first.scored, first.unreachable)
    assert len(list(world.ledger.records(kind="erasure"))) == 2


STEPS = ("remove_kept", "withdraw_image", "remove_features", "remove_golden_signatures", "blank_candidates")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_is_completed_later(world: World, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"hematovision.lineage.erasure.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            eraser(world).erase(SHA, "x", "me")
    assert eraser(world).unfinished() == [SHA]
    eraser(world).erase(SHA, "x", "me")
    assert left(world) == [] and eraser(world).unfinished() == []


def test_what_it_could_not_reach_is_named(world: World) -> None:
    (world.project / ".dvc").mkdir()
    (world.project / ".dvc" / "config").write_text("['remote \"hospital\"']\n    url = /mnt/store\n")
    erased = eraser(world).erase(SHA, "x", "me")
    told = "\n".join(erased.unreachable)
    for part in ("b.png in", "remote hospital of DVC: /mnt/store", "MLflow run", f"ZenML run {RUNS[0]}", "evaluate-1"):
        assert part in told
    assert "the models trained on it keep what they learnt" in told and "freeze new ones" in told
    assert erased.copies == [cells()["sha256"][2]]


def test_a_name_is_no_image(world: World) -> None:
    for name in ("../x", "A" * 64, "", "b" * 63):
        with pytest.raises(UsageError):
            eraser(world).erase(name, "x", "me")
    assert list(world.ledger.records(kind="erasure")) == []


def test_a_withdrawn_image_is_not_taken_in_again(tmp_path: Path) -> None:
    import cv2

    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for name in ("one", "two"):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "cell.png"), picture)
        picture = picture[::-1]
    store = ImageStore(tmp_path / "images")
    gone = (tmp_path / "set" / "one" / "cell.png").read_bytes()
    assert not store.withdraw(hashlib.sha256(gone).hexdigest())
    with pytest.raises(UnreadableImage, match="withdrawn"):
        store.put(gone)
    source = open_source(tmp_path / "set", voc_margin=0, max_pixels=10**6)
    reading = read_source(source, store, limits=Limits(10**6, 4), workers=1, describe=lambda _: None)
    assert list(reading.manifest["path"]) == ["two/cell.png"]
    assert "withdrawn" in reading.quarantine["reason"].iloc[0]


def test_a_withdrawal_changes_the_pin_so_that_data_are_read_anew(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    before = pin(tmp_path / "cells")
    assert without(before, []) == before != without(before, [SHA]) != without(before, [SHA, "b" * 64])

"""Out and in again; what a hostile name or table tries stays inside, and is told."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from hematovision.data.ingestion import Limits, read_source
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.errors import UsageError
from hematovision.feedback.exchange import export_items, import_table
from hematovision.feedback.records import Correction, Item, Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from tests.feedback.cells import store_at, tiny

LIMIT = 10**6


def accepted(store: FeedbackStore, number: int, label: str, **fields: object) -> Item:
    said = {"image": tiny(number), "label": label, "by": "ann", "role": "predict", "source": "test"}
    item = store.submit(Correction.model_validate({**said, "client_key": f"k{number}", **fields}))
    return store.adjudicate(item.id, "accept", "eve", "senior")


def filled(store: FeedbackStore) -> list[Item]:
    accepted(store, 1, "monocyte", site="north", slide="S1")
    accepted(store, 2, "Immature Granulocytes(ig, “young”)", site="north", slide="S1")
    accepted(store, 3, "リンパ球", site="south, left", slide="S1")
    accepted(store, 4, "monocyte")
    return store.items(state="accepted")


@pytest.mark.parametrize("layout", ["csv", "folders"])
def test_an_export_is_a_data_set_with_its_groups(store: FeedbackStore, tmp_path: Path, layout: str) -> None:
    done = export_items(store, filled(store), tmp_path / "out", layout=layout)
    source = open_source(done.folder, voc_margin=0, max_pixels=LIMIT)
    reading = read_source(source, ImageStore(tmp_path / "i"), limits=Limits(LIMIT, 8), workers=1, describe=lambda _: 0)
    assert reading.quarantine.empty
    assert sorted(zip(reading.manifest["label"], reading.manifest["source_group"], strict=True)) == [
        ("Immature Granulocytes(ig, “young”)", "north/S1"),
        ("monocyte", ""),
        ("monocyte", "north/S1"),
        ("リンパ球", "south, left/S1"),
    ]
    assert reading.manifest["attribute_site"].tolist().count("north") == 2


def test_round_trip_into_another_store(store: FeedbackStore, tmp_path: Path) -> None:
    items = filled(store)
    done = export_items(store, items, tmp_path / "out")
    other = store_at(tmp_path / "other")
    for _ in range(2):
        outcome = import_table(other, done.folder / "manifest.csv", by="bob", role="review", max_pixels=LIMIT)
        assert outcome.refused == [] and len(outcome.items) == 4
    kept = ("label", "image", "pixels", "site", "slide")
    assert sorted(str(item.model_dump(include=set(kept))) for item in other.items()) == sorted(
        str(item.model_dump(include=set(kept))) for item in items
    )
    assert {(item.state, item.by) for item in other.items()} == {("pending", "bob")}


def test_one_picture_for_items_that_show_the_same(store: FeedbackStore, tmp_path: Path) -> None:
    accepted(store, 1, "monocyte")
    accepted(store, 1, "monocyte", by="bob")
    done = export_items(store, store.items(), tmp_path / "out")
    assert (done.count, done.repeated) == (1, 1)


def test_an_export_is_whole_or_not_there(store: FeedbackStore, home: Home, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no feedback"):
        export_items(store, [], tmp_path / "out")
    items = filled(store)
    export_items(store, items, tmp_path / "out")
    with pytest.raises(UsageError, match="there already"):
        export_items(store, items, tmp_path / "out")
    with pytest.raises(UsageError, match="read as a split"):
        export_items(store, [accepted(store, 9, "train")], tmp_path / "split", layout="folders")
    assert sorted(path.name for path in tmp_path.iterdir() if path != home.root) == ["out"]


def test_bad_rows_are_named_and_the_rest_goes_on(store: FeedbackStore, tmp_path: Path) -> None:
    folder = tmp_path / "annotated"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(tiny(7))
    (folder / "good.png").write_bytes(tiny(1))
    (folder / "text.png").write_text("no picture")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    rows = [
        ("good.png", "monocyte"),
        ("../secret.png", "monocyte"),
        (str(tmp_path / "secret.png"), "monocyte"),
        ("link.png", "monocyte"),
        ("text.png", "monocyte"),
        ("missing.png", "monocyte"),
        ("good.png", "../../etc"),
        ("good.png", "=HYPERLINK(1)"),
        ("good.png", ""),
        ("x" * 5000, "monocyte"),
    ]
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    outcome = import_table(store, folder / "table.csv", by="bob", role="predict", max_pixels=LIMIT)
    assert len(outcome.items) == 1 and len(store.items()) == 1
    assert [refusal["line"] for refusal in outcome.refused] == [str(line) for line in range(3, 12)]
    assert all(refusal["reason"] for refusal in outcome.refused)


HOSTILE = [
    "",
    " ",
    "../x",
    "a/b",
    "a\\b",
    "nul\0byte",
    "line\nbreak",
    "\ud800",
    "x" * 201,
    "=1+1",
    ".hidden",
    "a\u202eb",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_labels_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="label"):
        Correction(image=tiny(1), label=name, by="ann", role="predict", source="test", client_key="k")


@pytest.mark.parametrize("field", ["by", "site", "slide", "client", "client_key", "source"])
@pytest.mark.parametrize("name", ["../x", "nul\0byte", "\ud800", "x" * 201, "=1+1"], ids=ascii)
def test_hostile_names_are_refused(field: str, name: str) -> None:
    said = {"label": "monocyte", "by": "ann", "role": "predict", "source": "test", "client_key": "k", field: name}
    with pytest.raises(ValidationError, match=field):
        Correction.model_validate({"image": tiny(1), **said})


def test_odd_but_honest_names_stay_in_the_store(store: FeedbackStore, home: Home, tmp_path: Path) -> None:
    said = {"by": "Ångström, Zoë", "site": "Krankenhaus “Süd”/Haus 2/..", "slide": "..".join("ab") + "/" * 20}
    item = accepted(store, 1, "Zelle …", **said)
    export_items(store, [item], tmp_path / "out", layout="folders")
    outside = [path for path in tmp_path.rglob("*") if not path.is_relative_to(home.root)]
    assert {path.relative_to(tmp_path).parts[0] for path in outside} == {"out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"Zelle …", "attributes.csv"}


def test_pictures_behind_a_url(home: Home, predicted: Callable[..., Prediction], tmp_path: Path) -> None:
    store = store_at(home.root, "memory://cells")
    given = predicted(tiny(1))
    store.keep_prediction(given, tiny(1))
    assert accepted(store, 1, "monocyte").image == given.image
    assert store.picture(given.image) == tiny(1)
    assert not home.pictures.exists()
    with pytest.raises(UsageError, match="nosuch://…, which cannot be opened"):
        store_at(tmp_path / "other", "nosuch://bucket")

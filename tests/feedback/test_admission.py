"""Golden cells stay out, whatever was done to their pictures; other cells come in."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage
from hematovision.feedback.records import Correction
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from hematovision.ledger import open_ledger
from tests.feedback.cells import drawn, encoded, freeze, store_at, tiny

Change = Callable[[Image.Image], bytes]


def jpeg(image: Image.Image, quality: int = 40) -> bytes:
    return encoded(image, "JPEG", quality=quality)


COPIES: dict[str, Change] = {
    "same file": encoded,
    "same pixels in another file": lambda image: encoded(image, "BMP"),
    "re-encoded": jpeg,
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
    "upside down": lambda image: encoded(ImageOps.flip(image)),
    "quarter turn": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_90)),
    "turned": lambda image: encoded(image.rotate(37, Image.Resampling.BICUBIC)),
    "turned on white, re-encoded": lambda image: jpeg(
        image.rotate(200, Image.Resampling.BICUBIC, fillcolor="white"), 60
    ),
    "smaller": lambda image: encoded(image.resize((100, 100))),
    "brighter": lambda image: encoded(Image.fromarray((np.asarray(image) * 0.8 + 40).astype(np.uint8))),
}


def correction(data: bytes, **fields: object) -> Correction:
    said = {"image": data, "label": "monocyte", "by": "ann", "role": "predict", "source": "page", "client_key": "k"}
    return Correction.model_validate(said | fields)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> FeedbackStore:
    home = Home(tmp_path_factory.mktemp("guarded"))
    freeze(home, [encoded(drawn(seed)) for seed in range(12)])
    return store_at(home.root)


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
@pytest.mark.parametrize("seed", [0, 7])
def test_copies_of_golden_cells_are_refused(guarded: FeedbackStore, change: Change, seed: int) -> None:
    with pytest.raises(GateRefused, match="golden test set"):
        guarded.submit(correction(change(drawn(seed)), client_key=f"k{seed}"))
    assert guarded.items() == []


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_other_cells_come_in(guarded: FeedbackStore, seed: int) -> None:
    assert guarded.guard.admit(encoded(drawn(seed)), "slide-99", None)


def test_nothing_from_a_golden_slide(guarded: FeedbackStore) -> None:
    with pytest.raises(GateRefused, match="Slide slide-3 holds cells of the golden test set"):
        guarded.submit(correction(encoded(drawn(200)), slide="slide-3"))


def taken(store: FeedbackStore, number: int, **fields: str) -> bool:
    try:
        return bool(store.submit(correction(tiny(number), client_key=str(number), **fields)))
    except GateRefused:
        return False


def test_a_slide_is_told_by_its_site(home: Home) -> None:
    freeze(home, [tiny(1)], site="North ward")
    store = store_at(home.root)
    assert taken(store, 2, slide="slide-0", site="south")
    for number, site in enumerate(("North ward", "north  WARD "), start=3):
        assert not taken(store, number, slide="slide-0", site=site), site
    assert not taken(store, 5, slide="North ward/slide-0", site="North ward"), "named as exports name it"
    assert not taken(store, 6, slide="slide-0"), "nobody knows of which site"
    assert not taken(store, 1, slide="slide-0", site="south"), "a golden cell, whatever slide it is said to be from"


def test_golden_data_without_a_site_are_of_the_home_sites(home: Home) -> None:
    freeze(home, [tiny(1)])
    store = store_at(home.root, home_sites=["north"])
    assert taken(store, 2, slide="slide-0", site="south")
    assert not taken(store, 3, slide="slide-0", site="north")
    assert not taken(store, 4, slide="slide-0")


def test_golden_cells_of_exported_feedback_keep_their_site_in_the_slide(home: Home) -> None:
    freeze(home, [tiny(1)], group="north/slide-0")
    store = store_at(home.root)
    assert not taken(store, 2, slide="slide-0", site="north")
    assert taken(store, 3, slide="slide-0", site="south")


def test_a_refusal_is_in_the_ledger_once(home: Home) -> None:
    freeze(home, [tiny(1)])
    store = store_at(home.root)
    for _ in range(2):
        with pytest.raises(GateRefused):
            store.submit(correction(tiny(1)))
    said = list(open_ledger(home, None).records(kind="feedback"))
    assert [(record.content["action"], record.actor) for record in said] == [("refused", "ann")]


def test_a_set_frozen_later_is_noticed(home: Home) -> None:
    store = store_at(home.root)
    store.submit(correction(tiny(1)))
    freeze(home, [tiny(1)])
    with pytest.raises(GateRefused):
        store.submit(correction(tiny(1), client_key="k2"))
    freeze(home, [tiny(2)], version="v2")
    for number in (1, 2):
        with pytest.raises(GateRefused):
            store.submit(correction(tiny(number), client_key="k3"))


def test_a_missing_golden_picture_closes_the_door(home: Home) -> None:
    freeze(home, [tiny(1)])
    for file in home.images.glob("*/*"):
        file.unlink()
    with pytest.raises(HematoVisionError, match="no feedback is taken"):
        store_at(home.root).submit(correction(tiny(5)))


def test_an_erased_golden_cell_does_not_close_the_door(home: Home) -> None:
    freeze(home, [tiny(1), tiny(2)])
    ImageStore(home.images).withdraw(hashlib.sha256(tiny(1)).hexdigest())
    store = store_at(home.root)
    assert store.submit(correction(tiny(5))).state == "pending"
    for number in (1, 2):
        with pytest.raises(GateRefused):
            store.submit(correction(tiny(number), client_key="k2"))


def test_signatures_are_made_once(home: Home) -> None:
    freeze(home, [encoded(drawn(1))])
    store_at(home.root).guard.ready()
    for file in home.images.glob("*/*"):
        file.unlink()
    with pytest.raises(GateRefused, match="copy"):
        store_at(home.root).submit(correction(jpeg(drawn(1))))


def test_what_is_no_picture_is_told(guarded: FeedbackStore) -> None:
    for data in (b"", b"GIF89a", encoded(drawn(1))[:200], io.BytesIO(b"\x89PNG\r\n\x1a\n").getvalue()):
        with pytest.raises(UnreadableImage):
            guarded.submit(correction(data))

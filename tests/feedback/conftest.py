"""A feedback store in a home of its own."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from tests.feedback.cells import CLASSES, store_at


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> FeedbackStore:
    return store_at(home.root)


@pytest.fixture
def predicted() -> Callable[..., Prediction]:
    """Makes a prediction of a picture: by default nine tenths sure."""

    def make(picture: bytes, label: str = "monocyte", sure: float = 0.9, **fields: object) -> Prediction:
        rest = (1 - sure) / (len(CLASSES) - 1)
        said = {
            "model": "hematovision/1",
            "model_digest": "d" * 64,
            "data_version": "v1",
            "image": hashlib.sha256(picture).hexdigest(),
            "label": label,
            "probabilities": {name: sure if name == label else rest for name in CLASSES},
            "set": [label],
            "strangeness": 0.5,
            "unlike_training": False,
            "refer": False,
        }
        return Prediction.model_validate(said | fields)

    return make

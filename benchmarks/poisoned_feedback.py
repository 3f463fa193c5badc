"""What becomes of poisoned feedback on real cells: what is set aside on arrival, what a retrained model finds later.

    python benchmarks/poisoned_feedback.py ../shared/data/pbc500 [cells a class, 100 without]

Cells are answered by frozen MobileNetV2 features and a logistic regression that was fitted without
them. Five people say what every cell is; one of them poisons: the labels of a share of all cells are flipped, or every
cell of one class is called another. Prints a line of JSON a scenario: what was set aside on arrival, and what confident
learning finds with a model that has learnt the poisoned labels.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hematovision.config import load_config
from hematovision.data.decoding import decode
from hematovision.data.ingestion import Limits
from hematovision.data.sources import open_source
from hematovision.data.sources.base import Item
from hematovision.feedback.records import Correction, Prediction
from hematovision.feedback.store import FeedbackStore, open_feedback
from hematovision.feedback.suspicion import confident_learning
from hematovision.home import Home, locate_home

Answered = tuple[Prediction, bytes]
SIDE = 224
RATES = (0.05, 0.1, 0.2, 0.4)
FOLDS = StratifiedKFold(5, shuffle=True, random_state=1)
HONEST = ("ann", "bob", "cat", "dan")


def read(data: Path, per_class: int) -> tuple[list[bytes], list[str]]:
    """Encoded pictures and labels of a data set in any layout."""
    source = open_source(data, voc_margin=0.05, max_pixels=10**8)
    items: dict[str, list[Item]] = {}
    for item in source.items():
        items.setdefault(item.label, []).append(item)
    rng = np.random.default_rng(1)
    chosen = [few[n] for few in items.values() for n in sorted(rng.permutation(len(few))[:per_class])]
    return [item.load() for item in chosen], [item.label for item in chosen]


def features(pictures: Sequence[bytes]) -> np.ndarray:
    """Frozen features of every picture, N×1280."""
    import cv2
    import torch
    import torchvision

    torch.hub.set_dir(str(locate_home().root / "torch" / "hub"))
    network = torchvision.models.mobilenet_v2(weights="IMAGENET1K_V1").features.eval()
    mean, spread = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    rows = []
    for start in range(0, len(pictures), 16):
        decoded = [decode(picture, max_pixels=10**8) for picture in pictures[start : start + 16]]
        resized = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in decoded]
        pixels = np.stack(resized).astype(np.float32) / 255
        with torch.inference_mode():
            batch = torch.from_numpy(((pixels - mean) / spread).transpose(0, 3, 1, 2))
            rows.append(network(batch).mean((2, 3)).numpy())
    return np.concatenate(rows)


def classifier() -> object:
    """The head that answers, and that is retrained."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))


def opened(root: Path) -> FeedbackStore:
    """A store of its own."""
    config = load_config()
    limits = Limits(config.reading.max_pixels, config.reading.min_side)
    return open_feedback(Home(root), None, None, settings=config.feedback, duplicates=config.duplicates, limits=limits)


def answer(pictures: Sequence[bytes], probabilities: np.ndarray, classes: Sequence[str]) -> list[Answered]:
    """The predictions of a model in service."""
    answered = []
    for data, row in zip(pictures, probabilities, strict=True):
        label = classes[int(row.argmax())]
        prediction = Prediction(
            model="hematovision/1", model_digest="0" * 64, data_version="benchmark", site="north", label=label,
            image=hashlib.sha256(data).hexdigest(), probabilities=dict(zip(classes, row.tolist(), strict=True)),
            set=[label], strangeness=0.5, unlike_training=False, refer=False,
        )  # fmt: skip
        answered.append((prediction, data))
    return answered


def scenario(name: str, wrong: np.ndarray, given: np.ndarray, answered: list[Answered], truth: np.ndarray,
             cells: np.ndarray, classes: Sequence[str]) -> dict[str, object]:  # fmt: skip
    """Submit what people say, mallory the wrong labels; then look with a model that learnt them."""
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        store.keep_predictions(answered)
        twins = [(p.model_copy(update={"id": f"earlier-{n}"}), None) for n, (p, _) in enumerate(answered)]
        store.keep_predictions(twins)
        states: dict[int, str] = {}
        for n, (prediction, _) in enumerate(answered):
            label = classes[given[n]]
            by = "mallory" if wrong[n] else HONEST[n % len(HONEST)]
            correction = Correction(
                prediction_id=prediction.id, label=label, by=by, role="predict", source="page", client_key=str(n)
            )
            store.submit(correction)
        for item in store.items():
            states[int(item.client_key)] = item.state
    sent = np.array([n in states for n in range(len(given))])
    aside = np.array([states.get(n) == "quarantined" for n in range(len(given))])
    later = cross_val_predict(classifier(), cells, given, cv=FOLDS, method="predict_proba")
    suspect = confident_learning(given, later).suspect & sent
    poison, honest = wrong & sent, ~wrong & sent
    return {
        "scenario": name,
        "submitted": int(sent.sum()),
        "poisoned": int(poison.sum()),
        "set_aside_on_arrival": _share(aside, poison),
        "honest_set_aside": _share(aside, honest),
        "found_by_retraining": _share(suspect, poison),
        "found_by_either": _share(suspect | aside, poison),
        "honest_found_by_either": _share(suspect | aside, honest),
        "model_right": _share(*_right(answered, truth, classes)),
    }


def _right(answered: list[Answered], truth: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    said = np.array([classes.index(prediction.label) for prediction, _ in answered])
    return said == truth, np.ones(len(truth), bool)


def _share(found: np.ndarray, of: np.ndarray) -> str:
    return f"{int((found & of).sum())}/{int(of.sum())}"


def main(data: Path, per_class: int) -> None:
    """Every scenario in turn."""
    pictures, labels = read(data, per_class)
    classes = sorted(set(labels))
    truth = np.array([classes.index(label) for label in labels])
    cells = features(pictures)
    probabilities = cross_val_predict(classifier(), cells, truth, cv=FOLDS, method="predict_proba")
    answered = answer(pictures, probabilities, classes)
    for name, wrong, given in cases(truth, classes):
        print(json.dumps(scenario(name, wrong, given, answered, truth, cells, classes)), flush=True)


def cases(truth: np.ndarray, classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, which labels are wrong, labels given) of every scenario."""
    rng = np.random.default_rng(1)
    yield "none flipped", np.zeros(len(truth), bool), truth
    for rate in RATES:
        wrong = rng.permutation(len(truth)) < rate * len(truth)
        other = (truth + rng.integers(1, len(classes), len(truth))) % len(classes)
        yield f"{rate:.0%} flipped", wrong, np.where(wrong, other, truth)
    flipped = truth == 0
    yield f"every {classes[0]} called {classes[1]}", flipped, np.where(flipped, 1, truth)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100)

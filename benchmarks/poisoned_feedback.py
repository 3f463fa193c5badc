"""What becomes of poisoned feedback on real cells: what is set aside on arrival, what a retrained model finds later.

    python benchmarks/poisoned_feedback.py ../shared/data/pbc500

Frozen MobileNetV2 features and a logistic regression, fitted on half of the cells, answer the other half; five people
correct. One of them poisons: every label of a share of all cells is flipped, or every cell of one class is called
another. Nobody is told which. Prints a line of JSON a scenario.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hematovision.config import load_config
from hematovision.data.decoding import decode
from hematovision.data.ingestion import Limits, image_files
from hematovision.feedback.records import Correction, Prediction
from hematovision.feedback.store import FeedbackStore, open_feedback
from hematovision.feedback.suspicion import confident_learning
from hematovision.home import Home, locate_home

Answered = tuple[Prediction, bytes]
RATES = (0.05, 0.1, 0.2, 0.4)
HONEST = ("ann", "bob", "cat", "dan")


def features(files: Sequence[Path]) -> np.ndarray:
    """Frozen features of every file, N×1280."""
    import cv2
    import torch
    import torchvision

    torch.hub.set_dir(str(locate_home().root / "torch" / "hub"))
    network = torchvision.models.mobilenet_v2(weights="IMAGENET1K_V1").features.eval()
    mean, spread = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    rows = []
    for start in range(0, len(files), 16):
        batch = [
            cv2.resize(decode(file.read_bytes(), max_pixels=10**8), (160, 160)) for file in files[start : start + 16]
        ]
        pixels = (np.stack(batch).astype(np.float32) / 255 - mean) / spread
        with torch.inference_mode():
            rows.append(network(torch.from_numpy(pixels.transpose(0, 3, 1, 2))).mean((2, 3)).numpy())
    return np.concatenate(rows)


def classifier() -> object:
    """The head that answers, and that is retrained."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))


def opened(root: Path) -> FeedbackStore:
    """A store of its own."""
    config = load_config()
    limits = Limits(config.reading.max_pixels, config.reading.min_side)
    return open_feedback(Home(root), None, None, settings=config.feedback, duplicates=config.duplicates, limits=limits)


def answer(files: Sequence[Path], probabilities: np.ndarray, classes: Sequence[str]) -> list[Answered]:
    """The predictions of a model in service."""
    answered = []
    for file, row in zip(files, probabilities, strict=True):
        data, label = file.read_bytes(), classes[int(row.argmax())]
        prediction = Prediction(
            model="hematovision/1", model_digest="0" * 64, data_version="benchmark", site="north", label=label,
            image=hashlib.sha256(data).hexdigest(), probabilities=dict(zip(classes, row.tolist(), strict=True)),
            set=[label], strangeness=0.5, unlike_training=False, refer=False,
        )  # fmt: skip
        answered.append((prediction, data))
    return answered


def scenario(name: str, wrong: np.ndarray, given: np.ndarray, answered: list[Answered], truth: np.ndarray,
             cells: np.ndarray, classes: Sequence[str], *, confirm: bool) -> dict[str, object]:  # fmt: skip
    """Submit what people say, mallory the wrong labels; then look with a model that learnt them."""
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        store.keep_predictions(answered)
        twins = [(p.model_copy(update={"id": f"earlier-{n}"}), None) for n, (p, _) in enumerate(answered)]
        store.keep_predictions(twins)
        states: dict[int, str] = {}
        for n, (prediction, _) in enumerate(answered):
            label = classes[given[n]]
            if label == prediction.label and not confirm:
                continue
            by = "mallory" if wrong[n] else HONEST[n % len(HONEST)]
            correction = Correction(
                prediction_id=prediction.id, label=label, by=by, role="predict", source="page", client_key=str(n)
            )
            store.submit(correction)
        for item in store.items():
            states[int(item.client_key)] = item.state
    sent = np.array([n in states for n in range(len(given))])
    aside = np.array([states.get(n) == "quarantined" for n in range(len(given))])
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    later = cross_val_predict(classifier(), cells, given, cv=folds, method="predict_proba")
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


def main(data: Path) -> None:
    """Every scenario in turn."""
    files = image_files([data])
    classes = sorted({file.parent.name for file in files})
    truth = np.array([classes.index(file.parent.name) for file in files])
    cells = features(files)
    known, new = train_test_split(np.arange(len(files)), test_size=0.5, random_state=1, stratify=truth)
    probabilities = classifier().fit(cells[known], truth[known]).predict_proba(cells[new])
    answered = answer([files[n] for n in new], probabilities, classes)
    rng = np.random.default_rng(1)
    right = truth[new]
    cases: list[tuple[str, np.ndarray, np.ndarray]] = []
    for rate in RATES:
        wrong = rng.permutation(len(new)) < rate * len(new)
        cases.append(
            (
                f"{rate:.0%} flipped",
                wrong,
                np.where(wrong, (right + rng.integers(1, len(classes), len(new))) % len(classes), right),
            )
        )
    flipped = right == 0
    cases.append((f"every {classes[0]} called {classes[1]}", flipped, np.where(flipped, 1, right)))
    for name, wrong, given in cases:
        found = scenario(name, wrong, given, answered, right, cells[new], classes, confirm=True)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The head at its optimum: the same as another library's, of all cells in the end, and of no random number."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from hematovision.config import load_config
from hematovision.errors import UsageError
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.curves import Epoch
from hematovision.learning.features import Features
from hematovision.learning.fitting import Part, average_logits
from hematovision.learning.logistic import solve_head
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import Trained, predict_logits, train

CELLS, VIEWS = 60, 3
SOLVER = {"method": "lbfgs", "penalty": 0.05, "iterations": 200}


def settings(**backbone: object) -> LearningSettings:
    training = {"fine_tuning": {"epochs": 0}, "solver": SOLVER}
    changes = {
        "orientations": 2,
        "training": training,
        "backbone": {"weights": "none", "frozen_blocks": 17, **backbone},
    }
    return load_config(None, {"learning": changes}).learning


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(settings().backbone, seed=3)


@pytest.fixture(scope="module")
def features(backbone: Backbone) -> Features:
    rng = np.random.default_rng(5)
    taps = rng.normal(size=(CELLS, VIEWS, 160, 2, 2)).astype(np.float16)
    taps[np.arange(CELLS), :, np.arange(CELLS) % 3 * 50] += 2
    with torch.inference_mode():
        pooled = backbone.upper(torch.from_numpy(taps.reshape(-1, 160, 2, 2)).float()).numpy()
    return Features(taps, pooled.reshape(CELLS, VIEWS, -1))


def part(rows: np.ndarray) -> Part:
    return Part(rows, rows % 3)


def fit(features: Features, backbone: Backbone, seed: int = 1) -> Trained:
    rows = np.arange(CELLS)
    return train(
        features, part(rows[:45]), part(rows[45:]), backbone, ["a", "b", "c"], settings(), seed=seed, threads=1
    )


def solved(features: Features, backbone: Backbone, rows: np.ndarray) -> tuple[CellNetwork, list[Epoch]]:
    network = CellNetwork(backbone, 3, 2, 0.5, torch.Generator().manual_seed(1))
    network.standardise_on(features.pooled)
    curve = solve_head(network, features.pooled, part(rows[:-15]), part(rows[-15:]), settings().training.solver, None)
    return network.eval(), curve


def test_it_is_the_optimum_that_scikit_learn_finds_on_all_cells(features: Features, backbone: Backbone) -> None:
    network, _ = solved(features, backbone, np.arange(CELLS))
    flat = features.pooled.reshape(-1, features.pooled.shape[-1])
    inputs = (flat - network.centre.numpy()) / network.spread.numpy()
    truth = np.repeat(np.arange(CELLS) % 3, VIEWS)
    theirs = LogisticRegression(C=1 / (SOLVER["penalty"] * len(flat)), max_iter=2000, tol=1e-8).fit(inputs, truth)
    with torch.inference_mode():
        ours = torch.softmax(network.from_pooled(torch.from_numpy(flat)), 1).numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(inputs), atol=0.01)


def test_the_curve_is_measured_on_cells_the_head_had_not_seen_then(features: Features, backbone: Backbone) -> None:
    rows = np.arange(CELLS)
    network, (epoch,) = solved(features, backbone, rows)
    again = average_logits(network.from_pooled, features.pooled, rows[-15:], 1)
    seen = float(torch.nn.functional.cross_entropy(torch.from_numpy(again), torch.from_numpy(rows[-15:] % 3)))
    assert seen < epoch.validation_loss, "in the end the head has learnt from them"
    assert (epoch.phase, epoch.epoch) == ("frozen", 1)


def test_no_seed_moves_the_optimum(features: Features, backbone: Backbone) -> None:
    first, other = fit(features, backbone, seed=1), fit(features, backbone, seed=2)
    with torch.inference_mode():
        answers = [
            torch.softmax(one.network.from_pooled(torch.from_numpy(features.pooled[:, 0])), 1) for one in (first, other)
        ]
    torch.testing.assert_close(*answers, atol=2e-3, rtol=0)


def test_a_head_alone_answers_from_pooled_features_as_it_would_through_its_blocks(
    features: Features, backbone: Backbone
) -> None:
    trained, rows = fit(features, backbone), np.arange(CELLS)
    assert trained.head_only
    short = predict_logits(trained.network, features, rows, head_only=True)
    np.testing.assert_allclose(short, predict_logits(trained.network, features, rows), atol=1e-3)


@pytest.mark.parametrize("head", [{"hidden": 8}, {"pool": "flatten"}])
def test_it_is_refused_where_the_head_is_no_logistic_regression(head: dict[str, object]) -> None:
    changes = {"learning": {"head": head, "training": {"solver": SOLVER}}}
    with pytest.raises(UsageError, match="lbfgs is logistic regression on pooled features"):
        load_config(None, changes)

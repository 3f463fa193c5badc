"""The two phases: reproducible in any company, weighted where classes are uneven, stopped early."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hematovision.config import load_config
from hematovision.errors import HematoVisionError
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.features import Features
from hematovision.learning.fitting import Fit, Part, class_weights, epochs_within_budget, layered
from hematovision.learning.kept_networks import NetworkStore
from hematovision.learning.networks import CellNetwork, SeededDropout
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import Trained, WarmStart, predict_logits, train
from hematovision.progress import Progress

CELLS, CLASSES = 48, ["eosinophil", "lymphocyte", "monocyte"]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    settings = load_config(None, {"learning": {"backbone": {"weights": "none", "frozen_blocks": 17}}}).learning.backbone
    return load_backbone(settings, seed=3)


@pytest.fixture(scope="module")
def features(backbone: Backbone) -> Features:
    rng = np.random.default_rng(5)
    targets = np.arange(CELLS) % 3
    taps = rng.normal(size=(CELLS, 2, 160, 2, 2)).astype(np.float16)
    taps[np.arange(CELLS), :, targets * 50] += 4
    with torch.inference_mode():
        pooled = backbone.upper(torch.from_numpy(taps.reshape(-1, 160, 2, 2)).float()).numpy()
    return Features(taps, pooled.reshape(CELLS, 2, -1))


def settings(orientations: int = 1, **fine_tuning: float) -> LearningSettings:
    short = {"epochs": 4, "batch_size": 8, "learning_rate": 0.001, "averaging": 0.5, **fine_tuning}
    training = {"frozen": {"epochs": 3}, "fine_tuning": short}
    return load_config(None, {"learning": {"orientations": orientations, "training": training}}).learning


def fit(
    features: Features,
    backbone: Backbone,
    chosen: LearningSettings,
    seed: int = 7,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    targets = np.arange(CELLS) % 3
    rows = np.arange(CELLS)
    return train(
        features,
        Part(rows[:36], targets[:36]),
        Part(rows[36:], targets[36:]),
        backbone,
        CLASSES,
        chosen,
        seed=seed,
        threads=1,
        checkpoints=checkpoints,
        progress=progress,
    )


def weights(trained: Trained) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in trained.network.state_dict().values()])


def test_a_seed_gives_the_same_model_however_many_train_at_once(features: Features, backbone: Backbone) -> None:
    alone = fit(features, backbone, settings())
    torch.manual_seed(999)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda _: fit(features, backbone, settings()), range(3)))
    for other in together:
        assert torch.equal(weights(alone), weights(other))
    assert not torch.equal(weights(alone), weights(fit(features, backbone, settings(), seed=8)))


def test_it_learns_and_leaves_frozen_blocks_as_they_were(features: Features, backbone: Backbone) -> None:
    trained = fit(features, backbone, settings(epochs=12))
    logits = predict_logits(trained.network, features, np.arange(36, CELLS))
    assert (logits.argmax(1) == np.arange(36, CELLS) % 3).mean() > 0.8
    for name, tensor in backbone.lower.state_dict().items():
        assert torch.equal(tensor, trained.network.lower.state_dict()[name]), name
    assert any(
        not torch.equal(tensor, trained.network.upper.state_dict()[name])
        for name, tensor in backbone.upper.state_dict().items()
    )


def test_training_in_bf16_learns_the_same_and_answers_in_f32(
    features: Features, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})  # torch imitates it elsewhere

    def answered(precision: str) -> torch.Tensor:
        chosen = settings(epochs=12)
        training = chosen.training.model_copy(update={"precision": precision})
        trained = fit(features, backbone, chosen.model_copy(update={"training": training}))
        assert {weight.dtype for weight in trained.network.parameters()} == {torch.float32}
        return torch.from_numpy(predict_logits(trained.network, features, np.arange(36, CELLS)))

    exact, rounded = answered("f32"), answered("bf16")
    assert rounded.dtype == torch.float32
    assert torch.equal(exact.argmax(1), rounded.argmax(1))
    assert not torch.equal(exact, rounded)


def test_patience_stops_a_phase_and_the_best_state_returns(features: Features, backbone: Backbone) -> None:
    trained = fit(features, backbone, settings(epochs=40, patience=2, learning_rate=0.05))
    curve = [epoch for epoch in trained.curves if epoch.phase == "fine-tuning"]
    best = min(epoch.validation_loss for epoch in curve)
    assert len(curve) < 40
    logits = torch.from_numpy(predict_logits(trained.network, features, np.arange(36, CELLS)))
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(36, CELLS) % 3)
    assert float(loss) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("last_word", [1, 3, 4, 6])
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    last_word: int, features: Features, backbone: Backbone, tmp_path: Path
) -> None:
    words = 0

    def die(done: int, most: int) -> None:
        nonlocal words
        words += 1
        if words == last_word:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(features, backbone, settings(), checkpoints=tmp_path / "run", progress=die)
    words = -100
    resumed = fit(features, backbone, settings(), checkpoints=tmp_path / "run", progress=die)
    alone = fit(features, backbone, settings())
    assert torch.equal(weights(alone), weights(resumed))
    assert resumed.curves == alone.curves
    assert words + 100 < 9
    assert not (tmp_path / "run").exists()


def test_an_answer_is_the_mean_over_the_orientations(features: Features, backbone: Backbone) -> None:
    chosen = settings(orientations=2, epochs=1)
    network = fit(features, backbone, chosen).network
    rows = np.arange(5)
    with torch.inference_mode():
        turned = [network.from_taps(torch.from_numpy(features.taps[rows, view]).float()) for view in (0, 1)]
    np.testing.assert_allclose(
        predict_logits(network, features, rows), torch.stack(turned).mean(0).numpy(), rtol=1e-5, atol=1e-5
    )
    assert not torch.allclose(*turned)


def test_blocks_further_from_the_head_learn_slower() -> None:
    blocks = [torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)]
    assert [group["lr"] for group in layered(blocks, 0.8, 0.5)] == [0.2, 0.4, 0.8]


def test_zero_epochs_leave_fine_tuning_out(features: Features, backbone: Backbone) -> None:
    trained = fit(features, backbone, settings(epochs=0))
    assert {epoch.phase for epoch in trained.curves} == {"frozen"}


def test_uneven_classes_are_weighted_and_even_ones_are_not() -> None:
    assert class_weights(np.array([0, 0, 1, 1]), 2, from_ratio=1.5) is None
    weighted = class_weights(np.array([0] * 30 + [1] * 10), 2, from_ratio=1.5)
    assert weighted is not None
    torch.testing.assert_close(weighted, torch.tensor([40 / 60, 2.0]))


def test_a_class_without_cells_has_no_weight() -> None:
    weighted = class_weights(np.array([0] * 30 + [2] * 10), 3, from_ratio=1.5)
    assert weighted is not None
    assert weighted[1] == 0


def test_weights_help_to_learn_but_do_not_bend_the_answers(backbone: Backbone) -> None:
    alike = Features(
        np.zeros((CELLS, 2, 160, 2, 2), dtype=np.float16), np.zeros((CELLS, 2, backbone.width), dtype=np.float32)
    )
    targets = np.array([0, 0, 0, 0, 1, 2] * 8)
    rows = np.arange(CELLS)
    parts = Part(rows[:36], targets[:36]), Part(rows[36:], targets[36:])
    chosen = settings(epochs=0)
    first = train(alike, *parts, backbone, CLASSES, chosen, seed=1, threads=1)
    logits = torch.from_numpy(predict_logits(first.network, alike, rows))
    torch.testing.assert_close(logits.softmax(1).mean(0), torch.tensor([4 / 6, 1 / 6, 1 / 6]), atol=0.02, rtol=0)
    resting, start = settings(epochs=1, learning_rate=1e-9), WarmStart(first.network.learnt(), frozenset())
    gone_on = train(alike, *parts, backbone, CLASSES, resting, seed=1, threads=1, start=start)
    torch.testing.assert_close(gone_on.network.head.bias, first.network.head.bias, atol=1e-5, rtol=0)


def test_large_sets_get_fewer_epochs_but_never_none() -> None:
    phase = settings().training.frozen.model_copy(update={"epochs": 10, "image_budget": 1000})
    assert [epochs_within_budget(phase, cells) for cells in (50, 100, 400, 5000)] == [10, 10, 2, 1]


def test_dropout_draws_from_its_own_generator_only() -> None:
    inputs = torch.ones(400)
    first = SeededDropout(0.25, torch.Generator().manual_seed(1))
    torch.manual_seed(4)
    dropped = first(inputs)
    torch.manual_seed(5)
    again = SeededDropout(0.25, torch.Generator().manual_seed(1))(inputs)
    assert torch.equal(dropped, again)
    assert 0.15 < float((dropped == 0).float().mean()) < 0.35
    assert dropped.max() == pytest.approx(4 / 3)
    assert torch.equal(first.eval()(inputs), inputs)


def test_an_epoch_rehearses_as_many_known_cells_as_are_fresh() -> None:
    fresh = np.isin(np.arange(36), [3, 5, 8])
    part = Part(np.arange(36), np.zeros(36, dtype=np.int64), fresh)
    generator = torch.Generator().manual_seed(1)
    epochs = [part.order(generator).tolist() for _ in range(4)]
    assert part.epoch_cells == 6
    assert all(sorted(set(epoch) & {3, 5, 8}) == [3, 5, 8] and len(set(epoch)) == 6 for epoch in epochs)
    assert len({frozenset(epoch) for epoch in epochs}) == 4
    thrice = Part(part.rows, part.targets, fresh, rehearsed=3)
    assert thrice.epoch_cells == 12 == len(set(thrice.order(generator).tolist()))


def test_few_known_cells_are_rehearsed_again() -> None:
    fresh = np.arange(10) < 8
    order = Part(np.arange(10), np.zeros(10, dtype=np.int64), fresh).order(torch.Generator().manual_seed(1)).tolist()
    assert sorted(order) == [*range(8), *[8] * 4, *[9] * 4]


def _rehearsed(image_budget: int) -> Fit:
    module = nn.Linear(2, 2)
    phase = settings().training.fine_tuning.model_copy(
        update={"epochs": 9, "image_budget": image_budget, "batch_size": 4, "patience": 99, "schedule": "cosine"}
    )
    rows, targets = np.arange(36), np.arange(36) % 2
    inputs, numbers = np.ones((36, 1, 2)), torch.Generator().manual_seed(1)
    fit = Fit("rehearsal", module, [module], module, inputs, phase, None, label_smoothing=0.0, generator=numbers)
    fit.run(Part(rows, targets, np.isin(rows, [3, 5, 8])), Part(rows[:4], targets[:4]), None)
    return fit


def test_a_rehearsal_is_planned_by_the_cells_it_shows_not_by_those_it_knows() -> None:
    assert [len(_rehearsed(budget).curves) for budget in (1000, 24, 1)] == [9, 4, 1]
    assert _rehearsed(1000)._schedule.get_last_lr() == [pytest.approx(0.0, abs=1e-9)], "the rate has not come to rest"


def test_a_warm_start_goes_on_from_what_was_learnt(features: Features, backbone: Backbone, tmp_path: Path) -> None:
    first = fit(features, backbone, settings())
    networks = NetworkStore(tmp_path)
    learnt = networks.read(networks.put(first.network.learnt()))
    rows, targets = np.arange(CELLS), np.arange(CELLS) % 3
    fresh = np.isin(rows[:36], [0, 1, 2])
    resting = settings(epochs=1, learning_rate=1e-9)
    gone_on = train(
        features,
        Part(rows[:36], targets[:36], fresh),
        Part(rows[36:], targets[36:]),
        backbone,
        CLASSES,
        resting,
        seed=9,
        threads=1,
        start=WarmStart(learnt, frozenset()),
    )
    assert [epoch.phase for epoch in gone_on.curves] == ["fine-tuning"]
    assert torch.allclose(gone_on.network.head.weight, first.network.head.weight, atol=1e-5)


def test_a_network_for_other_classes_is_no_start(features: Features, backbone: Backbone) -> None:
    learnt = fit(features, backbone, settings()).network.learnt()
    other = CellNetwork(backbone, len(CLASSES) + 1, 1, 0.0, torch.Generator())
    with pytest.raises(HematoVisionError, match="other classes"):
        other.recall(learnt)

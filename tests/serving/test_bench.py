"""Pictures of all requests go through the network side by side, and none is kept waiting."""

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hematovision.registry.predictor import Answers
from hematovision.serving.bench import Bench


class Slow:
    """A predictor that waits to be let go, and remembers what went through together."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []

    def answer_pixels(self, pixels: np.ndarray) -> Answers:
        """The mean of each picture as its only probability."""
        self.entered.release()
        assert self.go.acquire(timeout=10)
        means = pixels.reshape(len(pixels), -1).mean(1)[:, None]
        self.batches.append(means[:, 0].astype(int).tolist())
        empty = np.empty((len(pixels), 0))
        return Answers(np.arange(len(pixels)), means, means, empty, empty, empty, means[:, 0], pd.DataFrame(), {})


def picture(value: int) -> np.ndarray:
    return np.full((2, 2, 3), value, np.uint8)


def occupied(together: int) -> tuple[Bench, Any, Any]:
    """A bench whose network is busy with picture 0."""
    bench, slow = Bench(together=together), Slow()
    first = bench.queue().put(slow, picture(0))  # type: ignore[arg-type]
    assert slow.entered.acquire(timeout=10)
    return bench, slow, first


def test_a_picture_that_comes_alone_goes_alone_and_what_waits_goes_together() -> None:
    bench, slow, first = occupied(together=3)
    others = [bench.queue().put(slow, picture(number)) for number in range(1, 6)]
    slow.go.release(10)
    assert [float(found.result(10).probabilities[0, 0]) for found in [first, *others]] == [0, 1, 2, 3, 4, 5]
    bench.close()
    assert slow.batches == [[0], [1, 2, 3], [4, 5]]


def test_a_request_with_many_pictures_does_not_make_another_wait() -> None:
    bench, slow, _ = occupied(together=1)
    many = bench.queue()
    for number in range(1, 6):
        many.put(slow, picture(number))
    bench.queue().put(slow, picture(100))
    slow.go.release(20)
    bench.close()
    order = [batch[0] for batch in slow.batches]
    assert order.index(100) <= 2, order


def test_spare_work_waits_for_all_other() -> None:
    bench, slow, _ = occupied(together=8)
    bench.queue(spare=True).put(slow, picture(50))
    bench.queue().put(slow, picture(1))
    bench.queue().put(slow, picture(2))
    slow.go.release(20)
    bench.close()
    assert slow.batches == [[0], [1, 2], [50]]


def test_two_models_never_share_a_batch() -> None:
    bench, slow, _ = occupied(together=8)
    other = Slow()
    other.go.release(10)
    found = bench.queue().put(other, picture(7))  # type: ignore[arg-type]
    bench.queue().put(slow, picture(1))
    slow.go.release(20)
    bench.close()
    assert float(found.result().probabilities[0, 0]) == 7
    assert slow.batches == [[0], [1]]
    assert other.batches == [[7]]


def test_a_failing_network_tells_its_request_and_the_next_is_answered() -> None:
    bench, slow, first = occupied(together=1)
    bad = bench.queue().put(None, picture(1))  # type: ignore[arg-type]
    good = bench.queue().put(slow, picture(2))
    slow.go.release(20)
    with pytest.raises(AttributeError):
        bad.result(10)
    assert float(good.result(10).probabilities[0, 0]) == 2
    assert first.done()
    bench.close()


def test_what_nobody_waits_for_any_more_is_left_out() -> None:
    bench, slow, _ = occupied(together=1)
    gone = bench.queue().put(slow, picture(1))
    bench.queue().put(slow, picture(2))
    assert gone.cancel()
    slow.go.release(20)
    bench.close()
    assert slow.batches == [[0], [2]]

"""The one place where networks run: pictures of all requests side by side, as many as are there, none kept waiting."""

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from hematovision.registry.predictor import Answers, Predictor

Told = Callable[[int], None]
URGENT, SPARE = 0, 1


@dataclass(order=True)
class _Work:
    rank: int
    turn: int
    arrival: int
    predictor: Predictor = field(compare=False)
    pixels: np.ndarray = field(compare=False)
    answer: "Future[Answers]" = field(compare=False)


class Bench:
    """A thread that sends waiting pictures through their network.

    Whatever waits when the network becomes free goes through together, up to a number; a picture that comes alone
    goes alone and at once. Requests take turns (start-time fair queueing, Goyal et al. 1996): the fiftieth picture of
    one request stands behind the first of another that came later. Spare work is done when nothing else waits.
    """

    def __init__(self, *, together: int, told: Told = lambda _: None) -> None:
        self._together = together
        self._told = told
        self._waiting: list[_Work] = []
        self._arrivals = itertools.count()
        self._turn = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def queue(self, *, spare: bool = False) -> "Line":
        """A request's place: the pictures put there are worked on in order, taking turns with other requests."""
        return Line(self, SPARE if spare else URGENT)

    def close(self) -> None:
        """Finish what waits, then end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _put(self, rank: int, turn: int, predictor: Predictor, pixels: np.ndarray) -> tuple[int, "Future[Answers]"]:
        answer: Future[Answers] = Future()
        with self._changed:
            if self._ended:
                raise RuntimeError("the bench is closed")
            turn = max(turn, self._turn) + 1
            heapq.heappush(self._waiting, _Work(rank, turn, next(self._arrivals), predictor, pixels, answer))
            self._changed.notify()
        return turn, answer

    def _next(self) -> list[_Work]:
        """What goes through together next, of one predictor; empty when the bench has ended."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            batch: list[_Work] = []
            while self._waiting and len(batch) < self._together:
                first = self._waiting[0]
                if batch and (first.predictor is not batch[0].predictor or first.rank != batch[0].rank):
                    break
                work = heapq.heappop(self._waiting)
                self._turn = work.turn if work.rank == URGENT else self._turn
                if work.answer.set_running_or_notify_cancel():
                    batch.append(work)
            return batch

    def _run(self) -> None:
        while True:
            batch = self._next()
            if batch:
                self._work(batch)
            elif self._ended:
                return

    def _work(self, batch: list[_Work]) -> None:
        self._told(len(batch))
        try:
            answers = batch[0].predictor.answer_pixels(np.stack([work.pixels for work in batch]))
        except Exception as error:  # the thread outlives whatever a network trips over; each request is told
            for work in batch:
                work.answer.set_exception(error)
            return
        for place, work in enumerate(batch):
            work.answer.set_result(answers.only(place))


class Line:
    """Where one request puts its pictures."""

    def __init__(self, bench: Bench, rank: int) -> None:
        self._bench = bench
        self._rank = rank
        self._turn = 0

    def put(self, predictor: Predictor, pixels: np.ndarray) -> "Future[Answers]":
        """Ask for the answer to one picture of S×S×3 uint8, as `Predictor.pixels` gives it."""
        self._turn, answer = self._bench._put(self._rank, self._turn, predictor, pixels)
        return answer

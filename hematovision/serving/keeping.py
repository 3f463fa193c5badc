"""Predictions are on record before they are answered; requests that come together share one commit."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore

Kept = tuple[Prediction, bytes | None]
_AT_ONCE = 64


class Keeper:
    """A thread that writes what waits in one transaction, as often as the disk takes it.

    Args:
        flushed: each transaction waits for the disk, see `FeedbackStore.keep_predictions`.
    """

    def __init__(self, store: FeedbackStore, *, flushed: bool) -> None:
        self._store = store
        self._flushed = flushed
        self._waiting: queue.SimpleQueue[tuple[Sequence[Kept], Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()

    def keep(self, records: Sequence[Kept]) -> "Future[None]":
        """Done when the records are kept; fails as the store does."""
        done: Future[None] = Future()
        self._waiting.put((records, done))
        return done

    def close(self) -> None:
        """Keep what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            together, more = [first], True
            while more and len(together) < _AT_ONCE and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    more = False
                else:
                    together.append(following)
            self._write(together)

    def _write(self, together: Sequence[tuple[Sequence[Kept], "Future[None]"]]) -> None:
        try:
            self._store.keep_predictions(
                [record for records, _ in together for record in records], flushed=self._flushed
            )
        except Exception as error:  # every request whose record was not kept is told so
            for _, done in together:
                done.set_exception(error)
        else:
            for _, done in together:
                done.set_result(None)

"""Predictions are on record before they are answered; requests that come together share one commit."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hematovision.errors import HematoVisionError
from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore

Kept = tuple[Prediction, bytes | None]
_AT_ONCE = 64
logger = logging.getLogger(__name__)


class NotKept(HematoVisionError):
    """The records of a request could not be written, so its answers must not be given."""


@dataclass(frozen=True)
class _Job:
    records: Callable[[], Sequence[Kept]]
    ended: Callable[[BaseException | None], None]


class Keeper:
    """A thread that writes what waits in one transaction, as often as the disk takes it.

    Args:
        flushed: each transaction waits for the disk, see `FeedbackStore.keep_predictions`.
    """

    def __init__(self, store: FeedbackStore, *, flushed: bool) -> None:
        self._store = store
        self._flushed = flushed
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()

    def keep(self, records: Callable[[], Sequence[Kept]], ended: Callable[[BaseException | None], None]) -> None:
        """Write the records of a request.

        Args:
            records: makes them; called once, in the thread that writes.
            ended: told None when they are kept, `NotKept` when they could not be, or what `records` raised.
        """
        self._waiting.put(_Job(records, ended))

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

    def _write(self, together: Sequence[_Job]) -> None:
        made: list[_Job] = []
        kept: list[Kept] = []
        for job in together:
            try:
                kept += job.records()
            except Exception as error:  # this request is told so, the others are written
                job.ended(error)
            else:
                made.append(job)
        failure: NotKept | None = None
        try:
            self._store.keep_predictions(kept, flushed=self._flushed)
        except Exception as error:  # every request whose record was not kept is told so
            logger.error("predictions could not be put on record, so they are not given: %s", error, exc_info=error)
            failure = NotKept("the answers could not be put on record")
        for job in made:
            job.ended(failure)

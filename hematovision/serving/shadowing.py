"""A second model that answers unseen: in spare time, after the answer went out, and only as far as there is time."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor

from hematovision.errors import UnreadableImage
from hematovision.feedback.records import Prediction, Shadow
from hematovision.feedback.store import FeedbackStore
from hematovision.serving.answers import chances
from hematovision.serving.bench import Bench, Line
from hematovision.serving.engine import Engine, ServedModel
from hematovision.serving.metrics import Metrics

logger = logging.getLogger(__name__)


class Shadowing:
    """Asks the shadow about pictures that were answered, and lays what it says beside their predictions."""

    def __init__(
        self, engine: Engine, bench: Bench, decoders: Executor, store: FeedbackStore, metrics: Metrics, *, waiting: int
    ) -> None:
        self._engine = engine
        self._bench = bench
        self._decoders = decoders
        self._store = store
        self._metrics = metrics
        self._room = waiting
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, answered: Sequence[tuple[Prediction, bytes]]) -> None:
        """Begin with these predictions and the bytes of their pictures; what there is no room for is left out."""
        shadow = self._engine.shadow
        if shadow is None:
            return
        taken = answered[: max(0, self._room)]
        self._metrics.shadow.labels("left_out").inc(len(answered) - len(taken))
        if taken:
            self._room -= len(taken)
            task = asyncio.create_task(self._ask(shadow, taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let what has begun finish."""
        await asyncio.gather(*self._tasks)

    async def _ask(self, shadow: ServedModel, taken: Sequence[tuple[Prediction, bytes]]) -> None:
        line, said = self._bench.queue(spare=True), {}
        try:
            for prediction, picture in taken:
                found = await self._answer(shadow, line, picture)
                if found is not None:
                    said[prediction.id] = found
                    agrees = found.label == prediction.label
                    self._metrics.shadow.labels("agrees" if agrees else "differs").inc()
            await asyncio.to_thread(self._store.keep_shadows, said)
        except Exception as error:  # nobody waits for a shadow: what it trips over is logged and counted
            logger.error("the shadow %s failed: %s", shadow.reference, error, exc_info=error)
            self._metrics.shadow.labels("failed").inc(len(taken))
        finally:
            self._room += len(taken)

    async def _answer(self, shadow: ServedModel, line: Line, picture: bytes) -> Shadow | None:
        loop = asyncio.get_running_loop()
        try:
            pixels, _ = await loop.run_in_executor(self._decoders, shadow.predictor.pixels, picture)
        except UnreadableImage:
            self._metrics.shadow.labels("failed").inc()
            return None
        by_class = chances(shadow, await asyncio.wrap_future(line.put(shadow.predictor, pixels)))
        label = max(by_class, key=by_class.__getitem__)
        return Shadow(model=shadow.reference, label=label, probabilities=by_class)

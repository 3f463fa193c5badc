"""One request's way: pictures decoded off the event loop, through the network, on record, answered."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from hematovision.errors import UnreadableImage
from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.registry.predictor import Answers
from hematovision.serving.answers import Asker, answered, identity, record
from hematovision.serving.bench import Bench, Line
from hematovision.serving.engine import Engine, ServedModel
from hematovision.serving.keeping import Keeper
from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import Refused
from hematovision.serving.schemas import Predictions, Unread
from hematovision.serving.settings import ServingSettings
from hematovision.serving.shadowing import Shadowing
from hematovision.serving.uploads import FORM, Upload, media_type, pictures_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """A picture on its way through the network: the SHA-256 of its bytes, the pixels it had, its answer."""

    index: int
    upload: Upload
    sha256: str
    count: int
    answer: "Future[Answers]"


class Answering:
    """What every request for predictions shares: threads that decode, the bench, the records."""

    def __init__(self, settings: ServingSettings, engine: Engine, store: FeedbackStore, metrics: Metrics) -> None:
        self._settings = settings
        self._engine = engine
        self._metrics = metrics
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decoding")
        self._bench = Bench(together=settings.pictures_at_once, told=metrics.together.observe)
        self._keeper = Keeper(store, flushed=settings.answers_survive == "power_cut")
        self._shadowing = Shadowing(
            engine, self._bench, self._decoders, store, metrics, waiting=settings.shadow_waiting
        )

    async def close(self) -> None:
        """Let what has begun finish."""
        await self._shadowing.close()
        self._decoders.shutdown()
        self._bench.close()
        self._keeper.close()

    async def predict(self, content_type: str, body: bytes, asker: Asker) -> Predictions:
        """Answer the pictures of a request body; one that cannot be read becomes an error of its own.

        Raises:
            Refused: see `pictures_of`; 422 where no picture can be read, 503 where it takes too long or the answers
                cannot be put on record.
        """
        seconds = self._settings.limits.answer_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._predict(content_type, body, asker)
        except TimeoutError as error:
            detail = f"No answer within {seconds:g} seconds: the service is busy, or the pictures are very large."
            raise Refused(503, detail, headers={"Retry-After": "5"}) from error

    async def _predict(self, content_type: str, body: bytes, asker: Asker) -> Predictions:
        loop = asyncio.get_running_loop()
        if media_type(content_type) == FORM:
            uploads = await loop.run_in_executor(self._decoders, pictures_of, content_type, body, self._settings.limits)
        else:
            uploads = pictures_of(content_type, body, self._settings.limits)
        model = self._engine.current
        read, errors, given = await self._through(model, uploads)
        if not read:
            self._metrics.unreadable.inc(len(errors))
            members = {"errors": [error.model_dump() for error in errors]}
            raise Refused(422, _nothing_readable(errors), members=members)
        made = [
            record(model, answers, item.sha256, asker, self._settings.refer)
            for item, answers in zip(read, given, strict=True)
        ]
        await self._keep([kept for kept, _ in made], read)
        self._count(model, [kept for kept, _ in made], errors)
        self._shadowing.follow([(kept, item.upload.data) for item, (kept, _) in zip(read, made, strict=True)])
        return Predictions(
            model=identity(model),
            confidence=model.specification.sets.confidence,
            predictions=[
                answered(kept, because, index=item.index, file=item.upload.name)
                for item, (kept, because) in zip(read, made, strict=True)
            ],
            errors=errors,
        )

    async def _through(
        self, model: ServedModel, uploads: Sequence[Upload]
    ) -> tuple[list[_Read], list[Unread], list[Answers]]:
        """Decode picture by picture and send each on; the next is decoded while the network works on the last."""
        started = perf_counter()
        line, read, errors = self._bench.queue(), list[_Read](), list[Unread]()
        left = self._settings.limits.pixels_per_request
        try:
            for index, upload in enumerate(uploads):
                try:
                    read.append(await self._decode(model, line, index, upload, left))
                except UnreadableImage as error:
                    again = left < self._settings.limits.pixels
                    errors.append(Unread(index=index, file=upload.name, reason=str(error), again=again))
                else:
                    left -= read[-1].count
            self._metrics.stage.labels("decoding").observe(perf_counter() - started)
            given = [await asyncio.wrap_future(item.answer) for item in read]
        finally:
            for item in read:
                item.answer.cancel()  # what nobody waits for any more is not worked on; answers that are there stay
        self._metrics.stage.labels("until answered").observe(perf_counter() - started)
        return read, errors, given

    async def _decode(self, model: ServedModel, line: Line, index: int, upload: Upload, left: int) -> _Read:
        if left <= 0:
            raise UnreadableImage("the pictures before it used up the pixels of one request; send it in another")
        limit = min(self._settings.limits.pixels, left)

        def decode() -> _Read:
            pixels, count = model.predictor.pixels(upload.data, max_pixels=limit)
            answer = line.put(model.predictor, pixels)
            return _Read(index, upload, hashlib.sha256(upload.data).hexdigest(), count, answer)

        return await asyncio.get_running_loop().run_in_executor(self._decoders, decode)

    async def _keep(self, records: list[Prediction], read: list[_Read]) -> None:
        started = perf_counter()
        pictures = [item.upload.data if self._settings.keep_pictures else None for item in read]
        try:
            await asyncio.wrap_future(self._keeper.keep(list(zip(records, pictures, strict=True))))
        except Exception as error:
            logger.error("predictions could not be put on record, so they are not given: %s", error, exc_info=error)
            detail = "The answers could not be put on record, so they are not given; the service's log says why."
            raise Refused(503, detail, headers={"Retry-After": "5"}) from error
        self._metrics.stage.labels("keeping").observe(perf_counter() - started)

    def _count(self, model: ServedModel, records: Sequence[Prediction], errors: Sequence[Unread]) -> None:
        self._metrics.unreadable.inc(len(errors))
        for kept in records:
            self._metrics.predictions.labels(model.reference, kept.label).inc()
            self._metrics.referred.labels(model.reference).inc(kept.refer)
            self._metrics.unlike.labels(model.reference).inc(kept.unlike_training)


def _nothing_readable(errors: Sequence[Unread]) -> str:
    if len(errors) == 1:
        return f"The picture cannot be read: {errors[0].reason}."
    return f"None of the {len(errors)} pictures can be read; `errors` says why, for each."

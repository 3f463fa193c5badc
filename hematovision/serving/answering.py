"""One request's way: pictures decoded off the event loop, through the network, on record, answered."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal, get_args

from hematovision.errors import UnreadableImage
from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.registry.predictor import Answers
from hematovision.serving.answers import Asker, answered, identity, record
from hematovision.serving.bench import Bench, Line
from hematovision.serving.engine import Engine, ServedModel
from hematovision.serving.keeping import Keeper, Kept, NotKept
from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import Refused
from hematovision.serving.schemas import Predictions, Unread
from hematovision.serving.settings import ServingSettings
from hematovision.serving.shadowing import Shadowing
from hematovision.serving.uploads import FORM, Upload, media_type, pictures_of

_Stage = Literal["decoding", "until answered", "keeping"]


@dataclass(frozen=True)
class _Read:
    """A picture on its way through the network: the SHA-256 of its bytes, and its answer."""

    index: int
    upload: Upload
    sha256: str
    answer: "Future[Answers]"


@dataclass
class _Request:
    """The pictures of one request: handed from thread to thread, so that the event loop is woken once, at the end.

    Attributes:
        pixels: how many its pictures may still bring.
        read: pictures sent through the network. errors: those that cannot be read. made: what goes on record.
        done: everything is on record; whoever cancels it ends the work on it.
    """

    model: ServedModel
    uploads: Sequence[Upload]
    asker: Asker
    line: Line
    pixels: int
    read: list[_Read] = field(default_factory=list)
    errors: list[Unread] = field(default_factory=list)
    made: list[tuple[Prediction, list[str]]] = field(default_factory=list)
    done: "Future[None]" = field(default_factory=Future)
    since: float = field(default_factory=perf_counter)

    def end(self, error: BaseException | None = None) -> None:
        """Tell whoever waits that all is done, or what went wrong."""
        if self.done.set_running_or_notify_cancel():
            self.done.set_exception(error) if error else self.done.set_result(None)


class Answering:
    """What every request for predictions shares: threads that decode, the bench, the records."""

    def __init__(self, settings: ServingSettings, engine: Engine, store: FeedbackStore, metrics: Metrics) -> None:
        self._settings = settings
        self._engine = engine
        self._metrics = metrics
        self._stages = {name: metrics.stage.labels(name) for name in get_args(_Stage)}
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
        except NotKept as error:
            detail = "The answers could not be put on record, so they are not given; the service's log says why."
            raise Refused(503, detail, headers={"Retry-After": "5"}) from error

    async def _predict(self, content_type: str, body: bytes, asker: Asker) -> Predictions:
        limits = self._settings.limits
        if media_type(content_type) == FORM:
            loop = asyncio.get_running_loop()
            uploads = await loop.run_in_executor(self._decoders, pictures_of, content_type, body, limits)
        else:
            uploads = pictures_of(content_type, body, limits)
        request = _Request(self._engine.current, uploads, asker, self._bench.queue(), limits.pixels_per_request)
        self._decoders.submit(self._decode, request)
        try:
            await asyncio.wrap_future(request.done)
        finally:
            for item in request.read:
                item.answer.cancel()  # what nobody waits for any more is not worked on; answers that are there stay
        return self._told(request)

    def _decode(self, request: _Request) -> None:
        """Decode the next picture and send it on; the one after it waits its turn among those of other requests."""
        try:
            if request.done.cancelled():
                return
            self._read_next(request)
            if len(request.read) + len(request.errors) < len(request.uploads):
                self._decoders.submit(self._decode, request)
                return
            self._observe("decoding", request.since)
            if request.read:
                last = request.read[-1].answer  # a line is worked on in order: when this is there, all are
                last.add_done_callback(lambda _: self._keep(request))
            else:
                request.end()
        except Exception as error:  # the request is told, whatever it tripped over
            request.end(error)

    def _read_next(self, request: _Request) -> None:
        index = len(request.read) + len(request.errors)
        upload, limits, predictor = request.uploads[index], self._settings.limits, request.model.predictor
        try:
            if request.pixels <= 0:
                raise UnreadableImage("the pictures before it used up the pixels of one request; send it in another")
            pixels, count = predictor.pixels(upload.data, max_pixels=min(limits.pixels, request.pixels))
        except UnreadableImage as error:
            again = request.pixels < limits.pixels
            request.errors.append(Unread(index=index, file=upload.name, reason=str(error), again=again))
        else:
            request.pixels -= count
            sha256 = hashlib.sha256(upload.data).hexdigest()
            request.read.append(_Read(index, upload, sha256, request.line.put(predictor, pixels)))

    def _keep(self, request: _Request) -> None:
        """Put what was answered on record, in the thread that writes."""
        self._observe("until answered", request.since)
        answered = perf_counter()

        def records() -> list[Kept]:
            policy = self._settings.refer
            for item in request.read:
                given = item.answer.result()
                request.made.append(record(request.model, given, item.sha256, request.asker, policy))
            kept = self._settings.keep_pictures
            return [
                (prediction, item.upload.data if kept else None)
                for item, (prediction, _) in zip(request.read, request.made, strict=True)
            ]

        def end(error: BaseException | None) -> None:
            self._observe("keeping", answered)
            request.end(error)

        if not request.done.cancelled():
            self._keeper.keep(records, end)

    def _observe(self, stage: _Stage, since: float) -> None:
        self._stages[stage].observe(perf_counter() - since)

    def _told(self, request: _Request) -> Predictions:
        """What was done, counted, shown to the shadow, and as it is answered."""
        self._metrics.unreadable.inc(len(request.errors))
        if not request.read:
            members = {"errors": [error.model_dump() for error in request.errors]}
            raise Refused(422, _nothing_readable(request.errors), members=members)
        model, pairs = request.model, list(zip(request.read, request.made, strict=True))
        self._count(model, [kept for kept, _ in request.made])
        self._shadowing.follow([(kept, item.upload.data) for item, (kept, _) in pairs])
        return Predictions(
            model=identity(model),
            confidence=model.specification.sets.confidence,
            predictions=[
                answered(kept, because, index=item.index, file=item.upload.name) for item, (kept, because) in pairs
            ],
            errors=request.errors,
        )

    def _count(self, model: ServedModel, records: Sequence[Prediction]) -> None:
        for kept in records:
            self._metrics.predictions.labels(model.reference, kept.label).inc()
            self._metrics.referred.labels(model.reference).inc(kept.refer)
            self._metrics.unlike.labels(model.reference).inc(kept.unlike_training)


def _nothing_readable(errors: Sequence[Unread]) -> str:
    if len(errors) == 1:
        return f"The picture cannot be read: {errors[0].reason}."
    return f"None of the {len(errors)} pictures can be read; `errors` says why, for each."

"""The feedback store: predictions kept, corrections taken in, decided and told to the ledger."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
from sqlalchemy.exc import IntegrityError

from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.ingestion import Limits
from hematovision.data.store import ImageStore
from hematovision.database import database_url, open_database, writing
from hematovision.errors import GateRefused, UnreadableImage, UsageError
from hematovision.feedback import items as rows
from hematovision.feedback import predictions as kept
from hematovision.feedback import tables
from hematovision.feedback.adjudication import person, refuse_voter
from hematovision.feedback.admission import GoldenGuard
from hematovision.feedback.pictures import PictureStore, open_pictures
from hematovision.feedback.records import (
    Correction,
    Event,
    Item,
    Prediction,
    Shadow,
    State,
    Verdict,
    instant,
    new_id,
    now,
)
from hematovision.feedback.review import Waiting, queue
from hematovision.feedback.screening import Screen, flood_siblings
from hematovision.feedback.settings import FeedbackSettings
from hematovision.feedback.statistics import Interval, Period, answers_over_time, counts
from hematovision.feedback.telling import Teller
from hematovision.home import Home
from hematovision.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


_ABOUT = {"site", "client", "slide"}


class Guard(Protocol):
    """Judges a picture that is offered; gives the SHA-256 of its pixels."""

    def admit(self, picture: bytes, slide: str | None, site: str | None) -> str:
        """GateRefused where it is a golden cell or a copy of one; UnreadableImage where it is no picture."""
        ...


class FeedbackStore:
    """Predictions, corrections and decisions; any number of threads and processes may share one.

    A correction or a vote is on disk, its picture too, when the call that brings it returns.
    """

    def __init__(
        self, engine: "Engine", pictures: PictureStore, guard: Guard, settings: FeedbackSettings, ledger: Ledger
    ) -> None:
        self.engine = engine
        self.pictures = pictures
        self.guard = guard
        self.settings = settings
        tables.prepare(engine)
        self._screen = Screen(settings.suspicion)
        self._teller = Teller(engine, ledger)
        self._teller.catch_up()

    def keep_prediction(self, prediction: Prediction, picture: bytes | None) -> None:
        """Keep one prediction; see `keep_predictions`."""
        self.keep_predictions([(prediction, picture)])

    def keep_predictions(self, given: Sequence[tuple[Prediction, bytes | None]], *, flushed: bool = True) -> int:
        """Keep predictions with their pictures (or without) in one transaction; gives how many were new.

        A prediction that is already there is left as it is; of a withdrawn image the picture is not kept again.
        A kill after the return loses nothing; a power cut may lose pictures of the last seconds, until somebody
        corrects them.

        Args:
            flushed: the rows wait for the disk; without, a power cut may lose those of the last seconds too, again but
                for corrected ones.

        Raises:
            UsageError: a picture is not the one its prediction names.
        """
        records = [(prediction, self._keep_picture(prediction, picture)) for prediction, picture in given]
        try:
            with writing(self.engine, flushed=flushed) as connection:
                return kept.insert_predictions(connection, records)
        except IntegrityError:  # some are there already; to look first would cost every answer a query
            with writing(self.engine, flushed=flushed) as connection:
                return kept.insert_predictions(connection, kept.unknown(connection, records))

    def _keep_picture(self, prediction: Prediction, picture: bytes | None) -> bool:
        if picture is None:
            return False
        if hashlib.sha256(picture).hexdigest() != prediction.image:
            raise UsageError(f"Prediction {prediction.id} names another picture than the one it came with.")
        try:
            self.pictures.put(picture, durable=False)
        except UnreadableImage:  # it was withdrawn and erased
            return False
        return True

    def keep_shadows(self, given: Mapping[str, Shadow]) -> None:
        """Lay what a challenger said beside kept predictions, by their ids, in one transaction."""
        with writing(self.engine) as connection:
            for prediction_id, shadow in given.items():
                kept.add_shadow(connection, prediction_id, shadow)

    def prediction(self, prediction_id: str) -> Prediction | None:
        """A kept prediction, or None."""
        with self.engine.connect() as connection:
            found = kept.find_prediction(connection, prediction_id)
        return found[0] if found else None

    def predictions(
        self,
        *,
        since: str | datetime | None = None,
        model: str | None = None,
        site: str | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """The latest `limit` predictions as a table in the order they were given, see `prediction_table`."""
        with self.engine.connect() as connection:
            return kept.prediction_table(connection, since=since, model=model, site=site, limit=limit)

    def submit(self, correction: Correction) -> Item:
        """Take in a correction; durable when it returns. The same client key of the same person gives the same item.

        Raises:
            UsageError: the prediction is unknown, no picture is to be had, or the key was used for something else.
            UnreadableImage: the picture sent along is none.
            GateRefused: the cell, or a copy of it, is in the golden set, or its slide is.
        """
        asked = _digest(correction)
        with self.engine.connect() as connection:
            found = rows.find_by_key(connection, correction.by, correction.client_key)
        if found is not None:
            return _same(found, asked)
        prediction, picture = self._subject(correction)
        row = _row(correction, prediction, asked)
        row["pixels"] = self._admit(correction, picture, row["slide"], row["site"])
        row["image"] = self.pictures.put(picture)
        with writing(self.engine) as connection:
            found = rows.find_by_key(connection, correction.by, correction.client_key)
            if found is not None:
                return _same(found, asked)
            item = self._take_in(connection, row, prediction)
        self._teller.catch_up()
        return item

    def _admit(self, correction: Correction, picture: bytes, slide: str | None, site: str | None) -> str:
        try:
            return self.guard.admit(picture, slide, site)
        except GateRefused as refusal:
            self._teller.refusal(correction, hashlib.sha256(picture).hexdigest(), str(refusal))
            raise

    def _take_in(self, connection: "Connection", row: dict[str, Any], prediction: Prediction | None) -> Item:
        suspicion = self._screen.suspicion(connection, row["label"], row["by"], row["source"], prediction)
        item = rows.add_item(connection, row, suspicion, self.settings.adjudication)
        for sibling in flood_siblings(connection, item):
            rows.suspect(connection, sibling, item.reason)
        return item

    def adjudicate(self, item_id: str, verdict: Verdict, by: str, role: str) -> Item:
        """Count one person's vote; durable when it returns. Voting the same way again changes nothing.

        Raises:
            UsageError: there is no such item.
            GateRefused: this person may not decide about it.
        """
        with writing(self.engine) as connection:
            item = rows.find_item(connection, item_id)
            if item is None:
                raise UsageError(f"There is no feedback item {item_id}.")
            if _said_before(rows.history_of(connection, item_id), verdict, by, role):
                return item
            refuse_voter(by, role, item.by, item.state, self.settings.adjudication)
            item = rows.vote(connection, item, verdict, by, role, self.settings.adjudication)
        self._teller.catch_up()
        return item

    def take_back(self, item_id: str, by: str) -> Item | None:
        """Unsay one's own correction before anybody has voted on it; None where this person made no such item.

        Raises:
            GateRefused: it is decided, or somebody has voted.
        """
        with writing(self.engine) as connection:
            item = rows.find_item(connection, item_id)
            if item is None or person(item.by) != person(by):
                return None
            item = rows.take_back(connection, item)
        self._teller.catch_up()
        return item

    def item(self, item_id: str) -> Item | None:
        """An item, or None."""
        with self.engine.connect() as connection:
            return rows.find_item(connection, item_id)

    def items(
        self, *, state: State | None = None, since: str | datetime | None = None, limit: int | None = None
    ) -> list[Item]:
        """Items in the order they came; `since` asks for those whose state changed at or after a time."""
        conditions = [] if state is None else [tables.items.c.state == state]
        if since is not None:
            conditions.append(tables.items.c.changed >= instant(since))
        with self.engine.connect() as connection:
            return rows.select_items(connection, *conditions, limit=limit)

    def history(self, item_id: str) -> list[Event]:
        """Everything that happened to an item, in order."""
        with self.engine.connect() as connection:
            return rows.history_of(connection, item_id)

    def queue(self, *, limit: int, site: str | None = None, reviewer: str | None = None) -> list[Waiting]:
        """What a person should look at next, the most urgent first; without what `reviewer` has said something of."""
        with self.engine.connect() as connection:
            return queue(connection, limit=limit, site=site, reviewer=reviewer)

    def stats(self) -> dict[str, Any]:
        """Counts: predictions, items by state, accepted ones by class, and how often the model was right of those."""
        with self.engine.connect() as connection:
            return counts(connection)

    def answers_over_time(self, *, since: str | datetime, period: Period) -> list[Interval]:
        """Predictions since a time, counted by class for every hour or day in which there were any."""
        with self.engine.connect() as connection:
            return answers_over_time(connection, since=since, period=period)

    def picture(self, sha256: str) -> bytes:
        """The bytes of a kept picture, checked against their digest; HematoVisionError where missing or damaged."""
        return self.pictures.read(sha256)

    def _subject(self, correction: Correction) -> tuple[Prediction | None, bytes]:
        """The prediction a correction is about, if any, and the picture."""
        if correction.prediction_id is None:
            if correction.image is None:
                raise UsageError("A correction names a prediction or brings a picture; this one does neither.")
            return None, correction.image
        with self.engine.connect() as connection:
            found = kept.find_prediction(connection, correction.prediction_id)
        if found is None:
            raise UsageError(f"There is no prediction {correction.prediction_id}.")
        prediction, picture_kept = found
        if correction.image is not None:
            if hashlib.sha256(correction.image).hexdigest() != prediction.image:
                raise UsageError(f"The picture sent along is not the one of prediction {prediction.id}.")
            return prediction, correction.image
        if not picture_kept:
            raise UsageError(f"The picture of prediction {prediction.id} was not kept: send it along.")
        return prediction, self.pictures.read(prediction.image)


def open_feedback(
    home: Home,
    database: str | None,
    pictures: str | None,
    *,
    settings: FeedbackSettings,
    duplicates: DuplicateSettings,
    limits: Limits,
) -> FeedbackStore:
    """The feedback store of a home.

    Args:
        database: a URL, `$NAME` of a variable that holds one, or None for a sqlite file in the home.
        pictures: a folder, a URL as fsspec takes it, or None for a folder in the home.
        limits: what a picture sent in must keep to.
    """
    url = database_url(database, home.databases / "feedback.db", named="records.database")
    guard = GoldenGuard(
        home.golden, ImageStore(home.images), duplicates, limits, home.pictures / "golden", settings.home_sites
    )
    ledger = open_ledger(home, database)
    return FeedbackStore(open_database(url), open_pictures(pictures, home.pictures), guard, settings, ledger)


def _digest(correction: Correction) -> str:
    """What was asked, whoever sent it in whichever way."""
    content = correction.model_dump(exclude={"image", "by", "role", "source", "client_key"})
    content["image"] = hashlib.sha256(correction.image).hexdigest() if correction.image is not None else None
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _same(found: tuple[Item, str], asked: str) -> Item:
    item, before = found
    if before != asked:
        raise UsageError(
            f"The client key {item.client_key!r} was used for another correction ({item.id}); take a new one."
        )
    return item


def _row(correction: Correction, prediction: Prediction | None, asked: str) -> dict[str, Any]:
    about = {
        name: getattr(correction, name) or (prediction and getattr(prediction, name))
        for name in ("site", "client", "slide")
    }
    said = correction.model_dump(exclude={"image", "site", "client", "slide"})
    return {
        **said,
        **about,
        "id": new_id(),
        "person": person(correction.by),
        "predicted": prediction.label if prediction else None,
        "model": prediction.model if prediction else None,
        "asked": asked,
        "submitted": now(),
    }


def _said_before(history: Sequence[Event], verdict: Verdict, by: str, role: str) -> bool:
    votes = [event for event in history if event.verdict is not None or event.action == "superseded"]
    mine = [event for event in votes if event.action == "superseded" or person(event.by) == person(by)]
    return bool(mine) and (mine[-1].verdict, mine[-1].role) == (verdict, role)

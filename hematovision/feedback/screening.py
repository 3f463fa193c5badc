"""Feedback held against what was predicted: says why an item should be set aside for a person, or nothing."""

from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, func, select

from hematovision.feedback.adjudication import person
from hematovision.feedback.items import select_items
from hematovision.feedback.records import Item, Prediction
from hematovision.feedback.settings import SuspicionSettings
from hematovision.feedback.suspicion import contradicted, flooded, outlying
from hematovision.feedback.tables import items, predictions

_READ_AGAIN_SECONDS = 60
_ORDINARY, _EVERYWHERE = 500, 5000


_FLOOD = "one source, one class: "


@dataclass(frozen=True)
class Site:
    """What a site's predictions by one model look like.

    Attributes:
        ordinary: strangeness of the latest. strange_share: of those called unlike the training cells.
        thresholds: of the model at all sites, mean probability a class, over the cells called so.
    """

    ordinary: list[float]
    strange_share: float
    thresholds: dict[str, float]


class Screen:
    """Looks at one correction at a time; what a site looks like is read once a minute, a new one every time."""

    def __init__(self, settings: SuspicionSettings) -> None:
        self._settings = settings
        self._sites: dict[tuple[str, str | None], tuple[float, Site]] = {}

    def suspicion(self, connection: Connection, label: str, by: str, source: str, prediction: Prediction | None) -> str:
        """Why a correction should be set aside, '' where there is no reason."""
        if prediction is None:
            return ""
        if label not in prediction.probabilities:
            return f"{label} is no class of {prediction.model}"
        site = self._site(connection, prediction.model, prediction.site)
        return (
            self._outlier(prediction, site)
            or self._contradiction(label, prediction, site)
            or self._flood(connection, label, prediction.label, by, source)
        )

    def _outlier(self, prediction: Prediction, site: Site) -> str:
        """Strange for its own site: a new scanner makes all its cells strange, which is no fault of any of them."""
        if len(site.ordinary) < self._settings.minimum_predictions:
            return "unlike anything the model was trained on" if prediction.unlike_training else ""
        strange = prediction.unlike_training and outlying(
            prediction.strangeness, site.ordinary, self._settings.outlier_deviations
        )
        return f"far stranger ({prediction.strangeness:.2f}) than other pictures of its site" if strange else ""

    def _contradiction(self, label: str, prediction: Prediction, site: Site) -> str:
        """Confident learning, where the model is a judge: not on a site whose cells are strange to it."""
        unfit = prediction.unlike_training or site.strange_share > self._settings.strange_share
        likely = None if unfit else contradicted(label, prediction.probabilities, site.thresholds)
        if likely is None:
            return ""
        return (
            f"the model is as sure of {likely} ({prediction.probabilities[likely]:.0%}) as of cells called so rightly"
        )

    def _flood(self, connection: Connection, label: str, predicted: str, by: str, source: str) -> str:
        """Counted over the latest of the person and through their source, this one included."""
        latest = (
            select(items.c.label, items.c.predicted)
            .where(items.c.person == person(by), items.c.source == source)
            .order_by(items.c.submitted.desc())
            .limit(self._settings.flood_window - 1)
        )
        before = [(row.label, row.predicted) for row in connection.execute(latest)]
        moves = [new if old not in (None, new) else None for new, old in [(label, predicted), *before]]
        full = flooded(moves, minimum=self._settings.flood_minimum, share=self._settings.flood_share)
        if full is None or full != label or moves[0] is None:
            return ""
        return f"{_FLOOD}{moves.count(full)} of the last {len(moves)} corrections by {by} ({source}) are to {full}"

    def _site(self, connection: Connection, model: str, site: str | None) -> Site:
        read, found = self._sites.get((model, site), (0.0, None))
        minimum = self._settings.minimum_predictions
        if found is None or len(found.ordinary) < minimum or monotonic() - read > _READ_AGAIN_SECONDS:
            found = read_site(connection, model, site, minimum)
            self._sites[model, site] = monotonic(), found
        return found


def read_site(connection: Connection, model: str, site: str | None, minimum: int) -> Site:
    """What a site's latest predictions look like, and how sure the model is of its classes everywhere.

    Thresholds leave out what was corrected, which is where the model tends to be wrong. Strangeness is of the picture,
    whatever is said of it: a site that corrects all it sends is known by its pictures like any other.
    """
    columns = (predictions.c.label, predictions.c.confidence, predictions.c.strangeness, predictions.c.unlike_training)
    latest = select(*columns).where(predictions.c.model == model).order_by(predictions.c.time.desc())
    here = predictions.c.site.is_(None) if site is None else predictions.c.site == site
    rows = connection.execute(latest.where(here).limit(_ORDINARY)).all()
    corrected = select(items.c.id).where(items.c.prediction_id == predictions.c.id).exists()
    everywhere = latest.where(~corrected).limit(_EVERYWHERE).subquery()
    means = connection.execute(
        select(everywhere.c.label, func.avg(everywhere.c.confidence))
        .group_by(everywhere.c.label)
        .having(func.count() >= minimum)
    )
    strange = sum(bool(row.unlike_training) for row in rows) / len(rows) if rows else 0.0
    return Site([row.strangeness for row in rows], strange, {label: float(mean) for label, mean in means})


def flood_siblings(connection: Connection, item: Item) -> list[Item]:
    """Where an item was set aside as part of a flood: the same person's other undecided corrections into its class."""
    if not item.reason.startswith(_FLOOD):
        return []
    return select_items(
        connection,
        items.c.person == person(item.by),
        items.c.source == item.source,
        items.c.label == item.label,
        items.c.state.in_(("pending", "disputed")),
        items.c.predicted != item.label,
    )

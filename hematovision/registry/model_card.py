"""The model card: one page about a registered version, written from its facts and its standing."""

import hashlib
import html
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hematovision.config import RecordsSettings
from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.report import check_pictures, notes, template_environment
from hematovision.home import Home
from hematovision.registry.card_decisions import Standing, standing_of
from hematovision.registry.card_facts import CardFacts
from hematovision.registry.mlflow_registry import Registration
from hematovision.registry.versions import client_of, use_store

MARKDOWN, PAGE, FACTS = "model_card.md", "model_card.html", "model_card.json"
FACTS_DIGEST = "model_card_digest"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


class ModelCard(BaseModel):
    """A card as Markdown, as a self-contained page, and in the short form of the registry's description."""

    model_config = ConfigDict(frozen=True)

    markdown: str
    page: str
    short: str
    decisions: int


def render_card(facts: CardFacts, registered: Registration, standing: Standing, *, experiment: str) -> ModelCard:
    """Write the card of a version; every name in it is escaped, and the page loads nothing.

    Args:
        experiment: MLflow's id of the version's experiment, for the link from the description.
    """
    check_pictures(facts.drawn.content)
    environment = template_environment("hematovision.registry", "hematovision.evaluation")
    environment.filters["plain"] = plain
    content = facts.drawn.content
    told: dict[str, Any] = {
        "facts": facts,
        "registered": registered,
        "standing": standing,
        "content": content,
        "evaluation": content.evaluation,
        "trust": content.evaluation.trust,
        "figures": facts.drawn.figures,
        "notes": notes(content.evaluation),
        "level": f"{100 * content.evaluation.confidence:g} %",
        "artifacts_link": f"#/experiments/{experiment}/runs/{registered.run_id}/artifacts",
    }
    return ModelCard(
        markdown=environment.get_template("model_card.md.j2").render(told),
        page=environment.get_template("model_card.html.j2").render(told),
        short=environment.get_template("model_card_short.md.j2").render(told).strip(),
        decisions=len(standing.decisions),
    )


def plain(text: object) -> str:
    """Words for Markdown that can be nothing but words: one line, no markup, no HTML."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    return _SPECIAL.sub(r"\\\1", html.escape(line, quote=False))


def facts_document(facts: CardFacts) -> tuple[str, str]:
    """The text of the artifact `FACTS` and its digest for the tag `FACTS_DIGEST`; a version is made with both."""
    document = facts.model_dump_json(indent=1)
    return document, hashlib.sha256(document.encode()).hexdigest()


def renew_cards(home: Home, database: str | None, models: Iterable[str]) -> None:
    """Write the cards of versions anew after something was decided; one registered without a card is left out.

    Args:
        database: the setting `records.database`. models: NAME/VERSION.

    Raises:
        HematoVisionError: a card could not be written; what was decided stands.
    """
    client = client_of(home)
    for model in models:
        version = client.get_model_version(*model.rsplit("/", 1))
        if FACTS_DIGEST not in version.tags:
            continue
        try:
            renew_card(home, RecordsSettings(database=database), version)
        except HematoVisionError as error:
            raise HematoVisionError(
                f"What was decided is recorded and stands, but the model card does not show it yet: {error}"
            ) from error


def renew_card(home: Home, records: RecordsSettings, version: Any) -> ModelCard:
    """Write the card of a registered version anew, with what was decided since, and update its artifacts.

    Args:
        version: MLflow's model version.

    Raises:
        UsageError: the version has no card. HematoVisionError: its facts were altered since it was registered.
    """

    client = client_of(home)
    facts = read_facts(home, version)
    registered = Registration(
        name=version.name,
        version=str(version.version),
        uri=f"models:/{version.name}/{version.version}",
        run_id=version.run_id,
    )
    standing = standing_of(home, records.database, version)
    card = render_card(facts, registered, standing, experiment=_experiment(client, registered))
    _log(client, registered, card)
    return card


def read_facts(home: Home, version: Any) -> CardFacts:
    """The facts that were logged with a version, checked against the digest in its tags.

    Raises:
        UsageError: it was registered without a card. HematoVisionError: they were altered, or cannot be read.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    named, expected = f"{version.name}/{version.version}", version.tags.get(FACTS_DIGEST)
    if not expected:
        raise UsageError(f"{named} was registered before models had cards; train and register it again.")
    use_store(home)
    try:
        document = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{FACTS}")
    except (MlflowException, OSError) as error:
        raise HematoVisionError(f"{named}: its {FACTS} cannot be fetched: {error}") from error
    if hashlib.sha256(document.encode()).hexdigest() != expected:
        raise HematoVisionError(f"{named}: its {FACTS} was altered since it was registered; no card is made from it.")
    try:
        return CardFacts.model_validate_json(document)
    except ValidationError as error:
        raise HematoVisionError(f"{named}: its {FACTS} cannot be read by this version: {error}") from error


def _experiment(client: Any, registered: Registration) -> str:
    return str(client.get_run(registered.run_id).info.experiment_id)


def _log(client: Any, registered: Registration, card: ModelCard) -> None:
    client.log_text(registered.run_id, card.markdown, MARKDOWN)
    client.log_text(registered.run_id, card.page, PAGE)
    client.update_model_version(registered.name, registered.version, description=card.short)

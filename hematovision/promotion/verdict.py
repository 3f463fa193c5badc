"""The verdict on a version: every gate with its figures, kept with the version and in the ledger."""

import logging
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hematovision.errors import HematoVisionError
from hematovision.evaluation.comparison import Comparison
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.promotion.gates import Gate
from hematovision.promotion.rivals import ChangedCell
from hematovision.registry.catalogue import list_versions
from hematovision.registry.model_card import renew_cards
from hematovision.registry.unfinished import Work, unfinished
from hematovision.registry.versions import (
    CHALLENGER,
    RegisteredVersion,
    aliased,
    client_of,
    find_version,
    requester,
)
from hematovision.registry.webhooks import tell_alias_set

RECORD, PAGE = "promotion/verdict.json", "promotion/verdict.html"
TAG = "verdict"

logger = logging.getLogger(__name__)


class Verdict(BaseModel):
    """Whether a version may become champion, as far as figures can say; people decide on it.

    Attributes:
        model, champion: NAME/VERSION; no champion when there was none.
        requester: who asked for the registration, `user:<login>`.
        dirty_tree: the code differed from the commit it names.
        lost, won: golden cells that only the champion, only the challenger gets right.
        policy: what it was judged by, the part that gates read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    time: str
    model: str
    model_digest: str
    data_version: str
    synthetic: bool
    golden_digest: str
    golden_cells: int
    champion: str | None
    champion_digest: str | None
    requester: str
    git_commit: str
    dirty_tree: bool
    passed: bool
    gates: list[Gate]
    comparison: Comparison | None
    lost: list[ChangedCell]
    won: list[ChangedCell]
    notes: list[str]
    policy_digest: str
    policy: dict[str, Any]

    @property
    def failed(self) -> list[str]:
        """Names of the gates that were not passed."""
        return [gate.name for gate in self.gates if not gate.passed]

    def text(self) -> str:
        """The verdict as it is kept: JSON with its keys in the order of the fields."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex; what a decision refers to."""
        return sha256(self.text().encode()).hexdigest()


def outcome_word(passed: bool) -> str:
    """The value of the tags `verdict` and `gate.NAME`."""
    return "passed" if passed else "failed"


def kept_at(digest: str, form: Literal["json", "html"] = "json") -> str:
    """Where the verdict with this digest, or its page, lies among the artifacts of its version's run."""
    return f"promotion/verdicts/{digest}.{form}"


def keep_verdict(home: Home, verdict: Verdict, page: str, *, database: str | None) -> None:
    """Keep a verdict with its version: artifacts of the run, a record of the ledger, then what people see of it.

    Every verdict stays under its digest. What the ledger has no record of is no verdict: a kill before the record
    leaves the version as it was; after a kill behind it the next start shows what was recorded.

    Args:
        database: the setting `records.database`.
    """
    found, client = find_version(home, f"models:/{verdict.model}"), client_of(home)
    with unfinished(home, Work(what="verdict", name=found.name, version=found.version, database=database)):
        client.log_text(found.run_id, page, kept_at(verdict.digest, "html"))
        client.log_text(found.run_id, verdict.text(), kept_at(verdict.digest))
        open_ledger(home, database).append(
            "verdict",
            f"model:{verdict.model}",
            _content(verdict, found),
            actor=requester(),
            unique=f"verdict:{verdict.model}:{verdict.digest}",
        )
        show_verdict(home, found, database=database)


def show_verdict(home: Home, version: RegisteredVersion, *, database: str | None) -> Verdict | None:
    """Bring everything that shows the newest verdict to people up to date: copies, tags, alias, card; may be repeated.

    The alias `challenger` is set on the newest version that was judged: never on one without a verdict.
    """
    verdict = read_verdict(home, version.name, version.version, database=database)
    if verdict is None:
        return None
    client = client_of(home)
    client.log_text(version.run_id, verdict.text(), RECORD)
    page = version.document(kept_at(verdict.digest, "html"))
    if page is not None:
        client.log_text(version.run_id, page, PAGE)
    _tag(client, version, verdict)
    former = _challenge(home, version)
    renew_cards(home, database, [version.label])
    _renew_former(home, database, former)
    return verdict


def _challenge(home: Home, version: RegisteredVersion) -> list[str]:
    """Make a version the challenger if none that is newer is; gives those whose cards may still say that they are."""
    present = aliased(home, version.name, CHALLENGER)
    if present is not None and int(present) > int(version.version):
        return []
    if present != version.version:
        client_of(home).set_registered_model_alias(version.name, CHALLENGER, version.version)
        tell_alias_set(home, version.name, CHALLENGER, version.version)
    # After a kill behind the move the alias no longer tells who had it: the newest of the older ones with a verdict.
    judged = (one.version for one in list_versions(home, version.name) if TAG in one.tags)
    older = next((one for one in judged if int(one) < int(version.version)), None)
    return sorted({f"{version.name}/{one}" for one in (present, older) if one not in (None, version.version)})


def _renew_former(home: Home, database: str | None, former: list[str]) -> None:
    """What is wrong with an older version's card does not stop the verdict on this one: it is told."""
    for model in former:
        try:
            renew_cards(home, database, [model])
        except HematoVisionError as error:
            logger.warning("The card of %s may still call it the challenger: %s", model, error)


def _content(verdict: Verdict, version: RegisteredVersion) -> dict[str, Any]:
    told = ("passed", "failed", "model_digest", "champion", "champion_digest", "golden_digest", "policy_digest")
    path = kept_at(verdict.digest)
    return {
        "digest": verdict.digest,
        **{name: getattr(verdict, name) for name in (*told, "requester", "git_commit", "dirty_tree", "data_version")},
        "gates": [{"name": gate.name, "passed": gate.passed} for gate in verdict.gates],
        "artifacts": {path: {"sha256": verdict.digest, "uri": f"runs:/{version.run_id}/{path}"}},
    }


def _tag(client: Any, version: RegisteredVersion, verdict: Verdict) -> None:
    tags = {f"gate.{gate.name}": outcome_word(gate.passed) for gate in verdict.gates}
    for stale in sorted(tag for tag in version.tags if tag.startswith("gate.") and tag not in tags):
        client.delete_model_version_tag(version.name, version.version, stale)
    for tag, word in (tags | {TAG: outcome_word(verdict.passed)}).items():
        client.set_model_version_tag(version.name, version.version, tag, word)


def read_verdict(home: Home, name: str, version: str, *, database: str | None = None) -> Verdict | None:
    """The newest verdict on a version that the ledger knows, checked against it; None where there is none.

    Args:
        database: the setting `records.database`.

    Raises:
        UsageError: there is no such version. HematoVisionError: the verdict was altered or removed.
    """
    found = find_version(home, f"models:/{name}/{version}")
    records = list(open_ledger(home, database).records(kind="verdict", subject=f"model:{found.label}"))
    if not records:
        return None
    digest = str(records[-1].content["digest"])
    text = found.document(kept_at(digest))
    if text is None or sha256(text.encode()).hexdigest() != digest:
        raise HematoVisionError(
            f"The verdict on {found.label} is not the one in the ledger (record {records[-1].number}): "
            f"{kept_at(digest)} was {'removed' if text is None else 'altered'}."
        )
    return Verdict.model_validate_json(text)

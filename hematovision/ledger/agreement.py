"""Whether a model registry says what the ledger says; the registry is handed in as plain facts."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.ledger.proof import Finding

CHAMPION = "champion"
TAGS = ("model_digest", "data_version", "manifest_digest", "golden_digest", "git_commit", "zenml_run", "requester")
"""Tags of a version that repeat what its registration recorded."""


class RegistryFacts(BaseModel):
    """What a registry says now.

    Attributes:
        versions: the tags of every version, by NAME/VERSION.
        aliases: version by alias, by model name.
    """

    model_config = ConfigDict(frozen=True)

    versions: dict[str, dict[str, str]]
    aliases: dict[str, dict[str, str]]


def check_registry(records: Iterable[Mapping[str, Any]], facts: RegistryFacts) -> list[Finding]:
    """Everything in which a registry and the records differ."""
    kept = list(records)
    return [
        *_versions(_last(kept, "registration"), facts),
        *_verdicts(_last(kept, "verdict"), facts),
        *_champions(kept, facts),
    ]


def _last(records: list[Mapping[str, Any]], kind: str) -> dict[str, Mapping[str, Any]]:
    """The last record of a kind about each model version, by NAME/VERSION."""
    found = (record for record in records if record["kind"] == kind and record["subject"].startswith("model:"))
    return {record["subject"].removeprefix("model:"): record for record in found}


def _versions(registered: Mapping[str, Mapping[str, Any]], facts: RegistryFacts) -> Iterator[Finding]:
    for version in sorted(facts.versions.keys() - registered.keys()):
        says = f"{version} is in the registry without a record of its registration"
        yield Finding("registry", None, f"{says}: registered before the ledger was kept, or past HematoVision")
    for version in sorted(registered.keys() - facts.versions.keys()):
        number = registered[version]["number"]
        yield Finding("registry", number, f"{version} was registered (record {number}) and is gone from the registry")
    for version in sorted(registered.keys() & facts.versions.keys()):
        yield from _tags(version, registered[version], facts.versions[version])


def _tags(version: str, record: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[Finding]:
    for tag in TAGS:
        recorded = record["content"].get(tag)
        if recorded is not None and tags.get(tag) != str(recorded):
            says = f"tag {tag} of {version} is {tags.get(tag)!r}, recorded as {recorded!r} in record {record['number']}"
            yield Finding("registry", record["number"], f"{says}: it was changed by hand")


def _verdicts(judged: Mapping[str, Mapping[str, Any]], facts: RegistryFacts) -> Iterator[Finding]:
    for version, record in sorted(judged.items()):
        tags, content = facts.versions.get(version), record["content"]
        if tags is None:
            continue
        expected = {"verdict": content.get("passed")} | {
            f"gate.{gate['name']}": gate.get("passed") for gate in _gates(content)
        }
        for tag in sorted(tag for tag in tags if tag.startswith("gate.") and tag not in expected):
            says = f"tag {tag} of {version} names a gate that record {record['number']} does not know"
            yield Finding("registry", record["number"], says)
        for tag, passed in expected.items():
            word = "passed" if passed else "failed"
            if passed is not None and tags.get(tag) != word:
                says = f"tag {tag} of {version} is {tags.get(tag)!r}, but record {record['number']} says {word}"
                yield Finding("registry", record["number"], says)


def _gates(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    gates = content.get("gates")
    return [gate for gate in gates if isinstance(gate, Mapping) and "name" in gate] if isinstance(gates, list) else []


def _champions(records: list[Mapping[str, Any]], facts: RegistryFacts) -> Iterator[Finding]:
    moved: dict[str, tuple[str | None, set[str | None], int]] = {}
    for record in records:
        if record["kind"] not in ("promotion", "rollback"):
            continue
        content, number = record["content"], record["number"]
        name, before, after = content.get("name"), content.get("before"), content.get("after")
        serving = moved.get(name, (None, set(), 0))[0]
        if content.get("stage") == "intent":
            moved[name] = (serving, {before, after}, number)
        else:
            moved[name] = (after if content.get("stage") == "done" else serving, set(), number)
    for name in sorted(moved.keys() | {name for name, aliases in facts.aliases.items() if CHAMPION in aliases}):
        serving, moving, number = moved.get(name, (None, set(), 0))
        alias = facts.aliases.get(name, {}).get(CHAMPION)
        if alias != serving and alias not in moving:
            says = f"the alias {CHAMPION} of {name} is at version {alias}, but the ledger says {serving}"
            yield Finding("registry", number or None, f"{says}: it was moved past `hematovision promote`")

"""The people of a rehearsal: reviewers with signing keys, as many as the policy asks for, and holders of API keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hematovision.promotion.review_policy import ReviewPolicy
from hematovision.rehearsal.processes import Commands

NAMES = ("Ada", "Ben", "Chiara", "Dmitri", "Efua", "Farid", "Greta", "Hiro")
SERVICE_KEYS: Mapping[str, str] = {
    "heartbeat": "predict",
    "traffic": "predict",
    "technician": "review",
    "first reviewer": "review",
    "second reviewer": "review",
    "senior": "senior",
}
"""Names of API keys with their roles; who corrects does not vote."""


@dataclass(frozen=True)
class Reviewer:
    """Somebody who may approve a version; `key` is their private key."""

    name: str
    role: str
    key: Path


def enrol(commands: Commands, policy: ReviewPolicy, folder: Path) -> list[Reviewer]:
    """Make and add as many reviewers as the policy wants approvals of, in the roles it wants."""
    roles = list(policy.each_of) + [policy.roles[0]] * len(NAMES)
    chosen = [*policy.each_of, *(role for role in policy.roles if role not in policy.each_of), *roles]
    people = [Reviewer(name, role, folder / f"{name}.pem") for name, role in zip(NAMES, chosen, strict=False)]
    wanted = people[: max(policy.approvals, len(policy.each_of) if policy.approvals else 0)]
    for one in wanted:
        made = commands.run("reviewers", "key", one.name, "--key", str(one.key), "--no-passphrase", config=False)
        asked = ("--role", one.role, "--login", one.name.lower())
        commands.run("reviewers", "add", str(made["request"]), *asked)
    return wanted


def make_service_keys(commands: Commands) -> dict[str, str]:
    """An API key for everyone who asks the service, by name."""
    return {name: str(commands.run("keys", "add", name, "--role", role)["key"]) for name, role in SERVICE_KEYS.items()}


def approve_and_promote(commands: Commands, reviewers: list[Reviewer], version: str, reason: str) -> None:
    """Every reviewer signs; then the version becomes champion, by the policy's rules."""
    for one in reviewers:
        commands.run("review", "approve", version, "--reason", reason, "--role", one.role, "--key", str(one.key))
    commands.run("promote", version)

"""A registry of versions that were never trained: packages of a few bytes, a ledger and a team that know them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hematovision.home import Home
from hematovision.ledger import Ledger, add_reviewer, key_request, open_ledger
from hematovision.ledger.keys import Reviewer, fingerprint, reviewers
from hematovision.promotion.champion import Moved, promote, rollback
from hematovision.promotion.decisions import Action, Decision, SignedDecision, compose, sign_decision
from hematovision.promotion.policy import PromotionPolicy, load_policy
from hematovision.promotion.review import Review, open_review
from hematovision.promotion.standing import Standing
from hematovision.promotion.verdict import keep_verdict
from hematovision.registry.package import DIGESTS, FILES, SPECIFICATION, file_digest, package_digest
from hematovision.registry.versions import CHAMPION, RegisteredVersion, aliased, client_of, find_version
from tests.promotion.verdicts import paper_verdict

NAME = "paper"
REQUESTER = "user:anna"
ADMINISTRATOR = "Ada"
"""Rules over the keys where a test enrols her."""

TEAM = {
    "Anna": ("user:anna", ["pathologist", "engineer", "head of laboratory"]),
    "Ben": ("user:ben", ["pathologist"]),
    "Carla": ("user:carla", ["engineer"]),
    "Dora": ("user:dora", ["head of laboratory"]),
    "Emil": ("user:emil", ["technician"]),
    "Fay": ("user:fay", ["pathologist", "engineer"]),
}


@cache
def key_of(name: str) -> Ed25519PrivateKey:
    """The same key for a person in every test of a process."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def write_paper_package(folder: Path, content: str) -> str:
    """A package whose digests hold and which nobody could load; returns its digest."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name} {content}")
    (folder / SPECIFICATION).write_text(json.dumps(_SPECIFICATION))
    digests = {name: file_digest(folder / name) for name in (*FILES, SPECIFICATION)}
    (folder / DIGESTS).write_text(json.dumps(digests))
    return package_digest(folder)


_SPECIFICATION: dict[str, Any] = {
    "format": 2,
    "classes": ["neutrophil", "lymphocyte"],
    "image_size": 96,
    "orientations": 1,
    "mean": [0, 0, 0],
    "deviation": [1, 1, 1],
    "temperature": 1.0,
    "sets": {"confidence": 0.95, "limits": [0.5, 0.5], "cells": [40, 40]},
    "familiar": {"distance": 1.0, "false_flag_rate": 0.01, "cells": 80},
    "max_pixels": 1000,
    "min_side": 8,
    "backbone": "none",
    "frozen_blocks": 0,
    "weights": "none",
    "data_version": "paper",
    "manifest_digest": "0",
    "golden_digest": "0",
    "seed": 1,
    "synthetic": True,
    "software": {},
}


@dataclass(frozen=True)
class Laboratory:
    """A home with a team, and what a test does in it."""

    home: Home
    policy: PromotionPolicy

    @property
    def ledger(self) -> Ledger:
        return open_ledger(self.home, None)

    def with_review(self, **changes: object) -> "Laboratory":
        """The same laboratory under another policy."""
        return replace(self, policy=load_policy(changes={"review": changes}))

    def enrol(self, name: str, login: str | None, roles: list[str]) -> None:
        administered = any("administrator" in one.roles for one in reviewers(self.ledger).values())
        boss = key_of(ADMINISTRATOR) if administered else None
        request = key_request(key_of(name), name)
        add_reviewer(self.ledger, request, roles, actor="system", login=login, administrator=boss)

    def person(self, name: str) -> Reviewer:
        return reviewers(self.ledger)[fingerprint(key_of(name))]

    def register(
        self,
        *,
        failed: tuple[str, ...] = (),
        requester: str = REQUESTER,
        git_commit: str = "c0ffee",
        champion: str | None = None,
        content: str | None = None,
        judged: bool = True,
    ) -> RegisteredVersion:
        """A version that passed its gates, but for those named; `content` makes its bytes."""
        client = client_of(self.home)
        number = 1 + len(client.search_model_versions(f"name = '{NAME}'"))
        folder = self.home.root / "paper" / str(number)
        digest = write_paper_package(folder / "artifacts" / "package", content or str(number))
        if client.get_experiment_by_name(NAME) is None:
            client.create_experiment(NAME, artifact_location=self.home.artifacts.as_uri())
            client.create_registered_model(NAME)
        run = client.create_run(client.get_experiment_by_name(NAME).experiment_id).info.run_id
        tags = {"model_digest": digest, "requester": requester, "git_commit": git_commit}
        client.create_model_version(NAME, folder.as_uri(), run, tags=tags)
        if judged:
            self.judge(str(number), failed=failed, champion=champion)
        return find_version(self.home, f"models:/{NAME}/{number}")

    def judge(self, version: str, *, failed: tuple[str, ...] = (), champion: str | None = None) -> None:
        """Give a version a new verdict."""
        found = find_version(self.home, f"models:/{NAME}/{version}")
        verdict = paper_verdict(found, self.policy, failed, f"{NAME}/{champion}" if champion else None)
        keep_verdict(self.home, verdict, "on paper", database=None)

    def review(self, version: str) -> Review:
        return open_review(find_version(self.home, f"models:/{NAME}/{version}"), self.policy, None)

    def tags(self, version: str) -> dict[str, str]:
        return dict(find_version(self.home, f"models:/{NAME}/{version}").tags)

    def sign(
        self,
        name: str,
        action: Action,
        version: str,
        *,
        role: str | None = None,
        gate: str | None = None,
        login: str | None = None,
        reason: str = "I looked at every mistake.",
    ) -> SignedDecision:
        """What a person signs about a version as it stands."""
        person = self.person(name)
        content = compose(
            self.review(version).reviewed,
            person,
            action,
            role=role or person.roles[0],
            reason=reason,
            purpose=self.policy.review.purpose,
            login=login or TEAM.get(name, ("user:somebody",))[0],
            gate=gate,
        )
        return sign_decision(content, key_of(name))

    def record(self, signed: SignedDecision) -> Decision:
        return self.review(signed.subject.rpartition("/")[2]).record(signed)[0]

    def decide(self, name: str, action: Action, version: str, **words: Any) -> Decision:
        return self.record(self.sign(name, action, version, **words))

    def approve(self, version: str) -> None:
        """What the default policy asks for."""
        self.decide("Ben", "approve", version)
        self.decide("Carla", "approve", version)

    def standing(self, version: str) -> Standing:
        return self.review(version).standing()

    def promote(self, version: str) -> Moved:
        return promote(self.home, find_version(self.home, f"models:/{NAME}/{version}"), self.policy)

    def roll_back(self, name: str, to: str, *, role: str | None = None) -> Moved:
        return rollback(self.home, self.sign(name, "rollback", to, role=role), NAME, self.policy)

    @property
    def alias(self) -> str | None:
        return aliased(self.home, NAME, CHAMPION)


def open_laboratory(root: Path) -> Laboratory:
    """A laboratory that `prepare_laboratory` made, or a copy of one."""
    return Laboratory(Home(root), load_policy())


def prepare_laboratory(root: Path) -> Laboratory:
    """A new home, its team enrolled."""
    laboratory = open_laboratory(root)
    root.mkdir(parents=True, exist_ok=True)
    for name, (login, roles) in TEAM.items():
        laboratory.enrol(name, login, roles)
    client_of(laboratory.home).search_registered_models()
    return laboratory


def copies(template: Path, folder: Path) -> Iterator[Laboratory]:
    """Laboratories that start alike."""
    number = 0
    while True:
        number += 1
        yield open_laboratory(Path(shutil.copytree(template, folder / str(number))))

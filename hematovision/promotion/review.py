"""The review of one version: read where it stands, decide on it, show the decision in the registry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.ledger import Ledger, Reviewer, open_ledger, reviewers
from hematovision.ledger.keys import fingerprint
from hematovision.promotion.decisions import Action, Decision, SignedDecision, compose, sign_decision
from hematovision.promotion.moves import History, read_history
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.reviewed import ReviewedVersion, read_reviewed
from hematovision.promotion.rules import allowed_roles
from hematovision.promotion.standing import Standing, record_decision, refuse_decision, standing_of, standing_tags
from hematovision.registry.catalogue import set_tags
from hematovision.registry.model_card import renew_cards
from hematovision.registry.unfinished import Work, unfinished
from hematovision.registry.versions import RegisteredVersion, requester
from hematovision.registry.webhooks import tell_tag_set

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Review:
    """A version on the table, with the ledger and the policy it is decided by."""

    home: Home
    ledger: Ledger
    reviewed: ReviewedVersion
    policy: PromotionPolicy
    database: str | None

    @property
    def history(self) -> History:
        """Who served before."""
        return read_history(self.ledger, self.reviewed.name)

    def standing(self) -> Standing:
        """Where the version stands now."""
        return standing_of(self.ledger, self.reviewed, self.policy, self.history)

    def sign(
        self,
        key: "Ed25519PrivateKey",
        action: Action,
        *,
        reason: str,
        role: str | None = None,
        purpose: str | None = None,
        gate: str | None = None,
    ) -> SignedDecision:
        """A person's signed decision; nothing is written.

        Args:
            role: needed where the person has several that may decide so.
            purpose: ends "I approve this version for …"; without it, that of the policy.

        Raises:
            UsageError: the key is not that of a reviewer, or the role has to be named.
        """
        person = reviewers(self.ledger).get(fingerprint(key))
        if person is None:
            raise UsageError(
                "The ledger does not know your key: have it added with `hematovision reviewers add` first."
            )
        content = compose(
            self.reviewed,
            person,
            action,
            role=role or self._only_role(person, action),
            reason=reason,
            purpose=purpose or self.policy.review.purpose,
            login=requester(),
            gate=gate,
        )
        return sign_decision(content, key)

    def _only_role(self, person: Reviewer, action: Action) -> str:
        wanted = allowed_roles(action, self.policy.review)
        fitting = [role for role in person.roles if wanted is None or role in wanted] or person.roles
        if len(fitting) > 1:
            roles = " and ".join(fitting)
            raise UsageError(f"{person.name} is {roles}: name with --role the one in which you {action}.")
        return fitting[0]

    def record(self, signed: SignedDecision) -> tuple[Decision, Standing]:
        """Write a decision down, then show where the version stands, in its tags and on its card.

        Raises:
            GateRefused: the decision does not count; nothing is written.
            HematoVisionError: the decision is recorded, the card could not be written anew.
        """
        self.refuse(signed)
        with unfinished(self.home, self._work()):
            decision = record_decision(self.ledger, signed, self.reviewed, self.policy, self.history)
            return decision, self.show()

    def _work(self) -> Work:
        return Work(
            what="decision",
            name=self.reviewed.name,
            version=self.reviewed.version,
            database=self.database,
            policy=self.policy.model_dump(mode="json"),
        )

    def refuse(self, signed: SignedDecision) -> None:
        """Say that a decision would not count, before it travels.

        Raises:
            GateRefused: with the reason.
        """
        refuse_decision(self.ledger, signed, self.reviewed, self.policy, self.history)

    def show(self) -> Standing:
        """Bring tags and card up to date with the ledger."""
        with unfinished(self.home, self._work()):
            standing = self.publish()
            renew_cards(self.home, self.database, [self.reviewed.model])
        return standing

    def publish(self) -> Standing:
        """Bring the tags that MLflow's page shows up to date with the ledger."""
        standing, name, version = self.standing(), self.reviewed.name, self.reviewed.version
        for key, value in set_tags(self.home, name, version, standing_tags(standing)).items():
            tell_tag_set(self.home, name, version, key, value)
        return standing


def open_review(version: RegisteredVersion, policy: PromotionPolicy, database: str | None) -> Review:
    """Put a version on the table.

    Args:
        database: the setting `records.database`.

    Raises:
        GateRefused: its verdict or a tag was altered.
    """
    ledger = open_ledger(version.home, database)
    return Review(version.home, ledger, read_reviewed(version, database), policy, database)

"""A registered version with what a reviewer has to know of it before they put their name under anything."""

from dataclasses import dataclass

from hematovision.errors import GateRefused
from hematovision.promotion.verdict import Verdict, read_verdict
from hematovision.registry.versions import RegisteredVersion


@dataclass(frozen=True)
class ReviewedVersion:
    """What decisions are about; without a verdict nobody knows who asked for it and from which code."""

    name: str
    version: str
    model_digest: str
    verdict: Verdict | None

    @property
    def model(self) -> str:
        """NAME/VERSION."""
        return f"{self.name}/{self.version}"

    @property
    def subject(self) -> str:
        """What records about it are filed under."""
        return f"model:{self.model}"

    @property
    def verdict_digest(self) -> str:
        """Of the verdict, "" where there is none."""
        return self.verdict.digest if self.verdict else ""

    @property
    def requester(self) -> str:
        """`user:<login>` of who registered the version, "" where nobody knows."""
        return self.verdict.requester if self.verdict else ""

    @property
    def git_commit(self) -> str:
        """The code it was made from."""
        return self.verdict.git_commit if self.verdict else ""

    @property
    def dirty(self) -> bool:
        """Whether its code is not exactly that of a commit."""
        return self.verdict is None or self.verdict.dirty_tree or self.git_commit in ("", "unknown")

    @property
    def failed_gates(self) -> list[str]:
        """Names of the gates it did not pass."""
        return self.verdict.failed if self.verdict else []


def read_reviewed(registered: RegisteredVersion, database: str | None) -> ReviewedVersion:
    """A version with the verdict that the ledger knows; tags can be changed by anybody who reaches MLflow.

    Args:
        database: the setting `records.database`.

    Raises:
        GateRefused: the tag of its digest was altered. HematoVisionError: the verdict was.
    """
    verdict = read_verdict(registered.home, registered.name, registered.version, database=database)
    digest = registered.tags.get("model_digest", "")
    if verdict and digest != verdict.model_digest:
        raise GateRefused(
            f"The tag model_digest of {registered.label} is not the digest that was judged; it was altered. Nothing is "
            "decided on the version before that is cleared up: run `hematovision audit verify`."
        )
    return ReviewedVersion(registered.name, registered.version, digest, verdict)

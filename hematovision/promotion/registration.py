"""The end of a registration: its record in the ledger, and the verdict on the new version."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig
from hematovision.data.store import ImageStore
from hematovision.home import Home
from hematovision.progress import Progress
from hematovision.promotion.judging import Measured, judge
from hematovision.promotion.policy import policy_of
from hematovision.promotion.review import open_review
from hematovision.promotion.verdict import Verdict, keep_verdict, read_verdict
from hematovision.promotion.verdict_page import render_verdict
from hematovision.registry.candidate_report import Loader
from hematovision.registry.versions import CHAMPION, aliased, find_version, record_registration


class VerdictSummary(BaseModel):
    """The verdict in short; `failed` names the gates that were not passed, `page` is the verdict's page."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    failed: list[str]
    gates: int
    champion: str | None
    digest: str
    page: str


@dataclass(frozen=True)
class Judged:
    """A verdict and where its page lies on this machine."""

    verdict: Verdict
    page: Path

    @property
    def summary(self) -> VerdictSummary:
        """The verdict in short."""
        return VerdictSummary(
            passed=self.verdict.passed,
            failed=self.verdict.failed,
            gates=len(self.verdict.gates),
            champion=self.verdict.champion,
            digest=self.verdict.digest,
            page=str(self.page),
        )


def judge_version(
    home: Home,
    uri: str,
    config: RunConfig,
    *,
    measured: Measured | None = None,
    anew: bool = True,
    progress: Progress | None = None,
) -> Judged:
    """Judge a registered version and keep the verdict with it.

    Args:
        measured: figures of the run that registered it. anew: judge even where the verdict it has still stands, by
            the same policy and against the same champion.

    Raises:
        UsageError: there is no such version. HematoVisionError: something it rests on was altered or is missing.
    """
    version, database = find_version(home, uri), config.records.database
    record_registration(version, database=database)
    verdict = None if anew else _standing(home, version.name, version.version, config)
    fresh = verdict is None
    if verdict is None:
        verdict = judge(
            home, version.name, version.version, policy_of(config), config.evaluation,
            seed=config.seed, measured=measured, progress=progress,
        )  # fmt: skip
    text = render_verdict(verdict, Loader(ImageStore(home.images), config.reading.max_pixels), config.evaluation)
    if fresh:
        keep_verdict(home, verdict, text, database=database)
        open_review(find_version(home, version.uri), policy_of(config), database).show()
    page = home.runs / f"verdict-{verdict.digest[:12]}" / "verdict.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return Judged(verdict, page)


def _standing(home: Home, name: str, version: str, config: RunConfig) -> Verdict | None:
    """The verdict a version has, if it would be judged by the same policy against the same champion."""
    found = read_verdict(home, name, version, database=config.records.database)
    champion = aliased(home, name, CHAMPION)
    against = f"{name}/{champion}" if champion and champion != version else None
    same = found is not None and (found.policy_digest, found.champion) == (policy_of(config).digest, against)
    return found if same else None

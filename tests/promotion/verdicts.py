"""Verdicts on versions that were never measured."""

from collections.abc import Sequence

from hematovision.promotion.gates import plain_gate
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.verdict import Verdict
from hematovision.registry.versions import RegisteredVersion

GATES = ("floor.accuracy", "floor.macro_f1")


def paper_verdict(
    version: RegisteredVersion, policy: PromotionPolicy, failed: Sequence[str], champion: str | None
) -> Verdict:
    """A verdict that says which gates failed, and nothing was measured for it."""
    tags = version.tags
    return Verdict(
        time="2026-01-31T12:00:00.000000+00:00",
        model=version.label,
        model_digest=tags["model_digest"],
        data_version="paper",
        synthetic=True,
        golden_digest="0",
        golden_cells=0,
        champion=champion,
        champion_digest=None,
        requester=tags["requester"],
        git_commit=tags["git_commit"].removesuffix("+dirty"),
        dirty_tree=tags["git_commit"].endswith("+dirty"),
        passed=not failed,
        gates=[plain_gate(name, "floor", name not in failed, "on paper") for name in sorted({*GATES, *failed})],
        comparison=None,
        lost=[],
        won=[],
        notes=[],
        policy_digest=policy.digest,
        policy=policy.judged_by,
    )

"""Whether the figures of a version mean what they say: validated data, a whole lineage, a golden set never learnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.data.golden import GoldenSet, assert_untouched, golden_part, rows_digest
from hematovision.data.manifest import DEVELOPMENT, manifest_digest
from hematovision.data.validation import ValidationRecord
from hematovision.errors import GateRefused
from hematovision.promotion.gates import Gate, plain_gate
from hematovision.promotion.policy import LineageRule
from hematovision.registry.package import ModelSpecification

VALIDATION = "data/validation.json"
UNKNOWN = ("", "unknown", "None")
DIRTY = "+dirty"


@dataclass(frozen=True)
class Evidence:
    """What a version brings along.

    Attributes:
        label: NAME/VERSION. digest: of its package.
        manifest, validation: None where the version's run holds none.
    """

    label: str
    specification: ModelSpecification
    digest: str
    tags: Mapping[str, str]
    manifest: pd.DataFrame | None
    validation: ValidationRecord | None

    @property
    def dirty_tree(self) -> bool:
        """Whether the code differed from its commit."""
        return self.tags.get("git_commit", "").endswith(DIRTY)


def evidence_gates(evidence: Evidence, lineage: LineageRule) -> list[Gate]:
    """The gates that come before any figure."""
    return [_validated(evidence), _lineage(evidence, lineage), _untouched(evidence)]


def _validated(evidence: Evidence) -> Gate:
    found = evidence.validation
    if found is None:
        return plain_gate("data_validated", "evidence", False, f"no {VALIDATION} came with the version")
    warned = [item.expectation for item in found.failed if item.severity != "critical"]
    broken = [item.message for item in found.failed if item.severity == "critical"]
    if broken or not found.success:
        return plain_gate("data_validated", "evidence", False, "the data failed: " + "; ".join(broken or ["see it"]))
    told = f", with warnings: {', '.join(sorted(set(warned)))}" if warned else ""
    return plain_gate("data_validated", "evidence", True, f"every critical expectation of the data held{told}")


def _lineage(evidence: Evidence, rule: LineageRule) -> Gate:
    missing = [tag for tag in rule.tags if evidence.tags.get(tag, "") in UNKNOWN]
    wrong = _contradictions(evidence)
    problems = [f"missing: {', '.join(missing)}"] * bool(missing) + wrong
    if problems:
        return plain_gate("lineage_complete", "evidence", False, "; ".join(problems))
    return plain_gate("lineage_complete", "evidence", True, "data, code, run and model are named and agree")


def _contradictions(evidence: Evidence) -> list[str]:
    """Where the tags, the model's own specification and the table of cells do not say the same."""
    specification, tags = evidence.specification, evidence.tags
    told = {
        "data_version": specification.data_version,
        "manifest_digest": specification.manifest_digest,
        "golden_digest": specification.golden_digest,
        "model_digest": evidence.digest,
    }
    wrong = [
        f"the tag {tag} is not what the model says" for tag, value in told.items() if tags.get(tag, value) != value
    ]
    if evidence.manifest is None:
        return [*wrong, "the table of cells (data/manifest.csv) is missing"]
    if manifest_digest(evidence.manifest) != specification.manifest_digest:
        wrong.append("the table of cells is not the one the model was made from")
    return wrong


def _untouched(evidence: Evidence) -> Gate:
    manifest = evidence.manifest
    if manifest is None:
        return plain_gate("golden_untouched", "evidence", False, "without the table of cells nobody can tell")
    rows = golden_part(manifest)
    if rows_digest(rows) != evidence.specification.golden_digest:
        return plain_gate("golden_untouched", "evidence", False, "the golden rows are not those the model names")
    golden = GoldenSet(Path(evidence.label), evidence.specification.golden_digest, "", {}, rows)
    development = manifest[manifest["split"] == DEVELOPMENT]
    try:
        assert_untouched(golden, development, manifest=manifest)
    except GateRefused as refusal:
        return plain_gate("golden_untouched", "evidence", False, str(refusal))
    told = f"none of {len(rows)} golden cells, nor their slide or near-duplicates, is among {len(development)} others"
    return plain_gate("golden_untouched", "evidence", True, told)

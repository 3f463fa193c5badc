"""From a finished candidate to a registered version, with a summary that the command line prints."""

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.bill_of_materials import bill_of_materials
from hematovision.config import RunConfig
from hematovision.data.decoding import encode_png
from hematovision.data.synthetic.dataset import draw_planned, planned_cells
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.report import DrawnReport, render_report
from hematovision.home import CONFIGS, Home
from hematovision.learning.curves import Epoch
from hematovision.provenance import git_commit, lock_digest, provenance
from hematovision.registry.card_facts import gather_facts
from hematovision.registry.catalogue import list_versions
from hematovision.registry.mlflow_registry import KEY, Evidence, Registration, register
from hematovision.registry.model_card import FACTS, FACTS_DIGEST, facts_document, renew_cards
from hematovision.registry.package import package_digest, verify_package
from hematovision.registry.unfinished import Work
from hematovision.registry.versions import client_of, find_version, record_registration, requester

CONFIG = "config.json"
"""The artifact of a version that holds every setting of its run."""

CANDIDATE = "candidate_digest"
"""The tag that tells a candidate that has a version already from a new one."""

DRAWN = "report.json"
"""Beside a candidate's report: what its page is made of, for the model card."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DataSummary(_Part):
    """Which data: where from, exact version, number of accepted cells, their classes."""

    source: str
    version: str
    n: int
    quarantined: int
    classes: list[str]
    synthetic: bool


class GoldenSummary(_Part):
    """The packaged model on the golden set."""

    n: int
    accuracy: Interval
    macro_f1: Interval
    ece: Interval


class FoldsSummary(_Part):
    """Means over the folds."""

    folds: int
    n: int
    accuracy: Interval
    macro_f1: Interval


class CandidateSummary(_Part):
    """A trained and evaluated model without a version; `report` and `package` are where they lie."""

    data: DataSummary
    golden: GoldenSummary
    cross_validation: FoldsSummary
    report: str
    package: str


class RunSummary(CandidateSummary):
    """What a run ends with; `hematovision run --json` prints it."""

    model: Registration


def flat_settings(config: RunConfig) -> dict[str, str]:
    """Settings as MLflow parameters, `learning.training.dropout` and so on."""

    def flatten(prefix: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            return {prefix: str(value)[:500]}
        below = (flatten(f"{prefix}.{key}" if prefix else key, part) for key, part in value.items())
        return {name: text for part in below for name, text in part.items()}

    return flatten("", config.model_dump(exclude={"search"}))


def _metrics(cross_validation: CrossValidation, golden: Evaluation) -> dict[str, float]:
    figures = {
        "golden_accuracy": golden.accuracy,
        "golden_macro_f1": golden.macro_f1,
        "golden_ece": golden.ece,
        "golden_brier": golden.brier,
        **_set_figures(golden),
        "fold_accuracy": cross_validation.accuracy,
        "fold_macro_f1": cross_validation.macro_f1,
    }
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    named = {f"{name}{end}": getattr(figure, part) for name, figure in figures.items() for end, part in ends}
    recalls = {
        f"golden_recall_{label}": scores.recall.value for label, scores in golden.per_class.items() if scores.recall
    }
    return {**named, **recalls, "golden_n": golden.n}


def _set_figures(golden: Evaluation) -> dict[str, Interval]:
    sets = golden.trust.sets if golden.trust else None
    return {"golden_set_coverage": sets.coverage, "golden_set_size": sets.mean_size} if sets else {}


def keep_candidate(
    home: Home,
    package: Path,
    drawn: DrawnReport,
    cells: int,
    quarantined: int,
    cross_validation: CrossValidation,
    golden: Evaluation,
    source: str,
) -> tuple[CandidateSummary, str]:
    """Keep a candidate's package and report below the home's runs, named by the model's digest.

    Returns:
        What the command line prints, and the report's page.
    """
    specification = verify_package(package)
    folder = home.runs / f"candidate-{package_digest(package)[:12]}"
    shutil.copytree(package, folder / "package", dirs_exist_ok=True)
    report = render_report(drawn)
    page = folder / "report.html"
    page.write_text(report, encoding="utf-8")
    (folder / DRAWN).write_text(drawn.model_dump_json(), encoding="utf-8")
    summary = CandidateSummary(
        data=DataSummary(
            source=source,
            version=specification.data_version,
            n=cells,
            quarantined=quarantined,
            classes=specification.classes,
            synthetic=specification.synthetic,
        ),
        golden=GoldenSummary(n=golden.n, accuracy=golden.accuracy, macro_f1=golden.macro_f1, ece=golden.ece),
        cross_validation=FoldsSummary(
            folds=len(cross_validation.folds),
            n=cross_validation.pooled.n,
            accuracy=cross_validation.accuracy,
            macro_f1=cross_validation.macro_f1,
        ),
        report=str(page),
        package=str(folder / "package"),
    )
    return summary, report


def _kept(home: Home, version: str) -> KeptVersion | None:
    """The data version a model learnt from; None where it is not kept in this home."""
    found = [kept for kept in KeptVersions(home.data_versions).all() if kept.version == version]
    return found[-1] if found else None


def _example(config: RunConfig) -> bytes:
    """A generated cell: an input example must not carry a patient's picture into the registry."""
    scanner = load_scanners(CONFIGS / "scanners.yaml")[config.synthetic.scanner]
    return encode_png(draw_planned(config.synthetic, planned_cells(config.synthetic)[0], scanner))


def software_documents(home: Home) -> dict[str, str]:
    """What software made a version: the record, and the bill of everything installed."""
    bill = bill_of_materials(home)
    return {"provenance.json": provenance(bill).model_dump_json(indent=2), "sbom.cdx.json": bill}


def _tags(package: Path, data: KeptVersion | None, pipeline_run: str) -> dict[str, str]:
    """What a version was made of and by whom."""
    specification = verify_package(package)
    return {
        "data_version": specification.data_version,
        "manifest_digest": specification.manifest_digest,
        "golden_digest": specification.golden_digest,
        "git_commit": git_commit(),
        "lock_digest": lock_digest(),
        "zenml_run": pipeline_run,
        "model_digest": package_digest(package),
        "synthetic": str(specification.synthetic).lower(),
        **({"data_content": data.content} if data else {}),
        **({"adapted_from": specification.adapted.base} if specification.adapted else {}),
        "requester": requester(),
    }


def publish(
    home: Home,
    candidate: CandidateSummary,
    package: Path,
    reference: Path,
    documents: Mapping[str, str],
    cross_validation: CrossValidation,
    golden: Evaluation,
    curves: Sequence[Epoch],
    config: RunConfig,
    *,
    files: Mapping[str, Path],
    pipeline_run: str,
) -> RunSummary:
    """Register a candidate; `documents` are texts by artifact path, the report say; `files` others.

    One that has a version already keeps it: its run was killed behind the registration, and was begun again.
    """
    name, database = config.registry.model_name, config.records.database
    identity = _identity(package, documents, config)
    if (known := _registered_before(home, name, identity)) is not None:
        finish_registration(home, database, known)
        return RunSummary(**candidate.model_dump(), model=known)
    data = _kept(home, verify_package(package).data_version)
    drawn = DrawnReport.model_validate_json(Path(candidate.report).with_name(DRAWN).read_text(encoding="utf-8"))
    facts, digest = facts_document(gather_facts(drawn, package, reference, data, config, len(curves)))
    tags = {**_tags(package, data, pipeline_run), CANDIDATE: identity, FACTS_DIGEST: digest}
    evaluations = {
        **software_documents(home),
        "evaluation/golden.json": golden.model_dump_json(indent=2),
        "evaluation/cross_validation.json": cross_validation.model_dump_json(indent=2),
        CONFIG: config.model_dump_json(indent=2),
        FACTS: facts,
    }
    evidence = Evidence(
        flat_settings(config), _metrics(cross_validation, golden), curves, {**documents, **evaluations}, files, tags
    )
    finish = partial(finish_registration, home, database)
    registered = register(home, name, package, reference, _example(config), evidence, finish, database=database)
    return RunSummary(**candidate.model_dump(), model=registered)


def _identity(package: Path, documents: Mapping[str, str], config: RunConfig) -> str:
    """SHA-256 of the model, everything said of it and the settings: none of it changes when a run is begun again."""
    parts = [package_digest(package), sorted(documents.items()), config.model_dump(mode="json")]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _registered_before(home: Home, name: str, identity: str) -> Registration | None:
    found = next((one for one in list_versions(home, name) if one.tags.get(CANDIDATE) == identity), None)
    return Registration(name=name, version=found.version, uri=found.uri, run_id=found.run_id) if found else None


def finish_registration(home: Home, database: str | None, registered: Registration) -> None:
    """Record a new version in the ledger and write its card; may be done again."""
    record_registration(find_version(home, registered.uri), database=database)
    renew_cards(home, database, [f"{registered.name}/{registered.version}"])


def settle_registration(home: Home, work: Work) -> str:
    """Finish a registration that was killed, where there is a version; else end its run.

    Returns:
        What became of it, in words.
    """
    client = client_of(home)
    experiment = client.get_experiment_by_name(work.name)
    runs = client.search_runs([experiment.experiment_id], f"tags.{KEY} = '{work.key}'") if experiment else []
    if not runs:
        return f"a registration of {work.name} was interrupted before anything was written."
    run = runs[0].info
    versions = client.search_model_versions(f"run_id = '{run.run_id}'")
    if run.status == "RUNNING":
        client.set_terminated(run.run_id, "FINISHED" if versions else "KILLED")
    if not versions:
        return f"a registration of {work.name} was interrupted; there is no version of it, its MLflow run is ended."
    number = str(versions[0].version)
    uri = f"models:/{work.name}/{number}"
    finish_registration(home, work.database, Registration(name=work.name, version=number, uri=uri, run_id=run.run_id))
    return (
        f"the registration of {work.name}/{number} was interrupted and is complete now; the gates have still to judge "
        f"it: run the command again, or `hematovision gate --model {uri}`."
    )

"""What the MLflow registry knows: versions with their tags and aliases, and the runs they were logged by."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hematovision.data.manifest import load_manifest
from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.lineage.artifacts import Artifacts
from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.snapshot import Snapshot
from hematovision.lineage.things import Thing
from hematovision.lineage.tracking import TrackedRun, Tracking, Version, open_tracking

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "data/manifest.csv"
ARTIFACTS = (MANIFEST, "report.html", "provenance.json", "sbom.cdx.json")
EXPECTED_TAGS = (
    "data_version", "manifest_digest", "golden_digest", "git_commit", "lock_digest", "zenml_run", "model_digest",
)  # fmt: skip


class Registry:
    """All versions of a home's MLflow store as they were when it was opened; nothing is written to it.

    Attributes:
        unread: why it could not be read, in words.
    """

    def __init__(self, home: Home) -> None:
        self.uri = home.tracking_uri
        self.unread: tuple[str, ...] = ()
        self.versions: dict[Thing, Version] = {}
        self._tracking: Tracking | None = None
        if self.uri == f"sqlite:///{home.root / 'mlflow.db'}" and not (home.root / "mlflow.db").exists():
            self.unread = ("there is no MLflow registry in this home yet",)
            return
        self._tracking = open_tracking(self.uri)
        self.versions = {version.thing: version for version in self._tracking.versions()}

    def tagged(self, tag: str, value: str) -> list[Version]:
        """Versions that carry a tag."""
        return [version for version in self.versions.values() if version.tags.get(tag) == value]

    def run(self, run_id: str) -> TrackedRun | None:
        """A run, deleted ones too; None where there is none (any more)."""
        return self._tracking.run(run_id) if self._tracking else None

    def artifacts(self, run: TrackedRun) -> Artifacts:
        """What a run kept."""
        return Artifacts(run.artifacts, tracking=self.uri)

    def parameter(self, run_id: str, name: str) -> str | None:
        """A parameter of a run; None where the run or the parameter is gone."""
        run = self.run(run_id)
        return run.parameters.get(name) if run else None

    def manifest(self, version: Version) -> "pd.DataFrame":
        """The manifest a version was trained on.

        Raises:
            HematoVisionError: the artifact is gone or is no manifest.
        """
        run = self.run(version.run_id)
        with tempfile.TemporaryDirectory() as folder:
            path = self.artifacts(run).fetch(MANIFEST, Path(folder)) if run else None
            if path is None:
                raise HematoVisionError(f"{MANIFEST} is missing from MLflow run {version.run_id}")
            try:
                return load_manifest(path)
            except (ValueError, KeyError) as error:
                raise HematoVisionError(f"{MANIFEST} of MLflow run {version.run_id} is no manifest: {error}") from error


class RegistryReader:
    """Versions and their MLflow runs, and what their tags name: run, data, manifest, golden set, code, libraries."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.unread = registry.unread
        self._links = Snapshot(link for version in registry.versions.values() for link in version_links(version))
        self._runs = {version.run_id: version for version in registry.versions.values() if version.run_id}

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """Versions and MLflow runs."""
        if thing.kind == "model" and thing in self.registry.versions:
            return _described(self.registry.versions[thing])
        if thing.kind == "training":
            return self._run(thing, near=near)
        if thing.kind in ("code", "lock") and (self._links.below(thing).links):
            return Node(thing, _software(thing))
        return None

    def _run(self, thing: Thing, *, near: bool) -> Node | None:
        version = self._runs.get(thing.identity)
        if version is None or not near:
            return Node(thing, {"registered as": f"{version.name}/{version.number}"}) if version else None
        run = self.registry.run(thing.identity)
        if run is None:
            return Node(thing, missing=("MLflow no longer has this run",))
        facts = {"name": run.name, "status": run.status, "lifecycle": run.lifecycle}
        facts |= {"data": run.parameters["data"]} if "data" in run.parameters else {}
        try:
            present = self.registry.artifacts(run).present(ARTIFACTS)
        except HematoVisionError as error:
            return Node(thing, facts, (str(error),))
        facts["artifacts"] = ", ".join(path for path in ARTIFACTS if path in present) or "none"
        missing = [f"its run has no artifact {path}" for path in ARTIFACTS if path not in present]
        if run.lifecycle == "deleted":
            missing.append("the run is deleted in MLflow")
        return Node(thing, facts, tuple(missing))

    def above(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - never many
        """From a version to what it was made of."""
        return self._links.above(thing)

    def below(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - all versions are shown, however many
        """To the versions made of something."""
        return self._links.below(thing)

    def beside(self, thing: Thing) -> tuple[Link, ...]:  # noqa: ARG002 - no records
        """Nothing."""
        return ()

    def search(self, text: str) -> list[Thing]:
        """`NAME@ALIAS`, the digest of a model, of a manifest, a golden set, libraries or a commit, an MLflow run."""
        versions = self.registry.versions.values()
        if "@" in text:
            return [one.thing for one in versions for alias in one.aliases if f"{one.name}@{alias}" == text]
        found = [version.thing for version in self.registry.tagged("model_digest", text.removeprefix("model-digest:"))]
        for kind, tag in (("golden", "golden_digest"), ("lock", "lock_digest")):
            found += [Thing(kind, text)] if self.registry.tagged(tag, text) else []
        found += [cells for one in self.registry.tagged("manifest_digest", text) if (cells := cells_of(one))]
        if len(text) >= 6:
            found += [Thing("training", run) for run in self._runs if run.startswith(text)]
            commits = {version.tags.get("git_commit", "") for version in versions}
            found += [Thing("code", commit) for commit in commits if commit.startswith(text)]
            runs = {version.tags.get("zenml_run", "") for version in versions}
            found += [Thing("run", run) for run in runs if run.startswith(text)]
        return found


def _described(version: Version) -> Node:
    tags = version.tags
    facts = {"registered": version.created, "model digest": tags.get("model_digest", "")}
    facts |= {"aliases": ", ".join(version.aliases)} if version.aliases else {}
    shown = ("synthetic", "requester", "verdict", "withdrawn_images")
    facts |= {name.replace("_", " "): tags[name] for name in shown if name in tags}
    missing = [f"the version has no tag {tag}" for tag in EXPECTED_TAGS if not tags.get(tag)]
    if not version.run_id:
        missing.append("the version names no MLflow run")
    return Node(version.thing, {name: value for name, value in facts.items() if value}, tuple(missing))


def _software(thing: Thing) -> dict[str, str]:
    if thing.kind == "lock":
        return {"sha256 of requirements/lock.txt": thing.identity}
    commit, _, dirty = thing.identity.partition("+")
    return {"commit": commit, "working tree": "had changes that no commit holds" if dirty else "clean"}


def version_links(version: Version) -> Iterator[Link]:
    """What a version's tags say it was made of."""
    named = _named(version)
    yield from _ran(version, named)
    for kind, relation in (("cells", "trained on"), ("golden", "scored on")):
        if kind in named:
            yield Link(version.thing, named[kind], relation)
            if "data" in named:
                yield Link(named[kind], named["data"], "of")
    for kind in ("code", "lock"):
        if kind in named:
            yield Link(version.thing, named[kind], "made with")


def _ran(version: Version, named: Mapping[str, Thing]) -> Iterator[Link]:
    maker = version.thing
    if "training" in named:
        yield Link(maker, named["training"], "logged by")
        maker = named["training"]
    if "run" in named:
        yield Link(maker, named["run"], "tracked" if maker.kind == "training" else "made by")
    if "run" in named and "data" in named:
        yield Link(named["run"], named["data"], "read")


def _named(version: Version) -> dict[str, Thing]:
    """The things a version's tags name, by kind."""
    tags = {
        "data": "data_version", "golden": "golden_digest", "code": "git_commit", "lock": "lock_digest",
        "run": "zenml_run",
    }  # fmt: skip
    named = {kind: Thing(kind, version.tags[tag]) for kind, tag in tags.items() if version.tags.get(tag)}
    named |= {"training": Thing("training", version.run_id)} if version.run_id else {}
    return named | ({"cells": cells} if (cells := cells_of(version)) else {})


def cells_of(version: Version) -> Thing | None:
    """The training cells of a version: its manifest without its golden set."""
    manifest, golden = version.tags.get("manifest_digest"), version.tags.get("golden_digest")
    return Thing("cells", f"{manifest}-{golden}") if manifest and golden else None

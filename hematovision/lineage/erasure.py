"""A withdrawn image leaves the house: what is removed, which models learnt from it, and what is out of reach."""

from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError
from hematovision.feedback.pictures import PictureStore
from hematovision.feedback.withdrawal import withdraw_image
from hematovision.home import PROJECT, Home
from hematovision.ledger import Ledger
from hematovision.lineage.copies import (
    blank_candidates,
    pages_with_pictures,
    remove_features,
    remove_golden_signatures,
    remove_kept,
)
from hematovision.lineage.from_cells import CellReader
from hematovision.lineage.from_mlflow import Registry, cells_of
from hematovision.lineage.tracking import Version

if TYPE_CHECKING:
    from sqlalchemy import Engine

TAG = "withdrawn_images"
_BEGUN, _DONE = "begun", "done"


class Erasure(BaseModel):
    """What became of one withdrawn image.

    Attributes:
        removed: how many were removed now, by kind; all 0 where it was done before.
        trained: versions that learnt from it, flagged by the tag `withdrawn_images`. scored: versions it was a golden
            cell of.
        copies: images with the same pixels, or found to show the same cell; they were not erased.
        unreachable: where it may still be, in words.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    removed: dict[str, int]
    trained: list[str]
    scored: list[str]
    copies: list[str]
    unreachable: list[str]


class Eraser:
    """Erases images from the stores of a home; every step may be repeated, and the ledger knows what was begun.

    `pushed_to` is the remote of kept data versions, None for the folder in the home, which is within reach.
    """

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        cells: CellReader,
        feedback: "Engine",
        pictures: PictureStore,
        *,
        pushed_to: str | None = None,
        project: Path = PROJECT,
    ) -> None:
        self.home, self.ledger, self.cells = home, ledger, cells
        self.feedback, self.pictures, self.project, self.pushed_to = feedback, pictures, project, pushed_to

    @property
    def registry(self) -> Registry:
        """Where the versions are."""
        return self.cells.registry

    def unfinished(self) -> list[str]:
        """Images whose erasure was begun and has not ended: a kill came between."""
        state: dict[str, str] = {}
        for record in self.ledger.records(kind="erasure"):
            state[record.subject.removeprefix("image:")] = str(record.content.get("request"))
        return [image for image, request in state.items() if request == _BEGUN]

    def erase(self, image: str, reason: str, actor: str) -> Erasure:
        """Erase one image, by its SHA-256; said to the ledger before the first byte goes, and when all are gone.

        Raises:
            UsageError: it is no SHA-256.
        """
        ImageStore(self.home.images).path(image)
        begun = {"image": image, "reason": reason, "request": _BEGUN}
        self.ledger.append("erasure", f"image:{image}", begun, actor=actor, unique=f"erasure:{image}:{_BEGUN}")
        trained, scored = self.cells.trained_on(image), self.cells.scored_on(image)
        removed = self._remove(image, golden=bool(scored))
        self._flag(trained)
        names = [version.thing.identity for version in trained]
        done = {"image": image, "removed": removed, "models": names, "request": _DONE}
        self.ledger.append("erasure", f"image:{image}", done, actor=actor, unique=f"erasure:{image}:{_DONE}")
        return Erasure(
            image=image,
            removed=removed,
            trained=names,
            scored=[version.thing.identity for version in scored],
            copies=self._copies(image, [*trained, *scored]),
            unreachable=self._unreachable(image, trained, scored),
        )

    def _remove(self, image: str, *, golden: bool) -> dict[str, int]:
        return {
            "files of kept data versions": remove_kept(self.home, image),
            "images": int(ImageStore(self.home.images).withdraw(image)),
            "feedback pictures": int(self.pictures.withdraw(image)),
            "feedback items refused": withdraw_image(self.feedback, image),
            "cached features": remove_features(self.home, image),
            "golden signatures": remove_golden_signatures(self.home) if golden else 0,
            "candidate pages": blank_candidates(self.home, lambda digest: self.cells.holds(digest, image)),
        }

    def _flag(self, versions: Sequence[Version]) -> None:
        """Tag each version with how many images of its training cells were withdrawn, counted anew each time."""
        import mlflow

        client = mlflow.MlflowClient(self.registry.uri, self.registry.uri)
        withdrawn = [record.subject.removeprefix("image:") for record in self.ledger.records(kind="erasure")]
        for version in versions:
            cells = cells_of(version)
            held = [one for one in dict.fromkeys(withdrawn) if cells and self.cells.learnt(cells.identity, one)]
            client.set_model_version_tag(version.name, version.number, TAG, str(len(held)))

    def _copies(self, image: str, versions: Sequence[Version]) -> list[str]:
        found: set[str] = set()
        for version in versions:
            manifest = self._manifest(version)
            if manifest is None:
                continue
            mine = manifest[manifest["sha256"] == image]
            same = manifest["pixel_sha256"].isin(mine["pixel_sha256"])
            alike = manifest["cluster"].isin(set(mine["cluster"]) - {""})
            found |= set(manifest.loc[same | alike, "sha256"])
        return sorted(found - {image, *ImageStore(self.home.images).withdrawn()})

    def _manifest(self, version: Version) -> Any:
        try:
            return self.registry.manifest(version)
        except HematoVisionError:
            return None

    def _unreachable(self, image: str, trained: Sequence[Version], scored: Sequence[Version]) -> list[str]:
        told = [*self.cells.unread]
        for version in [*trained, *scored]:
            model, run = version.thing.identity, version.run_id
            told.append(f"{model}: report and model card of MLflow run {run} may show it as a small picture")
            if version.tags.get("zenml_run"):
                told.append(f"{model}: the artifacts of ZenML run {version.tags['zenml_run']} hold the same report")
            told += self._sources(version, image)
        if trained:
            told.append("the models trained on it keep what they learnt: only training without it takes that away")
        if scored:
            told.append("the golden sets it is in cannot be scored or screened against any more: freeze new ones")
        told += [f"remote {name} of DVC: {url}" for name, url in self._remotes() if trained or scored]
        if self.pushed_to and (trained or scored):
            told.append(f"data versions pushed to {self.pushed_to}")
        told += [f"{page}: may show it, nothing says what it shows" for page in pages_with_pictures(self.home)]
        return [*dict.fromkeys(told), "backups, and copies that left this machine"]

    def _sources(self, version: Version, image: str) -> list[str]:
        """The files the image was read from, and DVC's copies of them."""
        manifest = self._manifest(version)
        if manifest is None:
            return []
        source = self.registry.parameter(version.run_id, "data") or "the source folder"
        paths = manifest.loc[manifest["sha256"] == image, "path"]
        told = [f"{path} in {source} (remove it there, then `dvc add` and `dvc gc`)" for path in paths]
        data = version.tags.get("data_version", "")
        return [*told, *([f"DVC's cache of {data}, until `dvc gc`"] if data.startswith("md5:") else [])]

    def _remotes(self) -> list[tuple[str, str]]:
        parser = ConfigParser()
        parser.read([self.project / ".dvc" / name for name in ("config", "config.local")])
        named = [section for section in parser.sections() if section.strip("'").startswith("remote ")]
        return [(one.strip("'").removeprefix("remote ").strip('"'), parser[one].get("url", "")) for one in named]

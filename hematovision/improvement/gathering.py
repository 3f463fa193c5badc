"""What a retrain is made from: the champion, the cells it knows, and the accepted ones it does not."""

import json
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file

from hematovision.config import RunConfig
from hematovision.data.golden import find_golden
from hematovision.data.groups import slide_of_site
from hematovision.data.growth import relabelled, write_grown
from hematovision.data.manifest import GOLDEN, save_manifest
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.feedback.records import Item
from hematovision.home import Home
from hematovision.learning.kept_networks import Beginning, NetworkStore
from hematovision.learning.networks import learnt_part
from hematovision.ledger import Ledger, open_ledger
from hematovision.promotion.champion import champion
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.fold_networks import fold_networks
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import WEIGHTS, ModelSpecification, package_digest, verify_package
from hematovision.registry.versions import RegisteredVersion, find_version


class Material(BaseModel):
    """Everything a retrain begins with.

    Attributes:
        retrain: names it; the same champion and the same cells give the same.
        beginning: the champion and its folds, and which cells are new to them. package: the champion's local folder.
        folder: known and new cells as one source. known: the champion's manifest, with the labels decided on
            since. relabelled: how many of its cells these are.
        sites: how many new cells by site, those with a new label among them.
        left_out: accepted cells that cannot be used, with the reason.
    """

    model_config = ConfigDict(frozen=True)

    retrain: str
    beginning: Beginning
    champion_digest: str
    package: str
    folder: str
    known: str
    golden_folder: str
    relabelled: int
    sites: dict[str, int]
    left_out: list[dict[str, str]]
    synthetic: bool

    @property
    def champion(self) -> str:
        """`NAME/VERSION`."""
        return self.beginning.version


class PutOff(BaseModel):
    """Why there is no retrain now; `accepted` counts the cells that wait."""

    model_config = ConfigDict(frozen=True)

    reason: str
    accepted: int


def gather(home: Home, config: RunConfig) -> Material | PutOff:
    """Find the champion and what it has not learnt yet.

    Raises:
        GateRefused: there is no champion, or it was registered without what a retrain goes on from.
    """
    name, database = config.registry.model_name, config.records.database
    version = champion(home, name, database=database)
    if version is None:
        raise GateRefused(f"{name} has no champion to go on from: have a version approved and promote it first.")
    base = find_version(home, f"models:/{name}/{version}")
    package = fetch_model(home, base.uri) / "artifacts" / "package"
    specification, known = verify_package(package), _known(base)
    store = feedback_of(home, config)
    usable, left_out = _usable(_unlearnt(store.items(state="accepted"), known), specification)
    if len(usable) < config.improvement.minimum_accepted:
        asked = config.improvement.minimum_accepted
        return PutOff(
            reason=f"{len(usable)} accepted cells are new to {base.label}, {asked} are asked for", accepted=len(usable)
        )
    retrain = _identity(package_digest(package), usable)
    if (made := _made_of(open_ledger(home, database), retrain)) is not None:
        return PutOff(reason=f"{made} was made of exactly these cells; it waits for a decision", accepted=len(usable))
    folder, images = home.runs / f"retrain-{retrain}", ImageStore(home.images)
    for item in usable:
        images.put(store.picture(item.image))
    known = relabelled(known, {item.image: item.label for item in usable})
    networks = NetworkStore(home.networks)
    return Material(
        retrain=retrain,
        beginning=Beginning(
            version=base.label,
            model=networks.put(learnt_part(load_file(package / WEIGHTS))),
            folds=fold_networks(base, networks),
            fresh=[item.image for item in usable],
        ),
        champion_digest=package_digest(package),
        package=str(package),
        folder=str(write_grown(known, _rows(usable), images, folder / "cells")),
        known=str(save_manifest(known, folder / "known.csv")),
        golden_folder=str(find_golden(home.golden, specification.golden_digest).folder),
        relabelled=int(known["sha256"].isin([item.image for item in usable]).sum()),
        sites=dict(Counter(item.site or "not stated" for item in usable)),
        left_out=left_out,
        synthetic=specification.synthetic,
    )


def _made_of(ledger: Ledger, retrain: str) -> str | None:
    """The version (NAME/VERSION) that a retrain made before, or None."""
    made = (record for record in ledger.records(kind="retrain") if record.content["retrain"] == retrain)
    first = next(made, None)
    return first.subject.removeprefix("model:") if first else None


def improved_config(config: RunConfig, material: Material) -> RunConfig:
    """The settings of a retrain: the champion's network and input, a second phase that goes on from it."""
    specification = verify_package(Path(material.package))
    learning, improvement, folds = config.learning, config.improvement, len(material.beginning.folds)
    backbone = learning.backbone.model_copy(
        update={
            "name": specification.backbone,
            "image_size": specification.image_size,
            "frozen_blocks": specification.frozen_blocks,
        }
    )
    head = learning.head.model_copy(update={"pool": specification.pool, "hidden": specification.hidden})
    phase = learning.training.fine_tuning.model_copy(
        update={"epochs": improvement.epochs, "learning_rate": improvement.learning_rate}
    )
    training = learning.training.model_copy(update={"fine_tuning": phase})
    changed = {"orientations": specification.orientations, "backbone": backbone, "head": head, "training": training}
    learning, split = learning.model_copy(update=changed), config.split.model_copy(update={"folds": folds})
    return config.model_copy(update={"data": material.folder, "learning": learning, "split": split})


def _known(base: RegisteredVersion) -> pd.DataFrame:
    manifest = base.manifest()
    if manifest is None:
        raise GateRefused(f"{base.uri} was registered without its manifest: a retrain cannot go on from it.")
    return manifest


def _unlearnt(items: Iterable[Item], known: pd.DataFrame) -> list[Item]:
    """Accepted items that the champion does not know, or knows under another label; never one of a golden cell."""
    golden = set(known.loc[known["split"] == GOLDEN, "sha256"])
    labels = dict(zip(known["sha256"], known["label"], strict=True))
    return [item for item in items if item.image not in golden and labels.get(item.image) != item.label]


def _usable(items: list[Item], specification: ModelSpecification) -> tuple[list[Item], list[dict[str, str]]]:
    latest = {item.image: item for item in items}
    usable = [item for item in latest.values() if item.label in specification.classes]
    strange = [item for item in latest.values() if item.label not in specification.classes]
    reason = "the champion has no class {}: a new class needs a training of its own"
    return usable, [{"path": f"feedback {item.id}", "reason": reason.format(item.label)} for item in strange]


def _rows(items: list[Item]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sha256": [item.image for item in items],
            "label": [item.label for item in items],
            "group": [slide_of_site(item.site, item.slide) if item.slide else "" for item in items],
            "site": [item.site or "" for item in items],
        }
    )


def _identity(digest: str, items: list[Item]) -> str:
    made_of = [digest, sorted((item.image, item.label) for item in items)]
    return sha256(json.dumps(made_of).encode()).hexdigest()[:12]

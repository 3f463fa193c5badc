"""What an adaptation is made from: a registered version, and unlabelled pictures of the site it is to see next."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file

from hematovision.config import RunConfig, load_config
from hematovision.data.decoding import decode, pixel_sha256
from hematovision.data.golden import GoldenSet, find_golden
from hematovision.data.manifest import save_manifest
from hematovision.data.pictures import Picture, pictures_in
from hematovision.data.store import ImageStore
from hematovision.data.versioning import DataVersion
from hematovision.errors import GateRefused, UnreadableImage, UsageError
from hematovision.home import Home
from hematovision.learning.adaptation import check_adaptable
from hematovision.learning.kept_networks import Beginning, NetworkStore
from hematovision.learning.networks import learnt_part
from hematovision.registry.explanation import load_network
from hematovision.registry.fold_networks import fold_networks
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import WEIGHTS, AdaptedTo, ModelSpecification, verify_package
from hematovision.registry.publication import CONFIG
from hematovision.registry.versions import RegisteredVersion, find_version

_LEFT_OUT = ["path", "reason"]


class Site(BaseModel):
    """Everything an adaptation begins with.

    Attributes:
        adapted: the version it starts from, and the pictures of the site.
        pictures: their content hashes, in order. left_out: those that cannot be used, with the reason.
        known: file of the base's manifest. version: of the data the base learnt from.
        beginning: the base's network and those of its folds; no cell is fresh.
    """

    model_config = ConfigDict(frozen=True)

    adapted: AdaptedTo
    pictures: list[str]
    left_out: list[dict[str, str]]
    known: str
    version: DataVersion
    golden_folder: str
    beginning: Beginning
    synthetic: bool


def gather_site(home: Home, config: RunConfig, model: str, folder: Path) -> tuple[Site, RunConfig]:
    """Find a version and read the pictures of a site; labels are not read, whatever the folder's layout.

    Args:
        model: the registered version. folder: of the pictures, or a file of them.

    Returns:
        What the adaptation begins with, and the settings: those of learning and the seed as the version was made.

    Raises:
        UsageError: no such version or picture, or a network without batch norms that know its cells.
        GateRefused: the version was registered without what is needed, or too few pictures can be used.
    """
    base = find_version(home, model)
    package = fetch_model(home, base.uri) / "artifacts" / "package"
    specification, known = verify_package(package), base.manifest()
    if known is None:
        raise GateRefused(f"{base.uri} was registered without its manifest: an adaptation cannot go on from it.")
    settings = _as_made(config, base)
    check_adaptable(load_network(package), settings.learning)
    networks, images = NetworkStore(home.networks), ImageStore(home.images)
    golden = find_golden(home.golden, specification.golden_digest)
    found = pictures_in([folder], voc_margin=config.reading.voc_margin, max_pixels=config.reading.max_pixels)
    pictures, left_out = _readable(found, images, specification, golden)
    config.adaptation.share(len(pictures))
    version = _data_version(specification, settings.data, len(known))
    digest = sha256("\n".join(pictures).encode()).hexdigest()
    place = home.runs / f"adaptation-{digest[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    site = Site(
        adapted=AdaptedTo(base=base.label, pictures=len(pictures), digest=digest, prior=config.adaptation.prior),
        pictures=pictures,
        left_out=left_out,
        known=str(save_manifest(known, place / f"known-{base.name}-{base.version}.csv")),
        version=version,
        golden_folder=str(golden.folder),
        beginning=Beginning(
            version=base.label,
            model=networks.put(learnt_part(load_file(package / WEIGHTS))),
            folds=fold_networks(base, networks),
            fresh=[],
        ),
        synthetic=specification.synthetic,
    )
    return site, settings


def _readable(
    found: Sequence[Picture], images: ImageStore, specification: ModelSpecification, golden: GoldenSet
) -> tuple[list[str], list[dict[str, str]]]:
    """Content hashes of usable pictures, in their own order, and what is left out with the reason."""
    tested = set(golden.rows["pixel_sha256"])
    kept: set[str] = set()
    left_out: list[dict[str, str]] = []
    for picture in found:
        try:
            data = picture.load()
            pixels = decode(data, max_pixels=specification.max_pixels, min_side=specification.min_side)
            if pixel_sha256(pixels) in tested:
                raise UnreadableImage("it is in the golden set, which no model is made with")
            kept.add(images.put(data))
        except UnreadableImage as error:
            left_out.append(dict(zip(_LEFT_OUT, (picture.path, str(error)), strict=True)))
    return sorted(kept), left_out


def _as_made(config: RunConfig, base: RegisteredVersion) -> RunConfig:
    text = base.document(CONFIG)
    if text is None:
        raise GateRefused(f"{base.uri} was registered without its settings: an adaptation cannot go on from it.")
    recorded = json.loads(text)
    try:
        then = load_config(None, {"learning": recorded["learning"], "data": recorded["data"], "seed": recorded["seed"]})
    except (KeyError, UsageError) as error:
        raise GateRefused(
            f"The settings of {base.uri} are not of this release ({error}): register a version anew."
        ) from error
    return config.model_copy(update={"learning": then.learning, "data": then.data, "seed": then.seed})


def _data_version(specification: ModelSpecification, path: str, cells: int) -> DataVersion:
    algorithm, _, digest = specification.data_version.partition(":")
    kind = {"md5": "dvc", "sha256": "manifest"}[algorithm]
    return DataVersion.model_validate({"kind": kind, "digest": digest, "files": cells, "size": None, "path": path})

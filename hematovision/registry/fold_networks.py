"""What the folds of a version had learnt, kept with it: a retrain goes on from networks that never saw their fold."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hematovision.errors import GateRefused
from hematovision.learning.folds import FoldOutcome
from hematovision.learning.kept_networks import NetworkStore
from hematovision.registry.versions import RegisteredVersion, client_of

_FOLDER = "learning/networks"
LIST = "learning/networks.json"


def fold_files(outcomes: Sequence[FoldOutcome], networks: NetworkStore) -> tuple[str, dict[str, Path]]:
    """The list of digests in order of fold, as a document, and the files by artifact path."""
    digests = [outcome.network for outcome in sorted(outcomes, key=lambda outcome: outcome.fold)]
    return json.dumps(digests), {f"{_FOLDER}/{digest}": networks.path(digest) for digest in digests}


def fold_networks(version: RegisteredVersion, networks: NetworkStore) -> list[str]:
    """Digests in order of fold; what is not in the store yet is fetched into it, and checked.

    Raises:
        GateRefused: the version was registered without them.
    """
    listed = version.document(LIST)
    if listed is None:
        raise GateRefused(f"{version.uri} was registered without its folds' networks: register a version anew.")
    digests: list[str] = json.loads(listed)
    for digest in digests:
        if not networks.path(digest).exists():
            _fetch(version, digest, networks)
    return digests


def _fetch(version: RegisteredVersion, digest: str, networks: NetworkStore) -> None:
    with tempfile.TemporaryDirectory() as folder:
        client = client_of(version.home)
        file = Path(client.download_artifacts(version.run_id, f"{_FOLDER}/{digest}", folder))
        networks.take(file, digest)

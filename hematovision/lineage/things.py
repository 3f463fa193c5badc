"""How the things of a lineage are called: `kind:identity`, as the command line takes them."""

import re
from dataclasses import dataclass
from typing import Self

from hematovision.errors import UsageError

KINDS = (
    "image", "data", "cells", "golden", "code", "lock", "run", "training", "model", "record",
    "prediction", "feedback",
)  # fmt: skip
LONGEST = 500
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WORDS = {
    "image": "image", "data": "data version", "cells": "training cells", "golden": "golden set", "code": "commit",
    "lock": "libraries", "run": "ZenML run", "training": "MLflow run", "model": "model",
    "record": "ledger record", "prediction": "prediction", "feedback": "feedback",
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Thing:
    """One thing of a lineage.

    Attributes:
        kind: one of `KINDS`.
        identity: `image`, `golden`, `lock`: a SHA-256 in hex. `cells`: MANIFEST-GOLDEN, the digests of a manifest and
            of the golden set taken out of it. `data`: the text of a `DataVersion`.
            `code`: a commit, `+dirty` where files differed. `run`: ZenML's id. `training`: MLflow's run id.
            `model`: NAME/VERSION. `record`: its number in the ledger. `prediction`, `feedback`:
            their ids.
    """

    kind: str
    identity: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.identity}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The thing a full name stands for; None where the text is no such name."""
        kind, colon, identity = text.partition(":")
        return cls(kind, identity) if colon and kind in KINDS and identity else None

    @property
    def words(self) -> str:
        """Its name for people; long digests are shortened."""
        identity = self.identity
        if self.kind in ("image", "cells", "golden", "lock", "training") and len(identity) > 16:
            identity = f"{identity[:12]}…"
        elif self.kind in ("data", "code") and len(identity) > 28:
            identity = f"{identity[:20]}…{'+dirty' if identity.endswith('+dirty') else ''}"
        return f"{_WORDS[self.kind]} {identity}"


def refuse_unprintable(text: str) -> str:
    """A subject as a person gave it.

    Raises:
        UsageError: it is empty, too long, or holds control characters.
    """
    if not text or len(text) > LONGEST or _UNPRINTABLE.search(text):
        raise UsageError(
            f"A subject is 1 to {LONGEST} printable characters; this is {len(text)}: {text[:60]!a}. "
            "Give a model version (NAME/VERSION, @ALIAS), a run id, a data version, an image's SHA-256 or file, or a "
            "prediction id."
        )
    return text

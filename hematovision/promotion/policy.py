"""The promotion policy: what a version has to show before it may become champion, read from configs/promotion.yaml."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hematovision.config import RunConfig, overlay, read_layer
from hematovision.errors import UsageError
from hematovision.home import CONFIGS
from hematovision.promotion.review_policy import ReviewPolicy

DEFAULT_POLICY = CONFIGS / "promotion.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limit(_Section):
    """A limit of a figure, and one of the end of its interval that lies on the bad side; None leaves it out."""

    value: float | None = Field(default=None, ge=0, le=1)
    end: float | None = Field(default=None, ge=0, le=1)


class Margin(_Section):
    """What a challenger may lose to the champion; None leaves it out.

    Attributes:
        loss: as measured.
        margin: what the interval of the difference may reach; inside it the challenger is shown to be non-inferior
            (Piaggio et al. 2012, JAMA 308, the CONSORT extension for non-inferiority trials).
    """

    loss: float | None = Field(default=None, ge=0)
    margin: float | None = Field(default=None, ge=0)


class LatencyRule(_Section):
    """How many times as slow a challenger may be, and how many rounds the two are timed in; None leaves it out."""

    ratio: float | None = Field(default=None, gt=0)
    rounds: int = Field(ge=3)


class Floors(_Section):
    """What every version has to reach on its golden set; of `ece` and `latency_ms` less is better."""

    golden_cells: int = Field(ge=1)
    cells_per_class: int = Field(ge=1)
    accuracy: Limit
    macro_f1: Limit
    recall: Limit
    recall_by_class: dict[str, Limit]
    set_coverage: Limit
    ece: Limit
    latency_ms: float | None = Field(default=None, gt=0)


class AgainstChampion(_Section):
    """What a challenger may lose to the champion on the same cells; of `set_size` and `ece` less is better."""

    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=100)
    accuracy: Margin
    macro_f1: Margin
    recall: Margin
    recall_by_class: dict[str, Margin]
    set_coverage: Margin
    set_size: Margin
    ece: Margin
    latency: LatencyRule


class LineageRule(_Section):
    """Tags that a version must carry."""

    tags: list[str]


class PromotionPolicy(_Section):
    """The whole policy: what gates hold a version against, and who has to agree."""

    floors: Floors
    against_champion: AgainstChampion
    lineage: LineageRule
    shown_cells: int = Field(ge=0)
    review: ReviewPolicy

    @property
    def judged_by(self) -> dict[str, Any]:
        """The part that gates read: all but `review`."""
        return self.model_dump(mode="json", exclude={"review"})

    @property
    def digest(self) -> str:
        """SHA-256 of the part that gates read, in hex."""
        text = json.dumps(self.judged_by, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(text.encode()).hexdigest()


def policy_of(config: RunConfig) -> PromotionPolicy:
    """The policy a run's configuration names; see `load_policy`."""
    return load_policy(Path(config.promotion.policy) if config.promotion.policy else None)


def load_policy(path: Path | None = None, changes: Mapping[str, Any] | None = None) -> PromotionPolicy:
    """The project's policy, with a file laid over it and then single changes.

    Args:
        path: a YAML file holding any part of the policy, or the bare name of a file in configs/.

    Raises:
        UsageError: naming the file and every key that is unknown or out of range.
    """
    content = read_layer(DEFAULT_POLICY)
    if path is not None:
        content = overlay(content, read_layer(path))
    try:
        return PromotionPolicy.model_validate(overlay(content, changes or {}))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(f"The promotion policy in {path or DEFAULT_POLICY} is not usable: {problems}.") from error

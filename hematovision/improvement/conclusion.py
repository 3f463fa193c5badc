"""The end of a retrain: recorded once, told, and promoted where the policy says so."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig
from hematovision.errors import GateRefused
from hematovision.home import Home
from hematovision.improvement.doubts import Doubts
from hematovision.improvement.gathering import Material
from hematovision.improvement.measuring import NewCells
from hematovision.ledger import open_ledger
from hematovision.promotion.champion import promote
from hematovision.promotion.policy import policy_of
from hematovision.registry.publication import RunSummary
from hematovision.registry.versions import find_version

SCHEDULE = "HEMATOVISION_SCHEDULE"
"""The scheduler's name for itself in the environment of what it starts."""


class Improved(BaseModel):
    """What `hematovision improve` tells of a retrain.

    Attributes:
        waits: what stands between the challenger and service, in words; '' where it serves.
        change: the page that says what changed and why.
        started_by: a `schedule`, named in `schedule`, or a `person`.
    """

    model_config = ConfigDict(frozen=True)

    retrain: str
    champion: str
    accepted: int
    new_cells: NewCells
    doubts: Doubts
    run: RunSummary
    waits: str
    change: str
    started_by: Literal["schedule", "person"]
    schedule: str | None


def conclude(
    home: Home,
    config: RunConfig,
    material: Material,
    run: RunSummary,
    new_cells: NewCells,
    doubts: Doubts,
    change: str,
) -> Improved:
    """Keep the page, write the ledger's `retrain` record (once, however often it is called), promote under `policy`."""
    page = home.runs / f"retrain-{material.retrain}" / "change.html"
    page.write_text(change, encoding="utf-8")
    label = f"{run.model.name}/{run.model.version}"
    schedule = os.environ.get(SCHEDULE)
    started_by: Literal["schedule", "person"] = "schedule" if schedule else "person"
    open_ledger(home, config.records.database).append(
        "retrain",
        f"model:{label}",
        {
            "retrain": material.retrain,
            "champion": material.champion,
            "champion_digest": material.champion_digest,
            "fresh": sorted(material.beginning.fresh),
            "sites": material.sites,
            "new_cells": new_cells.model_dump(),
            "doubted": {cell.image: cell.likely for cell in doubts.cells},
            "started_by": started_by,
            "schedule": schedule,
        },
        unique=f"retrain:{material.retrain}",
    )
    return Improved(
        retrain=material.retrain,
        champion=material.champion,
        accepted=len(material.beginning.fresh),
        new_cells=new_cells,
        doubts=doubts,
        run=run,
        waits=_promoted(home, config, run.model.uri, doubts),
        change=str(page),
        started_by=started_by,
        schedule=schedule,
    )


def _promoted(home: Home, config: RunConfig, uri: str, doubts: Doubts) -> str:
    if doubts.share > config.improvement.doubted_share:
        return f"a person: {len(doubts.cells)} of {doubts.n} corrections are doubted: hematovision review show {uri}"
    if config.improvement.promote == "review":
        return "a reviewer's decision: hematovision review show " + uri
    try:
        promote(home, find_version(home, uri), policy_of(config), database=config.records.database)
    except GateRefused as refusal:
        return str(refusal)
    return ""

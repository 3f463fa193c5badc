"""The answer in W3C PROV (PROV-DM and PROV-JSON, 2013): things are entities or activities, people are agents."""

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any
from urllib.parse import quote

from hematovision.lineage.graph import Graph, Link, Node
from hematovision.lineage.things import Thing

NAMESPACE = "urn:hematovision:"
ACTIVITIES = ("run", "training", "record")
_KINDS = {
    "image": "Image", "data": "DataVersion", "cells": "TrainingCells", "golden": "GoldenSet", "code": "SourceCode",
    "lock": "Libraries", "run": "PipelineRun", "training": "TrackedRun", "model": "ModelVersion",
    "record": "LedgerRecord", "prediction": "Prediction", "feedback": "Feedback",
}  # fmt: skip


def qualified(thing: Thing) -> str:
    """The name of a thing in a PROV document; what a name may not hold is percent-encoded."""
    return f"hv:{thing.kind}:{quote(thing.identity, safe='@.-_/')}"


def to_prov(graph: Graph) -> dict[str, Any]:
    """The graph as PROV-JSON.

    What a thing came from is `wasDerivedFrom` between entities, `wasGeneratedBy` from an entity to an activity, `used`
    from an activity to an entity and `wasInformedBy` between activities; `hv:relation` keeps our own word for it.
    """
    from prov.model import ProvDocument
    from prov.serializers.provjson import ProvJSONSerializer  # `serialize` of a document loads every other form too

    document = ProvDocument()
    document.add_namespace("hv", NAMESPACE)
    for node in graph.nodes.values():
        _add(document, node)
    for link in graph.links:
        _relate(document, link)
    told = StringIO()
    ProvJSONSerializer(document).serialize(told)
    plain: dict[str, Any] = json.loads(told.getvalue())
    return plain


def _add(document: Any, node: Node) -> None:
    facts = {f"hv:{quote(name.replace(' ', '_'), safe='_-.')}": value for name, value in node.facts.items()}
    told: dict[str, Any] = {"prov:type": _KINDS[node.thing.kind], "prov:label": node.thing.words, **facts}
    if node.missing:
        told["hv:missing"] = "; ".join(node.missing)
    if node.thing.kind not in ACTIVITIES:
        document.entity(qualified(node.thing), told)
        return
    start, end = _moments(node.facts)
    activity = document.activity(qualified(node.thing), start, end, told)
    if actor := node.facts.get("by"):
        agent = document.agent(f"hv:agent:{quote(actor, safe='@.-_')}", {"prov:label": actor})
        activity.wasAssociatedWith(agent)


def _moments(facts: Mapping[str, str]) -> tuple[str | None, str | None]:
    if "time" in facts:
        return facts["time"], facts["time"]
    return facts.get("started") or None, facts.get("ended") or None


def _relate(document: Any, link: Link) -> None:
    child, parent = (thing.kind in ACTIVITIES for thing in (link.child, link.parent))
    relate = {
        (False, False): document.wasDerivedFrom,
        (False, True): document.wasGeneratedBy,
        (True, False): document.used,
        (True, True): document.wasInformedBy,
    }[child, parent]
    names = (qualified(link.child), qualified(link.parent))
    relate(*names, other_attributes={"hv:relation": link.relation})

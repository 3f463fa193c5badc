"""Where a thing came from and what came of it: image, data, run, model, decision, prediction, feedback, both ways.

Owns the graph, its readers, its forms (text tree, W3C PROV, page) and the erasure of withdrawn images. Reads the stores
of the other rooms and MLflow, DVC and the ledger; changes none of them but for an erasure. Knows no ZenML: the facts
of runs are handed in. What a store does not know is named, never left out.
"""

from hematovision.lineage.graph import Graph, Link, Node
from hematovision.lineage.things import Thing
from hematovision.lineage.tracing import trace

__all__ = ["Graph", "Link", "Node", "Thing", "trace"]

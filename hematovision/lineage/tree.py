"""The answer as a text tree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from hematovision.lineage.graph import Graph, Link
from hematovision.lineage.things import Thing

_PLURALS = {
    "image": "images", "prediction": "predictions", "feedback": "feedback items",
}  # fmt: skip


def show_tree(console: Console, graph: Graph) -> None:
    """Print what the subject came from, what came of it, what was counted only, and what is missing."""
    tree = Tree(_label(graph, graph.subject, ""), guide_style="dim")
    turned = [Link(link.parent, link.child, "recorded by") for link in graph.beside if link not in graph.above]
    _grow(tree.add("[bold]came from[/]"), graph, [*graph.above, *turned], up=True)
    _grow(tree.add("[bold]led to[/]"), graph, graph.below, up=False)
    console.print(tree, highlight=False)
    if graph.missing:
        console.print("[bold yellow]Missing[/]")
        for thing, what in graph.missing:
            console.print(f"  {escape(thing.words)}: {escape(what)}", soft_wrap=True, highlight=False)
    console.print("Every name in brackets can be asked for: hematovision lineage NAME", style="dim", highlight=False)


def _label(graph: Graph, thing: Thing, relation: str) -> str:
    node = graph.nodes[thing]
    facts = ", ".join(f"{name} {value}" for name, value in node.facts.items())
    before = f"[dim]{escape(relation)}[/] " if relation else ""
    absent = f" [yellow]({len(node.missing)} missing)[/]" if node.missing else ""
    return f"{before}[cyan]{escape(thing.words)}[/] [dim]\\[{escape(str(thing))}][/]{absent}" + (
        f"\n  [dim]{escape(facts)}[/]" if facts else ""
    )


def _grow(branch: Tree, graph: Graph, links: Iterable[Link], *, up: bool) -> None:
    """Hang every thing below the thing it is linked with; one met before is only named again."""
    beside: Mapping[Thing, list[tuple[Thing, str]]] = defaultdict(list)
    for link in links:
        near, far = (link.child, link.parent) if up else (link.parent, link.child)
        beside[near].append((far, link.relation))
    counted = defaultdict(list)
    for left in graph.left_out:
        counted[left.thing].append(left)
    shown: set[Thing] = set()

    def hang(on: Tree, thing: Thing) -> None:
        shown.add(thing)
        for other, relation in beside[thing]:
            if other in shown:
                on.add(f"[dim]{escape(relation)} {escape(other.words)}, see above[/]")
            else:
                hang(on.add(_label(graph, other, relation)), other)
        for left in counted[thing]:
            if (left.kind in ("image", "record")) == up:
                on.add(f"[dim]… {left.count} more {_PLURALS.get(left.kind, left.kind)}; --shown shows more[/]")

    hang(branch, graph.subject)
    if not branch.children:
        branch.add("[dim]nothing that a store knows of[/]")

"""The answer as a page: the graph drawn from left to right, every thing with its facts below; self-contained HTML."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hematovision.lineage.graph import Graph, generations
from hematovision.lineage.things import Thing

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 214, 46, 300, 66, 16
_TITLE = 27


@dataclass(frozen=True)
class Box:
    """A thing on the page; `x` and `y` are its upper left corner in pixels."""

    thing: Thing
    x: int
    y: int
    anchor: str
    title: str
    subtitle: str
    side: str
    missing: bool


@dataclass(frozen=True)
class Curve:
    """A link on the page as an SVG path, with the words a pointer shows."""

    path: str
    words: str
    side: str


def columns(graph: Graph) -> list[list[Thing]]:
    """Things in columns, each right of all it came from and no further left than it must be.

    Within a column a thing stands near what it came from (the barycentre heuristic, Sugiyama et al. 1981).
    """
    layers = generations(graph.nodes, graph.links)
    place = {thing: number for number, layer in enumerate(layers) for thing in layer}
    children = defaultdict(list)
    for link in graph.links:
        children[link.parent].append(link.child)
    for layer in reversed(layers):
        for thing in layer:
            if children[thing]:
                place[thing] = min(place[child] for child in children[thing]) - 1
    return _ordered(graph, place)


def _ordered(graph: Graph, place: Mapping[Thing, int]) -> list[list[Thing]]:
    parents = defaultdict(list)
    for link in graph.links:
        parents[link.child].append(link.parent)
    found: list[list[Thing]] = []
    height: dict[Thing, float] = {}
    for number in sorted(set(place.values())):
        column = sorted(thing for thing, where in place.items() if where == number)

        def centre(thing: Thing) -> tuple[float, Thing]:
            near = [height[parent] for parent in parents[thing] if parent in height]
            return (sum(near) / len(near) if near else 0.0, thing)

        column.sort(key=centre)
        height.update({thing: float(row) for row, thing in enumerate(column)})
        found.append(column)
    return found


def _sides(graph: Graph) -> dict[Thing, str]:
    """Whether a thing lies above the subject, below, or is the subject."""
    above = {thing for link in (*graph.above, *graph.beside) for thing in (link.child, link.parent)}
    return {
        thing: "subject" if thing == graph.subject else "above" if thing in above else "below" for thing in graph.nodes
    }


def _boxes(graph: Graph) -> list[Box]:
    sides, placed = _sides(graph), columns(graph)
    tallest = max(len(column) for column in placed)
    boxes: list[Box] = []
    for number, column in enumerate(placed):
        top = MARGIN + (tallest - len(column)) * DOWN // 2
        for row, thing in enumerate(column):
            title, subtitle = _titles(graph, thing)
            spot = (MARGIN + number * ACROSS, top + row * DOWN)
            missing = bool(graph.nodes[thing].missing)
            boxes.append(Box(thing, *spot, f"n{len(boxes)}", title, subtitle, sides[thing], missing))
    return boxes


def _titles(graph: Graph, thing: Thing) -> tuple[str, str]:
    facts = graph.nodes[thing].facts
    kind = facts.get("kind", "") if thing.kind == "record" else ""
    words = f"{kind}, record {thing.identity}" if kind else thing.words
    told = ("label", "aliases", "status", "state", "by", "images", "pinned by")
    first = next((f"{facts[name]} images" if name == "images" else facts[name] for name in told if name in facts), "")
    return _cut(words), _cut(first)


def _cut(text: str) -> str:
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 1]}…"


def _curves(graph: Graph, boxes: Sequence[Box]) -> list[Curve]:
    spots = {box.thing: box for box in boxes}
    above = {*graph.above, *graph.beside}
    curves = []
    for link in graph.links:
        start, end = spots[link.parent], spots[link.child]
        x1, y1, x2, y2 = start.x + WIDTH, start.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2
        bend = max((x2 - x1) // 2, 30)
        path = f"M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
        words = f"{link.child.words} {link.relation} {link.parent.words}"
        curves.append(Curve(path, words, "above" if link in above else "below"))
    return curves


def render_page(graph: Graph) -> str:
    """The page as HTML; it asks for nothing from a network and holds no script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hematovision.lineage", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    boxes = _boxes(graph)
    return environment.get_template("page.html.j2").render(
        graph=graph,
        boxes=boxes,
        curves=_curves(graph, boxes),
        anchors={box.thing: box.anchor for box in boxes},
        width=max(box.x for box in boxes) + WIDTH + MARGIN,
        height=max(box.y for box in boxes) + HEIGHT + MARGIN,
        box=(WIDTH, HEIGHT),
        created=datetime.now(UTC),
    )


def write_page(graph: Graph, path: Path) -> Path:
    """Write the page to a file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(graph), encoding="utf-8")
    return path

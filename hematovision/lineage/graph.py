"""The graph: things, what each came from, what is missing, and what was too many to show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from hematovision.errors import HematoVisionError
from hematovision.lineage.things import Thing


@dataclass(frozen=True)
class Link:
    """`child` came from `parent`; `relation` reads between them: model "trained on" cells."""

    child: Thing
    parent: Thing
    relation: str


@dataclass(frozen=True)
class Node:
    """What a store says of a thing: facts by name, and in words what it should have and does not.

    `hearsay` facts can be told from the name alone: they do not prove that there is such a thing.
    """

    thing: Thing
    facts: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    hearsay: bool = False


@dataclass(frozen=True)
class LeftOut:
    """Things of one kind beside `thing` that were counted and not shown."""

    thing: Thing
    kind: str
    count: int


@dataclass(frozen=True)
class Links:
    """What a store gives when asked: links, and how many more things of a kind there are."""

    links: tuple[Link, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)


Room = Mapping[str, int]
"""How many more things of a kind fit into an answer, for the kinds that may be many: image, prediction, feedback."""


class Reader(Protocol):
    """One store. Whatever `above` says of a child, `below` says of its parent."""

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """What it knows of a thing; None where nothing. `near` asks for what costs more, of the subject and above."""
        ...

    def above(self, thing: Thing, *, room: Room) -> Links:
        """The links of which the thing is the child, with no more parents than there is room for."""
        ...

    def below(self, thing: Thing, *, room: Room) -> Links:
        """The links of which the thing is the parent, with no more children than there is room for."""
        ...

    def beside(self, thing: Thing) -> Sequence[Link]:
        """Links of records about a thing, the newest last; only the ledger has such."""
        ...

    def search(self, text: str) -> list[Thing]:
        """Things whose bare identity is the text, or begins with it where that is how people write them."""
        ...


@dataclass(frozen=True)
class Graph:
    """The answer about a subject.

    Attributes:
        nodes: by thing, the subject among them. above, below: links towards the origin, and away from it.
        beside: links from ledger records to what they are about, among the things above.
    """

    subject: Thing
    nodes: Mapping[Thing, Node]
    above: tuple[Link, ...]
    below: tuple[Link, ...]
    beside: tuple[Link, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """All links, each once."""
        return tuple(dict.fromkeys((*self.above, *self.beside, *self.below)))

    @property
    def missing(self) -> list[tuple[Thing, str]]:
        """What the stores should have and do not, by thing."""
        return [(thing, what) for thing, node in self.nodes.items() for what in node.missing]

    def of_kind(self, kind: str, links: Iterable[Link]) -> list[Thing]:
        """The things of a kind that links touch, the subject left out."""
        touched = dict.fromkeys(thing for link in links for thing in (link.child, link.parent))
        return sorted(thing for thing in touched if thing.kind == kind and thing != self.subject)


def generations(things: Iterable[Thing], links: Iterable[Link]) -> list[list[Thing]]:
    """Things in layers, each after all it came from.

    Raises:
        HematoVisionError: something would come from itself: the stores contradict each other.
    """
    parents: dict[Thing, set[Thing]] = {thing: set() for thing in things}
    for link in links:
        parents.setdefault(link.child, set()).add(link.parent)
    sorter = TopologicalSorter(parents)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " ← ".join(str(thing) for thing in error.args[1])
        raise HematoVisionError(f"The stores contradict each other; this would come from itself: {circle}") from error
    layers = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        layers.append(ready)
        sorter.done(*ready)
    return layers

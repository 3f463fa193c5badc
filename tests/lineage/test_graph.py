"""Properties of walking any store: nothing comes from itself, both directions agree, what is cut is counted."""

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.errors import HematoVisionError
from hematovision.lineage.graph import Link, Links, Node, Room, generations
from hematovision.lineage.page import columns, render_page
from hematovision.lineage.prov import qualified, to_prov
from hematovision.lineage.snapshot import Snapshot
from hematovision.lineage.things import KINDS, Thing, refuse_unprintable
from hematovision.lineage.tracing import trace

THINGS = [Thing(kind, str(number)) for kind in KINDS for number in range(2)]


class Made:
    """A store of made-up links."""

    def __init__(self, links: list[Link]) -> None:
        self.links = Snapshot(links)

    def describe(self, thing: Thing, *, near: bool) -> Node:
        return Node(thing, {"name": thing.identity})

    def above(self, thing: Thing, *, room: Room) -> Links:
        return self.links.above(thing)

    def below(self, thing: Thing, *, room: Room) -> Links:
        return self.links.below(thing)

    def beside(self, thing: Thing) -> tuple[Link, ...]:
        return ()

    def search(self, text: str) -> list[Thing]:
        return []


pairs = st.lists(st.tuples(st.integers(0, len(THINGS) - 1), st.integers(0, len(THINGS) - 1)), max_size=40)
forward = pairs.map(
    lambda found: [Link(THINGS[max(pair)], THINGS[min(pair)], "of") for pair in found if pair[0] != pair[1]]
)


def walked(links: list[Link], thing: Thing) -> tuple[set[Thing], set[Thing]]:
    graph = trace(str(thing), [Made(links)], model_name="m", shown=100)
    return {link.parent for link in graph.above}, {link.child for link in graph.below}


@settings(deadline=None, max_examples=40)
@given(forward)
def test_up_is_all_ancestors_and_down_all_descendants(links: list[Link]) -> None:
    whole = nx.DiGraph([(link.parent, link.child) for link in links])
    whole.add_nodes_from(THINGS)
    for thing in THINGS:
        above, below = walked(links, thing)
        assert above == nx.ancestors(whole, thing)
        assert below == nx.descendants(whole, thing)


@settings(deadline=None, max_examples=40)
@given(forward)
def test_every_thing_stands_right_of_what_it_came_from(links: list[Link]) -> None:
    graph = trace(str(THINGS[0]), [Made(links)], model_name="m", shown=100)
    column = {thing: number for number, part in enumerate(columns(graph)) for thing in part}
    assert column.keys() == set(graph.nodes)
    assert all(column[link.parent] < column[link.child] for link in graph.links)


@settings(deadline=None, max_examples=40)
@given(pairs)
def test_a_circle_is_refused_and_nothing_else_is(found: list[tuple[int, int]]) -> None:
    links = [Link(THINGS[child], THINGS[parent], "of") for child, parent in found]
    acyclic = nx.is_directed_acyclic_graph(nx.DiGraph([(link.parent, link.child) for link in links]))
    if acyclic:
        assert sum(map(len, generations(THINGS, links))) == len(THINGS)
    else:
        with pytest.raises(HematoVisionError, match="come from itself"):
            generations(THINGS, links)


@settings(deadline=None, max_examples=40)
@given(forward)
def test_prov_holds_every_thing_and_every_link(links: list[Link]) -> None:
    from prov.model import ProvDocument

    graph = trace(str(THINGS[0]), [Made(links)], model_name="m", shown=100)
    plain = to_prov(graph)
    assert {*plain.get("entity", {}), *plain.get("activity", {})} == {qualified(thing) for thing in graph.nodes}
    kinds = ("wasDerivedFrom", "wasGeneratedBy", "used", "wasInformedBy")
    assert sum(len(plain.get(kind, {})) for kind in kinds) == len(graph.links)
    import json

    assert ProvDocument.deserialize(content=json.dumps(plain), format="json").get_records()


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=40))
def test_the_page_and_prov_take_any_name(text: str) -> None:
    try:
        refuse_unprintable(f"model:{text}/1")
    except HematoVisionError:
        return
    model = Thing("model", f"{text}/1")
    graph = trace(str(model), [Made([Link(model, THINGS[0], "<of>")])], model_name="m", shown=10)
    page = render_page(graph)
    assert page.count("<script") == page.count("<of>") == 0 and "http://" not in page.replace("http://www.w3.org", "")
    assert ":" in qualified(model) and "<" not in qualified(model)

"""From a subject to its graph: what a person wrote is resolved, then the readers are asked, up and down."""

import re
from collections.abc import Iterable, Sequence

from hematovision.errors import UsageError
from hematovision.lineage.graph import Graph, LeftOut, Link, Links, Node, Reader, Room, generations
from hematovision.lineage.things import Thing, refuse_unprintable

_ALIAS = re.compile(r"(?P<name>[^@]*)@(?P<alias>[^@]+)")  # a model's name holds no @: MLflow refuses it in a URI
_PRIORITY = ("image", "prediction", "run", "training", "model", "cells", "golden", "feedback", "lock", "code")
_NAMED = 5
MANY = ("image", "prediction", "feedback")
_ONE = dict.fromkeys(MANY, 1)


def trace(subject: str, readers: Sequence[Reader], *, model_name: str, shown: int) -> Graph:
    """The whole lineage of a subject, in both directions.

    Args:
        subject: as a person writes it, see `resolve`.
        model_name: the registered model that a bare `@alias` means.
        shown: images, predictions and feedback items shown of each kind, up and down; the others are counted.

    Raises:
        UsageError: there is no such thing, or the text fits several.
        HematoVisionError: the stores contradict each other.
    """
    start = resolve(subject, readers, model_name=model_name)
    above, out_above = _walk(start, readers, up=True, shown=shown)
    below, out_below = _walk(start, readers, up=False, shown=shown)
    near = {start, *(thing for link in above for thing in (link.child, link.parent))}
    beside, out_beside = _records_beside(sorted(near - {start}), readers, shown=shown)
    links = (*above, *beside, *below)
    things = dict.fromkeys([start, *(thing for link in links for thing in (link.parent, link.child))])
    generations(things, links)
    nodes = {thing: describe(thing, readers, near=thing in near) for thing in things}
    return Graph(start, nodes, tuple(above), tuple(below), tuple(beside), (*out_above, *out_beside, *out_below))


def describe(thing: Thing, readers: Sequence[Reader], *, near: bool) -> Node:
    """What all readers together know of a thing; where none knows it, that is what is missing."""
    known = [node for reader in readers if (node := reader.describe(thing, near=near)) is not None]
    if not any(node.facts for node in known):
        known.append(Node(thing, missing=("it is named by others, but no store knows it any more",)))
    facts = {name: value for node in known for name, value in node.facts.items()}
    return Node(thing, facts, tuple(dict.fromkeys(what for node in known for what in node.missing)))


def _walk(start: Thing, readers: Sequence[Reader], *, up: bool, shown: int) -> tuple[list[Link], list[LeftOut]]:
    links: dict[Link, None] = {}
    left_out: list[LeftOut] = []
    seen, waiting, room = {start}, [start], dict.fromkeys(MANY, shown)
    while waiting:
        thing = waiting.pop(0)
        for found in _ask(thing, readers, up=up, room=room):
            links.update(dict.fromkeys(found.links))
            left_out.extend(LeftOut(thing, kind, count) for kind, count in found.more.items())
            for link in found.links:
                other = link.parent if up else link.child
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
                    if other.kind in room:
                        room[other.kind] = max(room[other.kind] - 1, 0)
    return list(links), left_out


def _records_beside(
    things: Iterable[Thing], readers: Sequence[Reader], *, shown: int
) -> tuple[list[Link], list[LeftOut]]:
    """What the ledger says of things on the way up: it lies beside the way, not on it."""
    links: list[Link] = []
    left_out: list[LeftOut] = []
    for thing in (one for one in things if one.kind != "record"):
        found = [link for reader in readers for link in reader.beside(thing)]
        links += found[-shown:]
        left_out += [LeftOut(thing, "record", len(found) - shown)] if len(found) > shown else []
    return links, left_out


def _ask(thing: Thing, readers: Sequence[Reader], *, up: bool, room: Room) -> Iterable[Links]:
    for reader in readers:
        yield reader.above(thing, room=room) if up else reader.below(thing, room=room)


def resolve(text: str, readers: Sequence[Reader], *, model_name: str) -> Thing:
    """The thing a person means.

    Args:
        text: `kind:identity`; `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `NAME/VERSION`, `NAME@ALIAS`, `@ALIAS`;
            a data version (`md5:…`, `sha256:…`); or the bare id of an image, model digest, run, prediction or feedback
            item, of runs also the beginning. It is only ever compared: no file of this name is opened.

    Raises:
        UsageError: there is no such thing, or the text fits several.
    """
    text = _short(refuse_unprintable(text), model_name)
    thing = _named(text)
    if thing is not None:
        if not _known(thing, readers):
            raise UsageError(f"No store knows {thing}.{_remedy(readers)}")
        return thing
    found = sorted({match for reader in readers for match in reader.search(text)}, key=_rank)
    best = [match for match in found if match.kind == found[0].kind]
    if not best:
        raise UsageError(f"No store knows {text!r}.{_remedy(readers)}")
    if len(best) > 1:
        named = ", ".join(map(str, best[:_NAMED])) + (" …" if len(best) > _NAMED else "")
        raise UsageError(f"{text!r} fits {len(best)} things: {named}. Write more of it.")
    return best[0]


def _rank(thing: Thing) -> tuple[int, Thing]:
    return (_PRIORITY.index(thing.kind) if thing.kind in _PRIORITY else len(_PRIORITY), thing)


def _short(text: str, model_name: str) -> str:
    """`models:/NAME/VERSION` as NAME/VERSION, and an alias with its model's name."""
    text = text.removeprefix("models:").lstrip("/") if text.startswith("models:/") else text
    alias = _ALIAS.fullmatch(text)
    return f"{alias['name'] or model_name}@{alias['alias']}" if alias else text


def _named(text: str) -> Thing | None:
    """The thing a text names by its form alone; None where the stores have to be asked."""
    if (thing := Thing.parse(text)) is not None:
        return thing
    if text.startswith(("md5:", "sha256:")):
        return Thing("data", text)
    return Thing("model", text) if "/" in text and "@" not in text else None


def _known(thing: Thing, readers: Sequence[Reader]) -> bool:
    return any(
        ((node := reader.describe(thing, near=False)) is not None and node.facts and not node.hearsay)
        or reader.above(thing, room=_ONE).links
        or reader.below(thing, room=_ONE).links
        for reader in readers
    )


def _remedy(readers: Sequence[Reader]) -> str:
    unread = [what for reader in readers for what in getattr(reader, "unread", ())]
    return "".join(f" It was not looked for in everything: {what}." for what in unread)

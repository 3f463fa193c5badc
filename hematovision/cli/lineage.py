"""`lineage`: where a thing came from and what came of it."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def show(subject: str, config: Path | None, *, html: Path | None, shown: int | None, as_json: bool) -> None:
    """The answer as a tree, a page or one document."""
    with command(as_json) as output, uncollected():
        from hematovision.cli.lineage_stores import lineage_readers
        from hematovision.config import load_config
        from hematovision.home import locate_home
        from hematovision.lineage.page import write_page
        from hematovision.lineage.tracing import trace

        settings = load_config(config)
        readers = lineage_readers(locate_home(), settings)
        started = time.monotonic()
        graph = trace(
            _asked(subject, settings.reading.max_pixels),
            readers,
            model_name=settings.registry.model_name,
            shown=settings.lineage.shown if shown is None else shown,
        )
        seconds = round(time.monotonic() - started, 3)
        page = str(write_page(graph, html)) if html else None
        output.result(_document(graph, page, seconds) if as_json else {}, lambda console, _: _show(console, graph))
        if page and not as_json:
            _tell_page(page)


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing is looked for that could be freed: while libraries load there is nothing, and the looks cost 0.1 s."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _show(console: Any, graph: Any) -> None:
    from hematovision.lineage.tree import show_tree

    show_tree(console, graph)


def _tell_page(page: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"Page      {page}", soft_wrap=True, markup=False, highlight=False)


def _asked(subject: str, max_pixels: int) -> str:
    """A picture's file as the SHA-256 of its bytes; any other text as it is.

    Raises:
        UsageError: it is a file, and no picture.
    """
    from hematovision.errors import UnreadableImage, UsageError
    from hematovision.lineage.things import refuse_unprintable

    path = Path(refuse_unprintable(subject))
    try:
        if not path.is_file():
            return subject
        from hematovision.data.decoding import decode

        data = path.read_bytes()
        decode(data, max_pixels=max_pixels)
    except OSError:
        return subject
    except UnreadableImage as problem:
        raise UsageError(f"{subject} is a file, but no picture: {problem}") from problem
    import hashlib

    return f"image:{hashlib.sha256(data).hexdigest()}"


def _document(graph: Any, page: str | None, seconds: float) -> dict[str, Any]:
    from hematovision.lineage.prov import to_prov

    return {
        "subject": str(graph.subject),
        "came_from": sorted({str(link.parent) for link in graph.above}),
        "led_to": sorted({str(link.child) for link in graph.below}),
        "missing": [{"thing": str(thing), "what": what} for thing, what in graph.missing],
        "left_out": [{"beside": str(one.thing), "kind": one.kind, "count": one.count} for one in graph.left_out],
        "prov": to_prov(graph),
        "page": page,
        "seconds": seconds,
    }

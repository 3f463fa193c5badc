"""`loop`: the whole loop, rehearsed in a home of its own."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.cli.output import Output, command
from hematovision.cli.rehearsal_tables import show_loop

if TYPE_CHECKING:
    from hematovision.config import RunConfig

SHORT = Path("loop")
"""The settings in configs/ that are laid over the defaults where none are named."""


def loop(
    site_a: Path | None,
    site_b: Path | None,
    config: Path | None,
    *,
    per_class: int | None,
    work: Path | None,
    as_json: bool,
) -> None:
    """Train, serve, drift, correct, retrain by the scheduler, promote, and say what it gained."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.errors import UsageError

        if (site_a is None) != (site_b is None):
            raise UsageError("Name both sites, --site-a and --site-b, or none: then both are drawn.")
        signal.signal(signal.SIGTERM, _interrupted)
        changes = {} if per_class is None else {"rehearsal": {"per_class": per_class}}
        sources = {"site-a": site_a, "site-b": site_b} if site_a and site_b else None
        _rehearse(output, load_config(config or SHORT, changes), sources, work)


def _interrupted(*_: Any) -> None:
    """Told to stop from outside: what was started is stopped too."""
    raise KeyboardInterrupt


def _rehearse(output: Output, settings: "RunConfig", sources: dict[str, Path] | None, work: Path | None) -> None:
    from rich.console import Console

    from hematovision.errors import GateRefused
    from hematovision.home import locate_home
    from hematovision.rehearsal.rehearse import rehearse
    from hematovision.rehearsal.story import Story
    from hematovision.rehearsal.workplace import open_workplace

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    place = open_workplace(locate_home(), work)
    console.print(f"Everything happens in {place.root}, with a registry of its own.", markup=False)
    given = sources and {site: path.expanduser().resolve() for site, path in sources.items()}
    story = Story(
        lambda line: console.print(line, markup=False, style="bright_black"),
        place.logs,
        headline=lambda line: console.print(line, markup=False, style="bold"),
    )
    found = rehearse(place, settings, given, story)
    output.result(found.model_dump(mode="json"), show_loop)
    if found.broken:
        raise GateRefused(f"The loop ran to its end and did not keep its promise: {'; '.join(found.broken)}.")

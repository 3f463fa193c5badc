"""How results look on a terminal: the parts that every table is made of."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOT_A_DEVICE = "Not a medical device: the final word is a person's."


def interval(figure: Mapping[str, float]) -> str:
    """`0.981 (0.962–0.992)`."""
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def facts(console: Console, title: str, rows: Mapping[str, str]) -> None:
    """A short table of names and words under a title."""
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def listed(console: Console, title: str, rows: list[tuple[str, str]], limit: int = 20) -> None:
    """Names and reasons under a title, so many at most; nothing where there is none."""
    if not rows:
        return
    table = Table(title=f"{title} ({len(rows)})", title_justify="left", title_style="bold", show_header=False)
    for first, second in rows[:limit]:
        table.add_row(escape(first), escape(second))
    if len(rows) > limit:
        table.add_row("…", f"and {len(rows) - limit} more (--json lists all)")
    console.print(table)

"""One look for every plot: quiet, colour-blind safe, light and dark, and byte for byte reproducible as SVG."""

import io
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's colour-blind-safe hues; each is written as a CSS variable, so that a page can follow its reader's theme.
INK, MUTED, RULE, PAPER = "#1f2a37", "#5f6b7a", "#dde3ea", "#fefefe"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
_VARIABLES: Mapping[str, str] = {
    INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper", BLUE: "blue", ORANGE: "orange", GREEN: "green"
}  # fmt: skip
_STYLE: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9.0, "text.parse_math": False,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": RULE, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.titlesize": 9.5,
    "axes.titlecolor": INK, "axes.titlelocation": "left", "grid.color": RULE, "grid.linewidth": 0.7,
    "xtick.color": RULE, "ytick.color": RULE, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "legend.frameon": False, "legend.fontsize": 8.5, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none", "svg.fonttype": "none", "svg.hashsalt": "hematovision",
}  # fmt: skip


def draw(paint: "Callable[[Figure], None]", *, width: float, height: float, description: str) -> str:
    """Paint on a figure of width x height inches and return it as a standalone SVG document.

    The text stays text (any system font, any script); the same input gives the same bytes. `description` is what a
    screen reader says in place of the picture.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    # Labels in scripts that the measuring font lacks are drawn by the reader's own fonts.
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=blank)
    return _themed(buffer.getvalue(), width=width, height=height, description=description)


def _themed(document: str, *, width: float, height: float, description: str) -> str:
    body = re.sub(r"^.*?<svg[^>]*>", "", document, count=1, flags=re.DOTALL)
    for colour, name in _VARIABLES.items():
        body = re.sub(rf"(?<=[:\s]){colour}(?=[;\"])", f"var(--{name}, {colour})", body)
    body = body.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'").replace("xlink:href", "href")
    box = f"0 0 {width * 72:g} {height * 72:g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width * 96:.0f}" height="{height * 96:.0f}" '
        f'role="img" aria-label="{escape(description)}">{body}'
    )


def inline(document: str, *, prefix: str) -> str:
    """An SVG of `draw` to be put into an HTML page: no namespace, and ids that no other figure shares."""
    bare = document.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1).strip()
    bare = re.sub(r'(?<= id=")', f"{prefix}-", bare)
    return re.sub(r'(?<=href="#)|(?<=url\(#)', f"{prefix}-", bare)


def label(text: str, *, width: int, lines: int = 3) -> str:
    """A class name for an axis: control characters removed, wrapped at `width`, cut behind `lines` lines."""
    clean = "".join(character if character.isprintable() else " " for character in text).replace("_", " ")
    if lines == 1 and len(clean) > width:
        return clean[: width - 1].rstrip() + "…"
    return "\n".join(textwrap.wrap(clean, width, max_lines=lines, placeholder="…")) or "(empty)"


def percent_axis(axes: "Axes", *, vertical: bool) -> None:
    """Show an axis of shares 0..1 in per cent."""
    axis = axes.yaxis if vertical else axes.xaxis
    axis.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")

"""The order of the commands in `--help`, by what one is about to do."""

from typing import Any

from typer.core import TyperGroup

PANELS = {
    "From cells to a model": (
        "run",
        "ingest",
        "train",
        "register",
        "search",
        "improve",
        "adapt",
        "reproduce",
        "backbones",
        "data",
    ),
    "Ask a model": ("predict", "explain", "evaluate", "robustness", "monitor"),
    "Decide": ("gate", "review", "promote", "rollback", "card", "reviewers", "webhooks"),
    "In service": ("serve", "keys", "feedback", "drift", "schedule", "loop"),
    "Prove and look": ("lineage", "audit", "ui"),
}
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


class PanelledGroup(TyperGroup):
    """Commands in panels, each of which has to name them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the panels."""
        return sorted(super().list_commands(ctx), key=list(_PANEL_OF).index)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command that knows its panel, or None."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            command.rich_help_panel = _PANEL_OF[cmd_name]
        return command

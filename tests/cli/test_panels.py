"""`--help` groups the commands by what one is about to do, and leaves none out."""

import re

from typer.testing import CliRunner

from hematovision.cli.application import app
from hematovision.cli.panels import PANELS


def test_every_command_stands_in_its_panel() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100", "NO_COLOR": "1"}).stdout
    panels = {re.split("─", part)[0].strip(): part for part in told.split("╭─ ")[2:]}
    assert list(panels) == list(PANELS)
    for panel, names in PANELS.items():
        assert tuple(re.findall(r"^│ (\w+) {2,}", panels[panel], re.MULTILINE)) == names

"""`card`: the model card of a registered version, written anew."""

from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def card(model: str, target: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Write a card with what was decided since, update the version's artifacts, and put copies into a folder."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.errors import UsageError
        from hematovision.home import locate_home
        from hematovision.registry.data_usage import registered_version
        from hematovision.registry.model_card import MARKDOWN, PAGE, renew_card

        home = locate_home()
        version = registered_version(home, model)
        if version is None:
            raise UsageError(f"{model} names no registered version: give models:/NAME/VERSION or models:/NAME@ALIAS.")
        written = renew_card(home, load_config(config).records, version)
        named = f"{version.name}-{version.version}"
        folder = (target or home.runs / f"card-{named}").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        files = {PAGE: written.page, MARKDOWN: written.markdown}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        document = {
            "model": f"models:/{version.name}/{version.version}",
            "html": str(folder / PAGE),
            "markdown": str(folder / MARKDOWN),
            "artifacts": [f"runs:/{version.run_id}/{name}" for name in files],
            "decisions": written.decisions,
        }
        output.result(document, _show)


def _show(console: Any, document: Any) -> None:
    console.print(
        f"The card of {document['model']}, with {document['decisions']} signed decisions: {document['html']}\n"
        "The registry's copy is up to date.",
        markup=False,
        soft_wrap=True,
    )

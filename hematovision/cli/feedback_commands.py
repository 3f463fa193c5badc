"""`hematovision feedback …`: the options; what they do is in feedback.py beside."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hematovision.cli.options import AsJson, Config

feedback_app = typer.Typer(
    name="feedback", help="What people say of the model's answers, and who decides about it.", no_args_is_help=True
)

StateName = Literal["pending", "accepted", "rejected", "disputed", "quarantined"]
Limit = Annotated[int, typer.Option("--limit", help="How many at most.", min=1)]
Site = Annotated[str | None, typer.Option("--site", help="Hospital or scanner the cells are from.")]
Items = Annotated[list[str], typer.Argument(metavar="ITEM…", help="Ids as `list` shows them.")]
Senior = Annotated[
    bool,
    typer.Option(
        "--senior", help="Decide alone; your key must be registered with a senior role (`hematovision reviewers`)."
    ),
]


@feedback_app.command()
def submit(
    label: Annotated[str, typer.Option("--label", help="The class the cell is.")],
    prediction: Annotated[
        str | None, typer.Option("--prediction", metavar="ID", help="The answer it corrects.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="The picture, where none is kept.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Yours to choose: sent twice, it is taken once. Without it, made of the rest."),
    ] = None,
    site: Site = None,
    slide: Annotated[str | None, typer.Option("--slide", help="Slide or patient; its cells stay together.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Say what a cell is; it becomes training data only after others agree."""
    from hematovision.cli import feedback

    feedback.submit(label, prediction, image, key, site, slide, config, as_json=json)


@feedback_app.command("list")
def list_items(
    state: Annotated[StateName | None, typer.Option("--state", help="Only these.")] = None,
    limit: Limit = 100,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Corrections in the order they came."""
    from hematovision.cli import feedback

    feedback.list_items(state, limit, config, as_json=json)


@feedback_app.command()
def show(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An id as `list` shows it.")],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """One correction with the answer it is about and everything that happened to it."""
    from hematovision.cli import feedback

    feedback.show(item, config, as_json=json)


@feedback_app.command()
def accept(items: Items, senior: Senior = False, config: Config = None, json: AsJson = False) -> None:
    """Agree with corrections that somebody else made."""
    from hematovision.cli import feedback

    feedback.adjudicate(items, "accept", config, senior=senior, as_json=json)


@feedback_app.command()
def reject(items: Items, senior: Senior = False, config: Config = None, json: AsJson = False) -> None:
    """Disagree with corrections that somebody else made."""
    from hematovision.cli import feedback

    feedback.adjudicate(items, "reject", config, senior=senior, as_json=json)


@feedback_app.command()
def queue(limit: Limit = 20, site: Site = None, config: Config = None, json: AsJson = False) -> None:
    """What you should look at next, the most urgent first."""
    from hematovision.cli import feedback

    feedback.show_queue(limit, site, config, as_json=json)


@feedback_app.command("import")
def import_table(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="CSV with the columns path and label, beside pictures.")
    ],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Take in labels from an annotation tool; you vouch for them, and others decide."""
    from hematovision.cli import feedback

    feedback.import_table(table, config, as_json=json)


@feedback_app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder.")],
    state: Annotated[StateName, typer.Option("--state", help="Which corrections.")] = "accepted",
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Decided at this time (UTC) or later.")
    ] = None,
    layout: Annotated[
        Literal["csv", "folders"], typer.Option("--layout", help="A table, or a folder a class.")
    ] = "csv",
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Write corrections as a data set that `ingest` reads, slides kept together."""
    from hematovision.cli import feedback

    feedback.export(folder, state, since, layout, config, as_json=json)


@feedback_app.command()
def stats(config: Config = None, json: AsJson = False) -> None:
    """How many answers were given and corrected, and what became of the corrections."""
    from hematovision.cli import feedback

    feedback.stats(config, as_json=json)

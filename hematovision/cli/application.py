"""The commands and their options; what they do is in the modules beside, imported when a command runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hematovision.cli.adaptation_command import add_adaptation
from hematovision.cli.audit_commands import audit_app, reviewers_app
from hematovision.cli.data_application import data_app
from hematovision.cli.drift_application import add_monitoring
from hematovision.cli.feedback_commands import feedback_app
from hematovision.cli.options import AsJson, Config
from hematovision.cli.panels import PanelledGroup
from hematovision.cli.promotion_commands import add_promotion
from hematovision.cli.rehearsal_command import add_loop
from hematovision.cli.schedule_application import schedule_app
from hematovision.cli.service_commands import add_service_commands

app = typer.Typer(
    name="hematovision",
    cls=PanelledGroup,
    help="From labelled pictures of blood cells to a model a laboratory may trust. "
    "Not a medical device: the final word is a person's.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 a failure of ours, 2 wrong usage, 3 a gate refused the data or the model.",
)
for _sub_app in (data_app, feedback_app, reviewers_app, audit_app, schedule_app):
    app.add_typer(_sub_app)
add_service_commands(app)
add_monitoring(app)

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="A folder of classes (flat, or with train/test folders), a MedMNIST .npz, Pascal VOC photographs, or a "
        "CSV manifest; recognised by itself. Without it, the embedded synthetic set.",
    ),
]
OnLeakage = Annotated[
    Literal["refuse", "regroup"] | None,
    typer.Option(help="When cells stand in both train and test folders of the data: stop, or split anew by group."),
]
Seed = Annotated[int | None, typer.Option(help="Of every random generator.", min=0)]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="URI", help="models:/NAME/VERSION, models:/NAME@ALIAS, or the folder of a logged model."
    ),
]
Version = Annotated[
    str, typer.Option("--model", metavar="URI", help="models:/NAME/VERSION or models:/NAME@ALIAS, such as @challenger.")
]
Folds = Annotated[int | None, typer.Option(help="Number of folds.", min=2)]


@app.callback()
def _root() -> None:
    pass


@app.command()
def run(
    data: Data = None,
    on_leakage: OnLeakage = None,
    folds: Folds = None,
    seed: Seed = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """From cells to a registered challenger: ingest, validate, cross-validate, train, evaluate, report, register."""
    from hematovision.cli import learning

    learning.run(data, config, on_leakage=on_leakage, folds=folds, seed=seed, as_json=json)


@app.command()
def ingest(
    data: Data = None,
    on_leakage: OnLeakage = None,
    folds: Folds = None,
    seed: Seed = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Read, check, group and split a data set; say what was left out, what leaks, what failed."""
    from hematovision.cli import learning

    learning.ingest(data, config, on_leakage=on_leakage, folds=folds, seed=seed, as_json=json)


@app.command()
def train(
    data: Data = None,
    on_leakage: OnLeakage = None,
    folds: Folds = None,
    seed: Seed = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Everything up to an evaluated candidate with its report; nothing is registered."""
    from hematovision.cli import learning

    learning.train(data, config, on_leakage=on_leakage, folds=folds, seed=seed, as_json=json)


@app.command()
def register(
    data: Data = None,
    on_leakage: OnLeakage = None,
    folds: Folds = None,
    seed: Seed = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Register the candidate that `train` made of the same data and settings; steps already done are not repeated."""
    from hematovision.cli import learning

    learning.run(data, config, on_leakage=on_leakage, folds=folds, seed=seed, as_json=json)


@app.command()
def improve(config: Config = None, json: AsJson = False) -> None:
    """Make a challenger from the champion and the corrections accepted since; says why where there is nothing to do."""
    from hematovision.cli import improvement

    improvement.improve(config, as_json=json)


@app.command()
def search(
    data: Data = None,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            metavar="FILE",
            help="What may move: YAML, or a name in configs/ (search/head).",
            show_default="search/head",
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials the study is to have in all.", min=1)] = None,
    method: Annotated[
        Literal["grid", "bayesian"] | None, typer.Option(help="All points of a grid, or learn from trials.")
    ] = None,
    study: Annotated[str | None, typer.Option(metavar="NAME", help="Goes on with a study of this name.")] = None,
    seed: Seed = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Find settings that do best on inner folds; the golden set stays unseen. Goes on where it was stopped."""
    from hematovision.cli import search as searching

    searching.search(data, config, space, trials=trials, method=method, study=study, seed=seed, as_json=json)


@app.command()
def evaluate(
    model: Model,
    data: Annotated[str, typer.Option("--data", metavar="PATH", help="Labelled cells, in any layout `run` takes.")],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Score a model on labelled cells; labels are matched by name, what has no counterpart is counted."""
    from hematovision.cli import service

    service.evaluate(model, data, config, as_json=json)


@app.command()
def gate(model: Version, config: Config = None, json: AsJson = False) -> None:
    """Judge a registered version anew, by the promotion policy and against the champion; exit code 3 if it fails."""
    from hematovision.cli import gating

    gating.gate(model, config, as_json=json)


@app.command()
def predict(
    model: Model,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Images, or folders of them.")],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Classify images; one that cannot be read is listed with the reason, the rest goes on."""
    from hematovision.cli import service

    service.predict(model, paths, config, as_json=json)


@app.command()
def explain(
    model: Model,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Images, or folders of them.")],
    label: Annotated[
        str | None, typer.Option("--class", metavar="LABEL", help="Of this class; without it, of the predicted one.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Where the pictures go.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Show where a model looked: each image with a Grad-CAM heat map laid over it, as PNG."""
    from hematovision.cli import examination

    examination.explain(model, paths, label, output, config, as_json=json)


@app.command()
def robustness(
    model: Model,
    data: Annotated[str, typer.Option("--data", metavar="PATH", help="Held-out labelled cells, in any layout.")],
    severities: Annotated[
        str | None, typer.Option("--severities", metavar="1,3,5", help="Which of 1 to 5, separated by commas.")
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Score a model on pictures spoilt on purpose: blur, stain, light, compression, each in several severities."""
    from hematovision.cli import examination

    examination.robustness(model, data, severities, config, as_json=json)


@app.command()
def card(
    model: Model,
    output: Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Where copies go.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Write the model card of a version anew, with what was decided since it was registered."""
    from hematovision.cli import card as writing

    writing.card(model, output, config, as_json=json)


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number, NAME/VERSION, or models:/NAME@ALIAS.")],
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the model made again in this new folder.")
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Train a registered version again from its recorded settings and data; say how far the result is from it."""
    from hematovision.cli import reproduction

    reproduction.reproduce(version, keep, config, as_json=json)


@app.command()
def backbones(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME…]",
            help="Networks to look at: any of torchvision's usual families (resnet34) or of timm "
            "(timm:convnextv2_atto). Without a name, the configured one and the usual ones.",
        ),
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Show the networks a model can start from: what they cost, where they are cut, whether their weights are here."""
    from hematovision.cli import backbones as table

    table.show(names or [], config, as_json=json)


@app.command()
def ui(
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow registry.")] = 5000,
    zenml_port: Annotated[int, typer.Option(help="Port of the ZenML dashboard.")] = 8237,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Open MLflow (models, runs, reports) and the ZenML dashboard (pipelines, lineage) on this machine only."""
    from hematovision.cli import dashboards

    dashboards.serve(mlflow_port, zenml_port, config, as_json=json)


@app.command()
def lineage(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            help="A model version (NAME/VERSION, models:/…, @ALIAS), a run's id or its beginning, a data version, an "
            "image (SHA-256 or file), a prediction's id, or any name an answer shows in brackets.",
        ),
    ],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the graph as a page.")] = None,
    shown: Annotated[int | None, typer.Option("--shown", help="Images and predictions shown.", min=1)] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Say where something came from and what came of it: image, data, run, model, decision, prediction, feedback."""
    from hematovision.cli import lineage as answer

    answer.show(subject, config, html=html, shown=shown, as_json=json)


add_adaptation(app)
add_promotion(app)
add_loop(app)


def main() -> None:
    """Entry point of `hematovision`."""
    app()

"""One check from end to end, on a small real model: window, verdict, report, history, ledger, who is told."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hematovision.config import RunConfig, load_config
from hematovision.errors import GateRefused, HematoVisionError
from hematovision.feedback.records import Prediction
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.monitoring.history import open_history
from hematovision.monitoring.reference import Reference, build_reference
from hematovision.registry.baselines import drop_baseline, find_baseline
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.monitor import monitor, take_baseline
from hematovision.registry.predictor import Predictor
from hematovision.registry.reference import IMAGE_STATISTICS, doubt_table
from hematovision.registry.served_window import WindowRequest
from hematovision.registry.versions import client_of
from tests.serving.small_models import SmallRegistry, build_small_model

MODEL = "models:/hematovision/1"
PREDICTIONS = WindowRequest(kind="predictions", site="north")


def picture(seed: int, *, blue: int = 0) -> bytes:
    """A noisy picture of a colour of its own; `blue` is another stain."""
    rng = np.random.default_rng(seed)
    colour = rng.normal([120, 110, 100 + blue], 12)
    buffer = io.BytesIO()
    noisy = np.clip(colour + rng.normal(0, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).resize((64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_model(tmp_path_factory.mktemp("small") / "package")


@pytest.fixture
def home(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A registry with one version, whose reference are 200 ordinary pictures."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = Home(tmp_path / "home")
    SmallRegistry(home).add(package, alias="champion")
    predictor = Predictor.load(package)
    answers = predictor.answer([lambda seed=seed: picture(seed) for seed in range(200)])  # type: ignore[misc]
    build_reference(
        answers.embedding,
        answers.statistics[IMAGE_STATISTICS],
        answers.probabilities,
        predictor.specification.classes,
        settings=settings().monitoring,
        seed=0,
        doubts=doubt_table(answers.sets, answers.strangeness),
    ).save(home.root / "models" / "hematovision" / "1" / "artifacts" / "reference")
    return home


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidently's report has tests of its own, and takes seconds."""

    def write(*_: Any, html: Path, record: Path) -> None:
        html.write_text("")
        record.write_text("{}")

    import hematovision.monitoring.evidently_report as evidently

    monkeypatch.setattr(evidently, "write_evidently", write)


def settings(**monitoring: Any) -> RunConfig:
    return load_config(None, {"monitoring": {"resamples": 200, **monitoring}})


def serve(home: Home, seeds: range, *, blue: int = 0, site: str = "north") -> None:
    """What the service would have put on record."""
    import hashlib

    predictor = Predictor.load(home.root / "models" / "hematovision" / "1" / "artifacts" / "package")
    classes = predictor.specification.classes
    pictures = [picture(seed, blue=blue) for seed in seeds]
    answers = predictor.answer([lambda data=data: data for data in pictures])  # type: ignore[misc]
    kept = [
        Prediction(
            model="hematovision/1",
            model_digest="d" * 64,
            data_version="v1",
            image=hashlib.sha256(data).hexdigest(),
            label=classes[int(chances.argmax())],
            probabilities=dict(zip(classes, map(float, chances), strict=True)),
            set=[name for name, held in zip(classes, sets, strict=True) if held],
            strangeness=float(strange),
            unlike_training=bool(strange > 1),
            refer=False,
            site=site,
        )
        for data, chances, sets, strange in zip(
            pictures, answers.probabilities, answers.sets, answers.strangeness, strict=True
        )
    ]
    feedback_of(home, settings()).keep_predictions(list(zip(kept, pictures, strict=True)))


def test_an_alarm_is_raised_by_a_new_stain_and_cleared_when_it_is_gone(home: Home, tmp_path: Path) -> None:
    told = tmp_path / "told.jsonl"
    program = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
    config = settings(on_alarm=[sys.executable, "-c", program, str(told)])
    serve(home, range(1000, 1040))
    serve(home, range(2000, 2040), site="south", blue=60)
    calm = monitor(home, config, MODEL, None, PREDICTIONS)
    assert not calm.verdict.drift and (calm.state, calm.changed, calm.verdict.n) == ("cleared", False, 40)
    serve(home, range(3000, 3040), blue=60)
    last = PREDICTIONS.model_copy(update={"last": 40})
    raised = monitor(home, config, MODEL, None, last)
    assert raised.verdict.drift and (raised.state, raised.changed) == ("raised", True)
    assert not monitor(home, config, "models:/hematovision@champion", None, last).changed
    state = open_history(home, None).state("hematovision/1", "north")
    assert state is not None and state.state == "raised" and state.n == 40
    assert client_of(home).get_model_version("hematovision", "1").tags["drift"] == "alarm: north"
    serve(home, range(4000, 4040))
    cleared = monitor(home, config, MODEL, None, last)
    assert (cleared.verdict.drift, cleared.state, cleared.changed, cleared.untold) == (False, "cleared", True, [])
    alarms = list(open_ledger(home, None).records(kind="alarm"))
    assert [(alarm.subject, alarm.content["state"], alarm.content["site"]) for alarm in alarms] == [
        ("model:hematovision/1", "raised", "north"),
        ("model:hematovision/1", "cleared", "north"),
    ]
    assert alarms[0].content["signals"] and (home.root / alarms[0].content["report"]).is_file()
    heard = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(one["state"], one["site"]) for one in heard] == [("raised", "north"), ("cleared", "north")]
    assert client_of(home).get_model_version("hematovision", "1").tags["drift"] == "no alarm"
    assert len(open_history(home, None).checks()) == 4


def test_every_kind_of_signal_is_judged(home: Home) -> None:
    serve(home, range(1000, 1030))
    verdict = monitor(home, settings(), MODEL, None, PREDICTIONS).verdict
    names = {signal.name for signal in verdict.signals}
    kinds = {"brightness", "embedding_1", "predicted_class", "confidence", "set_size", "strangeness", "embedding"}
    assert kinds <= names
    assert not [note for note in verdict.notes if "not compared" in note]


def test_what_was_answered_is_judged_not_what_would_be_answered_now(home: Home) -> None:
    serve(home, range(1000, 1040))
    store = feedback_of(home, settings())
    rows = store.predictions(model="hematovision/1").to_dict("records")
    doubtful = [
        Prediction.model_validate(
            {name: row[name] for name in Prediction.model_fields if name not in ("id", "site")}
            | {"site": "east", "set": list(row["probabilities"]), "strangeness": 3.0}
        )
        for row in rows
    ]
    store.keep_predictions([(one, store.picture(one.image)) for one in doubtful])
    found = monitor(home, settings(), MODEL, None, PREDICTIONS.model_copy(update={"site": "east"}))
    assert {signal.name for signal in found.verdict.signals if signal.alarm} == {"set_size", "strangeness"}
    assert found.rates["unlike_training"] == 1 and found.rates["set_size"] == 3


def test_what_is_not_recorded_changes_nothing(home: Home) -> None:
    serve(home, range(1000, 1030), blue=60)
    look = PREDICTIONS.model_copy(update={"record": False})
    seen = monitor(home, settings(), MODEL, None, look)
    assert seen.verdict.drift and (seen.state, seen.changed, seen.check) == (None, False, None)
    assert not list(open_ledger(home, None).records(kind="alarm"))
    monitor(home, settings(), MODEL, None, PREDICTIONS)
    assert monitor(home, settings(), MODEL, None, look).state == "raised"


def test_a_folder_is_judged_and_kept_too(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    for seed in range(30):
        (folder / f"{seed}.png").write_bytes(picture(5000 + seed, blue=60))
    found = monitor(home, settings(), MODEL, str(folder), WindowRequest(site="west"))
    assert found.verdict.drift and found.changed and found.window.kind == "folder"
    assert open_history(home, None).state("hematovision/1", "west") is not None
    moved = monitor(home, settings(on_alarm=["/nowhere/notify"]), MODEL, str(folder), WindowRequest())
    assert moved.changed and any("/nowhere/notify" in words for words in moved.untold), "told, and the verdict stands"


def test_a_model_from_before_set_sizes_were_kept_is_judged_without_them(home: Home) -> None:
    folder = home.root / "models" / "hematovision" / "1" / "artifacts" / "reference"
    known = Reference.load(folder)
    table: pd.DataFrame = known.observations.drop(columns=["set_size", "strangeness"])
    table.assign(group=list(known.groups)).to_parquet(folder / "reference.parquet", index=False)
    description = json.loads((folder / "reference.json").read_text()) | {"schema": 1}
    (folder / "reference.json").write_text(json.dumps(description))
    serve(home, range(1000, 1030))
    verdict = monitor(home, settings(), MODEL, None, PREDICTIONS).verdict
    assert "set_size" not in {signal.name for signal in verdict.signals}
    assert any("set size and strangeness" in note for note in verdict.notes)


def test_without_predictions_there_is_no_verdict(home: Home) -> None:
    with pytest.raises(GateRefused, match="there is none"):
        monitor(home, settings(), MODEL, None, PREDICTIONS)
    assert open_history(home, None).checks() == []


def test_a_site_is_held_against_its_own_baseline_once_somebody_took_it(home: Home) -> None:
    config = settings(minimum_baseline=60)
    serve(home, range(1000, 1050), blue=60)
    assert monitor(home, config, MODEL, None, PREDICTIONS).changed
    with pytest.raises(GateRefused, match="50 cells are too few"):
        take_baseline(home, config, MODEL, "north", since=None, last=None, accept_drift=True)
    serve(home, range(1050, 1150), blue=60)
    with pytest.raises(GateRefused, match="--accept-drift"):
        take_baseline(home, config, MODEL, "north", since=None, last=None, accept_drift=False)
    made = take_baseline(home, config, MODEL, "north", since=None, last=None, accept_drift=True)
    assert made.n == 150 and "embedding" in made.alarms and made.accuracy is None
    with pytest.raises(GateRefused, match="there is none"):
        monitor(home, config, MODEL, None, PREDICTIONS)  # its own cells are no window
    serve(home, range(2000, 2040), blue=60)
    calm = monitor(home, config, MODEL, None, PREDICTIONS)
    assert (calm.verdict.drift, calm.baseline, calm.changed, calm.verdict.n) == (False, made.id, True, 40)
    assert calm.verdict.n_reference == 150
    serve(home, range(3000, 3040))
    last = PREDICTIONS.model_copy(update={"last": 40})
    assert monitor(home, config, MODEL, None, last).verdict.drift, "what the model learnt from is unusual here"
    serve(home, range(4000, 4030), site="south", blue=60)
    assert monitor(home, config, MODEL, None, WindowRequest(kind="predictions", site="south")).verdict.drift
    told = [one.content for one in open_ledger(home, None).records(kind="alarm") if one.content["what"] != "drift"]
    assert [(one["what"], one["site"], one["n"]) for one in told] == [("drift baseline", "north", 150)]
    assert drop_baseline(home, "hematovision/1", "north") and not drop_baseline(home, "hematovision/1", "north")
    back = monitor(home, config, MODEL, None, last)
    assert (back.verdict.drift, back.baseline) == (False, None)


def test_a_baseline_of_other_files_is_not_used(home: Home) -> None:
    config = settings(minimum_baseline=60)
    serve(home, range(1000, 1070))
    take_baseline(home, config, MODEL, "north", since=None, last=None, accept_drift=False)
    with pytest.raises(HematoVisionError, match="make the baseline again"):
        find_baseline(home, "hematovision/1", "0" * 64, "north")
    assert find_baseline(home, "hematovision/1", "0" * 64, "south") is None

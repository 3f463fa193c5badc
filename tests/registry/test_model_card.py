"""The card says what the run found, what people decided since, and nothing else; a real MLflow and a real ledger."""

import hashlib
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from hematovision.config import RecordsSettings
from hematovision.data.versions.records import Ingestion, KeptVersion
from hematovision.data.versions.statement import Quote, Statement
from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.evaluation.mistakes import Mistake
from hematovision.evaluation.pictures import picture
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.evaluation.report import DrawnReport, draw_report, percent
from hematovision.evaluation.report_content import Data, Provenance, ReportContent, ShownMistake
from hematovision.evaluation.trust import Trusted, assess_trust
from hematovision.home import Home
from hematovision.ledger import add_reviewer, create_key, key_request, load_key, open_ledger, sign, statement
from hematovision.monitoring.strangeness import FamiliarLimit
from hematovision.registry.card_decisions import CardDecision, Standing
from hematovision.registry.card_facts import Baseline, CardFacts, Weights
from hematovision.registry.mlflow_registry import Registration, tracking
from hematovision.registry.model_card import (
    FACTS,
    FACTS_DIGEST,
    MARKDOWN,
    PAGE,
    facts_document,
    plain,
    render_card,
    renew_card,
    renew_cards,
)
from hematovision.registry.package import ModelSpecification

HOSTILE = '<script>alert(1)</script>|](javascript:x) `"\n# big'
CLASSES = ["basophil", "monocyte", HOSTILE]
REGISTERED = Registration(name="small", version="7", uri="models:/small/7", run_id="a" * 32)
SHARED: dict[str, Any] = {"confidence": 0.95, "resamples": 100, "seed": 1, "ece_bins": 10}


def scored() -> Evaluation:
    rng = np.random.default_rng(4)
    truth = np.arange(90) % 3
    odds = rng.random((90, 3)) + 1.5 * np.eye(3)[truth]
    chances = odds / odds.sum(axis=1, keepdims=True)
    sets = chances > 0.2
    given = Trusted(probabilities=chances, sets=sets, uncompleted=sets, always=[], asked=0.95)
    trust = assess_trust(CLASSES, truth, given, groups=None, shares=[1.0, 0.9], **SHARED)
    return evaluate(CLASSES, truth, chances, groups=None, **SHARED).model_copy(update={"trust": trust})


def content(evaluation: Evaluation) -> ReportContent:
    shown = picture(np.full((20, 20, 3), 200, dtype=np.uint8), HOSTILE, side=20, quality=80)
    wrong = Mistake(path=HOSTILE, sha256="0" * 64, truth="basophil", predicted="monocyte", probability=0.97,
                    probability_of_truth=0.01)  # fmt: skip
    return ReportContent(
        model="small",
        evaluated_on="golden set",
        data=Data(
            name="cells",
            version="sha256:" + "d" * 64,
            source="/data/cells",
            n=450,
            synthetic=False,
            counts={label: {"development": 120, "golden": 30} for label in CLASSES},
            contact_sheet={label: [shown] for label in CLASSES},
        ),
        evaluation=evaluation,
        mistakes=[ShownMistake(mistake=wrong, picture=shown)],
        provenance=Provenance(git_commit="c0ffee", dirty=True, zenml_run="run-1"),
    )


@pytest.fixture(scope="module")
def drawn() -> DrawnReport:
    return draw_report(content(scored()))


@pytest.fixture
def facts(drawn: DrawnReport) -> CardFacts:
    told = Statement(licence="CC BY 4.0", quotes=[Quote(file="LICENSE", text="CC BY 4.0\n" + HOSTILE)])
    return CardFacts(
        made="2026-01-02T03:04:05+00:00",
        model_digest="e" * 64,
        drawn=drawn,
        specification=ModelSpecification(
            classes=CLASSES, image_size=96, orientations=4, mean=(0.5,) * 3, deviation=(0.2,) * 3, temperature=1.3,
            sets=SetRule(confidence=0.95, limits=[0.8, 0.3, None], cells=[40, 40, 3]),
            familiar=FamiliarLimit(distance=2.5, false_flag_rate=0.01, cells=300),
            max_pixels=10_000, min_side=8, backbone="mobilenet_v2", frozen_blocks=4, weights="IMAGENET1K_V1",
            data_version="sha256:" + "d" * 64, manifest_digest="1" * 64, golden_digest="2" * 64, seed=17,
            synthetic=False, software={"torch": "2"},
        ),
        data=KeptVersion(
            version="sha256:" + "d" * 64, content="f" * 32 + ".dir", files=452, size=1, name="cells", pinned=False,
            cells=450, classes=dict.fromkeys(CLASSES, 150), synthetic=False, statement=told,
            ingestions=[Ingestion(path="/data/cells", time="2026-01-01T00:00:00+00:00")],
        ),
        weights=Weights(name="IMAGENET1K_V1", library="torchvision", licence=None, address=None, parameters=2_223_872),
        baseline=Baseline(cells=360, groups=360, observed=["brightness", "confidence"]),
        changed={"learning.training.dropout": "0.5"},
        epochs=9,
        machine={"architecture": "x86_64", "system": "Linux", "cores": "2"},
    )  # fmt: skip


def test_figures_are_those_of_the_evaluation(facts: CardFacts) -> None:
    card = render_card(facts, REGISTERED, Standing(), experiment="3")
    golden = facts.drawn.content.evaluation
    assert golden.trust is not None
    for text in (card.markdown, card.page):
        assert percent(golden.accuracy.value) in text and percent(golden.accuracy.low).removesuffix("\xa0%") in text
        assert f"{golden.macro_f1.value:.3f}" in text
        assert percent(golden.trust.sets.coverage.value) in text
        assert "CC BY 4.0" in text and "not stated by their publisher" in text
        assert "learning.training.dropout" in text.replace("\\", "")
        assert "none yet" in text and "Not a medical device" in text
        assert "360" in text and "brightness" in text
    assert f"n = {golden.n}" in card.short and "none yet" in card.short
    assert "[Model card](#/experiments/3/runs/" + "a" * 32 + "/artifacts/model_card.html)" in card.short


def test_limits_follow_from_the_evidence(facts: CardFacts) -> None:
    said = " ".join(facts.limits)
    assert "No slide or patient is known" in said
    assert "were not tested" in said
    assert "Too few cells to exclude" in said
    assert "fewer than" not in said, "thirty golden cells a class"
    assert "drawn cells" not in said
    drawn = facts.model_copy(update={"specification": facts.specification.model_copy(update={"synthetic": True})})
    assert "drawn cells" in drawn.limits[0]
    assert "says nothing about real cells" in render_card(drawn, REGISTERED, Standing(), experiment="3").short


def test_names_of_strangers_stay_words(facts: CardFacts) -> None:
    spoken = CardDecision(number=1, time="2026", action="approve", name=HOSTILE, role=HOSTILE, meaning=HOSTILE,
                          reason=HOSTILE, fingerprint="f")  # fmt: skip
    card = render_card(facts, REGISTERED, Standing(decisions=[spoken], gates={HOSTILE: "passed"}), experiment="3")
    assert "<script" not in card.page and 'src="http' not in card.page
    for text in (card.markdown, card.short):
        assert "<script" not in text and "](javascript" not in text and "\n# big" not in text
    assert plain("a|b\n*c*") == "a\\|b \\*c\\*"


def test_a_page_loads_nothing(facts: CardFacts) -> None:
    shown = facts.drawn.content.mistakes[0]
    outside = shown.model_copy(update={"picture": shown.picture.model_copy(update={"src": "http://elsewhere/x.jpg"})})
    changed = facts.drawn.content.model_copy(update={"mistakes": [outside]})
    drawn = facts.drawn.model_copy(update={"content": changed})
    with pytest.raises(HematoVisionError, match="data URIs only"):
        render_card(facts.model_copy(update={"drawn": drawn}), REGISTERED, Standing(), experiment="3")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def version(home: Home, facts: CardFacts) -> Any:
    with tracking(home, "small") as flow, flow.start_run() as run:
        client = flow.MlflowClient()
        if not client.search_registered_models(filter_string="name = 'small'"):
            client.create_registered_model("small")
        document, digest = facts_document(facts)
        client.log_text(run.info.run_id, document, FACTS)
        source = f"{run.info.artifact_uri}/model"
        made = client.create_model_version("small", source, run.info.run_id, tags={FACTS_DIGEST: digest})
    renew_cards(home, None, [f"small/{made.version}"])
    return client.get_model_version("small", made.version)


def test_a_card_is_an_artifact_and_the_description_leads_to_it(home: Home, version: Any) -> None:
    names = {item.path for item in mlflow.MlflowClient(home.tracking_uri).list_artifacts(version.run_id)}
    assert {PAGE, MARKDOWN, FACTS} <= names
    assert f"/runs/{version.run_id}/artifacts/{PAGE})" in version.description


def test_a_signed_decision_reaches_the_card(home: Home, version: Any, tmp_path: Path) -> None:
    ledger, subject = open_ledger(home, None), f"model:small/{version.version}"
    create_key(tmp_path / "key.pem", None)
    key = load_key(tmp_path / "key.pem", None)
    add_reviewer(ledger, key_request(key, "Dr. Ada"), ("pathologist",), actor="user:someone")
    said = {"action": "approve", "name": "Dr. Ada", "role": "pathologist", "meaning": "for review", "reason": "sound"}
    ledger.append("decision", subject, said, actor="Dr. Ada", signature=sign(key, statement("decision", subject, said)))
    card = renew_card(home, RecordsSettings(database=None), version)
    assert card.decisions == 1
    stored = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{PAGE}")
    assert stored == card.page and "Dr. Ada" in stored and "none yet" not in stored
    renewed = mlflow.MlflowClient(home.tracking_uri).get_model_version("small", version.version)
    assert "| Dr. Ada (pathologist) |" in renewed.description


def test_altered_facts_make_no_card(home: Home, version: Any) -> None:
    client = mlflow.MlflowClient(home.tracking_uri)
    stored = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{FACTS}")
    client.log_text(version.run_id, stored.replace("CC BY 4.0", "CC0"), FACTS)
    with pytest.raises(HematoVisionError, match="was altered since it was registered"):
        renew_card(home, RecordsSettings(database=None), version)
    assert hashlib.sha256(stored.encode()).hexdigest() == version.tags["model_card_digest"]


def test_a_version_without_a_card_is_told_so(home: Home, version: Any) -> None:
    mlflow.MlflowClient(home.tracking_uri).delete_model_version_tag("small", version.version, "model_card_digest")
    bare = mlflow.MlflowClient(home.tracking_uri).get_model_version("small", version.version)
    with pytest.raises(UsageError, match="registered before models had cards"):
        renew_card(home, RecordsSettings(database=None), bare)

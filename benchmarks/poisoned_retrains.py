"""Whether poisoned feedback can make the champion worse: the real retrain and the real gates, with nobody to object.

    python -m benchmarks.poisoned_retrains NEW_FOLDER [SCENARIO, all of them without]

A model is trained on one generated scanner and serves. Cells of another scanner are corrected; a share of the labels is
flipped, or every cell of one class is called another. Reviewers are fooled: they confirm all that was not set aside on
arrival. Then `improve` retrains, and promotes without a person where its gates pass. Every scenario begins at the same
state. Prints a line of JSON a scenario: what was set aside, what networks doubted that had not seen it, what the gates
said, and how champion and challenger answer cells of both scanners that nobody corrected.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from hematovision.config import RunConfig, load_config
from hematovision.data.store import ImageStore
from hematovision.feedback.records import Correction, Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.predictor import Predictor
from hematovision.registry.resolution import KnownVersion, copy_package, resolve_version
from hematovision.registry.scoring import score_rows
from hematovision.rehearsal import sites
from hematovision.rehearsal.processes import Commands
from hematovision.rehearsal.workplace import Workplace

RATES = (0.05, 0.1, 0.2, 0.4)
HONEST = ("ann", "bob", "cat", "dan")
CHAMPION = "models:/hematovision@champion"
PATIENCE = 3600.0
WITHOUT_PEOPLE = {"approvals": 0, "each_of": [], "dirty_tree": "allow", "one_login_one_person": False}
"""What the policy asks of people: nothing, so that the gates alone stand between the poison and the champion."""

Labels = dict[str, str]


def policy() -> dict[str, Any]:
    """That of a rehearsal, whose intervals a small golden set can carry, with the losses that the defaults allow."""
    usual, wide = (
        yaml.safe_load(Path(f"configs/{name}.yaml").read_text()) for name in ("promotion", "rehearsal/policy")
    )
    for name, limits in wide["against_champion"].items():
        if "loss" in limits:
            limits["loss"] = usual["against_champion"][name]["loss"]
    return {**wide, "review": WITHOUT_PEOPLE}


def prepare(root: Path) -> tuple[Workplace, RunConfig, sites.Sites]:
    """A champion made of one scanner's cells, in a home of its own; gives the cells of both."""
    place = Workplace(root / "work")
    for folder in (place.root, place.logs):
        folder.mkdir(parents=True)
    config = load_config(Path("loop"))
    (root / "policy.yaml").write_text(yaml.safe_dump(policy()))
    place.write_config(
        config,
        {
            "promotion": {"policy": str(root / "policy.yaml")},
            "improvement": {"minimum_accepted": 20, "promote": "policy"},
        },
    )
    dealt = sites.read_sites(place.root, sites.draw_sites(place.root / "drawn", config), config)
    sites.write_home_site(dealt, place.root / "home-site", notice=place.root / "drawn" / sites.SITE_A / "README.txt")
    commands = Commands(place, PATIENCE)
    told = commands.run("run", "--data", str(place.root / "home-site"))
    commands.run("promote", f"{told['model']['name']}/{told['model']['version']}")
    return place, load_config(place.config), dealt


def load(home: Home, uri: str) -> tuple[KnownVersion, Predictor]:
    """A version and its verified, compiled package."""
    version = resolve_version(home, uri)
    with tempfile.TemporaryDirectory() as folder:
        return version, Predictor.load(copy_package(home, version, Path(folder)))


def accuracy(home: Home, uri: str, rows: pd.DataFrame, images: ImageStore) -> float:
    """Share of cells answered with their true class."""
    scored = score_rows(load(home, uri)[1], rows, images)
    return round(float((scored.answers.probabilities.argmax(axis=1) == scored.truth).mean()), 4)


def cases(true: Labels) -> Iterator[tuple[str, Labels]]:
    """(name, what is said of every cell) of every scenario."""
    rng, classes = np.random.default_rng(1), sorted(set(true.values()))
    yield "none flipped", true
    for rate in RATES:
        flipped = {cell for cell in true if rng.random() < rate}
        others = {cell: [name for name in classes if name != label] for cell, label in true.items()}
        said = {cell: str(rng.choice(others[cell])) if cell in flipped else label for cell, label in true.items()}
        yield f"{rate:.0%} flipped", said
    yield (
        f"every {classes[0]} called {classes[1]}",
        {cell: classes[1] if label == classes[0] else label for cell, label in true.items()},
    )


def correct(place: Workplace, config: RunConfig, dealt: sites.Sites, true: Labels, said: Labels) -> dict[str, str]:
    """Submit what people say, mallory the wrong labels, and have the rest confirmed; the state of every cell."""
    store = feedback_of(place.home, config)
    rows = dealt.first[dealt.first["sha256"].isin(list(said))]
    version, predictor = load(place.home, CHAMPION)
    answers = predictor.answer([partial(dealt.images.read, one) for one in rows["sha256"]])
    classes = predictor.specification.classes
    given: list[Prediction] = []
    for n, row in enumerate(rows.itertuples()):
        cell, odds = str(row.sha256), answers.probabilities[n]
        given.append(Prediction(
            model=version.reference, model_digest=str(version.digest), label=classes[int(odds.argmax())], image=cell,
            data_version=predictor.specification.data_version, site=sites.SITE_B, slide=str(row.source_group) or None,
            probabilities=dict(zip(classes, odds.tolist(), strict=True)), refer=False,
            set=[name for name, possible in zip(classes, answers.sets[n], strict=True) if possible],
            strangeness=float(answers.strangeness[n]), unlike_training=bool(answers.unlike_training[n]),
        ))  # fmt: skip
    store.keep_predictions([(one, dealt.images.read(one.image)) for one in given])
    items: dict[str, str] = {}
    for n, prediction in enumerate(given):
        cell = prediction.image
        by = HONEST[n % len(HONEST)] if said[cell] == true[cell] else "mallory"
        correction = Correction(
            prediction_id=prediction.id, label=said[cell], by=by, role="predict", source="api", client_key=cell[:40]
        )
        items[cell] = store.submit(correction).id
    fooled(store)
    states = {item.id: item.state for item in store.items()}
    return {cell: states[item] for cell, item in items.items()}


def fooled(store: FeedbackStore) -> None:
    """Two reviewers accept everything that waits for one; what was set aside takes a senior."""
    for item in store.items():
        if item.state == "pending":
            for voter in ("fooled one", "fooled two"):
                store.adjudicate(item.id, "accept", voter, "review")


def scenario(name: str, place: Workplace, config: RunConfig, dealt: sites.Sites, true: Labels, said: Labels) -> Any:
    """Correct, retrain, and look at who serves afterwards."""
    states = correct(place, config, dealt, true, said)
    poison = {cell for cell in said if said[cell] != true[cell]}
    told = Commands(place, PATIENCE).run("improve")
    doubted = [cell["image"] for cell in told["doubts"]["cells"]] if told["improved"] else []
    after = resolve_version(place.home, CHAMPION)
    shares = {"site_a": dealt.held_out_a, "site_b": dealt.held_out_b}
    document = {
        "scenario": name,
        "submitted": len(said),
        "poisoned": len(poison),
        "set_aside_on_arrival": sum(states[cell] == "quarantined" for cell in poison),
        "honest_set_aside": sum(states[cell] == "quarantined" for cell in said if cell not in poison),
        "trained_on_poisoned": sum(states[cell] == "accepted" for cell in poison),
        "improved": told["improved"],
        "reason": told.get("reason", ""),
        "failed_gates": told["verdict"]["failed"] if told["improved"] else [],
        "doubted": sum(cell in poison for cell in doubted),
        "honest_doubted": sum(cell not in poison for cell in doubted),
        "waits": told.get("waits", ""),
        "champion_after": after.reference,
        "held_out": {name: len(rows) for name, rows in shares.items()},
    }
    uris = {"champion": "models:/hematovision/1", "in_service": CHAMPION}
    if told["improved"]:
        uris["challenger"] = told["run"]["model"]["uri"]
    figures = {
        who: {site: accuracy(place.home, uri, rows, dealt.images) for site, rows in shares.items()}
        for who, uri in uris.items()
    }
    return document | figures


def main(root: Path, asked: str | None = None) -> None:
    """One scenario or every one in turn, each from the same state at the same place."""
    root = root.resolve()
    if "HEMATOVISION_HOME" not in os.environ:
        os.environ["HEMATOVISION_HOME"] = str(root / "work" / "home")
    place, config, dealt = prepare(root)
    kept = root / "kept"
    shutil.copytree(place.home.root, kept, symlinks=True)
    true = dict(sites.chosen_for_correction(dealt, config.rehearsal.per_class, config.seed))
    chosen = [(name, said) for name, said in cases(true) if asked in (None, name)]
    if not chosen:
        raise SystemExit(f"There is no scenario {asked!r}; there are: {', '.join(name for name, _ in cases(true))}.")
    # MLflow keeps databases open that the next scenario replaces: each has a process of its own
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        for name, said in chosen:
            shutil.rmtree(place.home.root)
            shutil.copytree(kept, place.home.root, symlinks=True)
            print(json.dumps(alone.submit(scenario, name, place, config, dealt, true, said).result()), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])

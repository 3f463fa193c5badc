"""What the real stores answer."""

import shutil
from pathlib import Path

import pytest

from hematovision.errors import UsageError
from hematovision.lineage.cells import index_path
from hematovision.lineage.graph import Graph
from hematovision.lineage.things import Thing
from hematovision.lineage.tracing import trace

from .conftest import DATA, LOCK, RUNS, World, image, make_world, manifest


def ask(world: World, subject: str, shown: int = 1000) -> Graph:
    return trace(subject, world.readers(), model_name="cells", shown=shown)


def names(graph: Graph, side: str) -> set[str]:
    links = getattr(graph, side)
    ends = {link.parent if side == "above" else link.child for link in links}
    return {str(thing) for thing in ends}


def test_a_version_names_everything_it_was_made_of(world: World) -> None:
    above = names(ask(world, "cells/1"), "above")
    assert {f"run:{RUNS[0]}", f"data:{DATA[0]}", f"lock:{LOCK}", f"code:{'d4' * 20}+dirty"} <= above
    assert {f"image:{image(name)}" for name in "abcde"} <= above
    assert f"image:{image('f')}" not in above


def test_a_golden_image_was_scored_on_and_not_trained_on(world: World) -> None:
    links = ask(world, f"image:{image('c')}").below
    cells = {link.child.identity for link in links if link.child.kind == "cells"}
    goldens = {link.child.identity for link in links if link.child.kind == "golden"}
    trained = {str(link.child) for link in links if link.relation == "trained on"}
    scored = {str(link.child) for link in links if link.relation == "scored on"}
    assert len(cells) == len(goldens) == 1
    assert (trained, scored) == ({"model:cells/1"}, {"model:cells/2"})


def test_every_thing_of_every_answer_is_a_subject_that_gives_itself(world: World) -> None:
    waiting, seen = ["cells/1", "cells/2", "model:<i>other/1"], set()
    while waiting:
        graph = ask(world, waiting.pop())
        for thing in graph.nodes:
            if thing not in seen:
                seen.add(thing)
                assert ask(world, str(thing)).subject == thing
                waiting.append(str(thing))
    assert {thing.kind for thing in seen} == {
        "image", "data", "cells", "golden", "code", "lock", "run", "training", "model", "record", "prediction",
    }  # fmt: skip


def test_both_directions_say_the_same(world: World) -> None:
    things = set(ask(world, "cells/1").nodes) | set(ask(world, "cells/2").nodes)
    answers = {thing: ask(world, str(thing)) for thing in sorted(things)}
    for one, answer in answers.items():
        for other in names(answer, "above"):
            if (far := Thing.parse(other)) in answers:
                assert str(one) in names(answers[far], "below"), f"{other} does not know that it led to {one}"
        for other in names(answer, "below"):
            if (far := Thing.parse(other)) in answers:
                assert str(one) in names(answers[far], "above"), f"{other} does not know that it came from {one}"


def test_a_prediction_leads_back_through_the_record_in_force_to_the_image(world: World) -> None:
    graph = ask(world, world.predictions[1])
    above = names(graph, "above")
    assert {"model:cells/1", f"image:{image('a')}", f"run:{RUNS[0]}", f"data:{DATA[0]}"} <= above
    kinds = [graph.nodes[thing].facts["kind"] for thing in graph.nodes if thing.kind == "record"]
    assert sorted(kinds) == ["deployment", "promotion", "registration", "validation", "verdict"]
    assert any("picture was not kept" in what for _, what in graph.missing)


def test_a_prediction_older_than_every_record_says_so(world: World) -> None:
    missing = [what for _, what in ask(world, world.predictions[2]).missing]
    assert any("no ledger record says why cells/2 answered" in what for what in missing)
    assert any("nobody has approved or rejected" in what for what in missing)


@pytest.mark.parametrize(
    ("subject", "meant"),
    [
        ("cells/2", "model:cells/2"),
        ("models:/cells/2", "model:cells/2"),
        (RUNS[1][:6], f"run:{RUNS[1]}"),
        ("run-1", f"run:{RUNS[1]}"),
        (DATA[0], f"data:{DATA[0]}"),
        (image("d"), f"image:{image('d')}"),
        ("d4" * 10, f"code:{'d4' * 20}+dirty"),
        ("record:2", "record:2"),
    ],
)
def test_what_a_person_may_write(world: World, subject: str, meant: str) -> None:
    assert str(ask(world, subject).subject) == meant


def test_an_alias_is_the_version_it_points_to(world: World) -> None:
    import mlflow

    mlflow.MlflowClient(tracking_uri=world.home.tracking_uri).set_registered_model_alias("cells", "champion", "1")
    for subject in ("@champion", "cells@champion", "models:/cells@champion"):
        assert str(ask(world, subject).subject) == "model:cells/1"
    with pytest.raises(UsageError, match="No store knows"):
        ask(world, "@nobody")


def test_a_beginning_that_fits_several_is_refused(world: World) -> None:
    shared = world.predictions[0][:8]
    assert all(one.startswith(shared) for one in world.predictions[:2])
    with pytest.raises(UsageError, match="fits"):
        ask(world, shared)


@pytest.mark.parametrize("unknown", ["cells/9", "f" * 64, "data:md5:" + "0" * 32, "record:99", "code:zzz", "run:x"])
def test_what_no_store_knows_is_refused(world: World, unknown: str) -> None:
    with pytest.raises(UsageError, match="No store knows"):
        ask(world, unknown)


def test_what_is_too_many_is_counted(world: World) -> None:
    graph = ask(world, "cells/1", shown=1)
    left = {(one.kind, one.count) for one in graph.left_out}
    assert {("image", 2), ("image", 2), ("prediction", 1)} <= left
    assert len([thing for thing in graph.nodes if thing.kind == "prediction"]) == 1


def test_the_index_is_rebuilt_where_it_was_deleted(world: World) -> None:
    before = names(ask(world, image("d")), "below")
    for path in index_path(world.home).parent.glob("lineage.db*"):
        path.unlink()
    assert names(ask(world, image("d")), "below") == before


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Four versions with something wrong each."""
    world = make_world(tmp_path_factory.mktemp("broken"))
    cells = manifest("abc", "a")
    world.register("cells", cells, "", DATA[0])
    changed = cells.assign(split=["golden", "golden", "development"]).to_csv(index=False)
    world.register("cells", manifest("abcd", "a"), RUNS[0], DATA[0], text=changed)
    world.register("cells", manifest("abcde", "a"), RUNS[1], DATA[0], text="path\n\x00")
    world.register("cells", manifest("ab", "a"), RUNS[1], DATA[1])
    return world


def test_missing_links_are_named(broken: World) -> None:
    def missing(subject: str) -> str:
        return "\n".join(f"{thing}: {what}" for thing, what in ask(broken, subject).missing)

    assert "the version has no tag zenml_run" in missing("cells/1")
    assert "ZenML has no such run" in missing("cells/2")
    assert "not the one the version names" in missing("cells/2")
    assert "has no column" in missing("cells/3")
    assert "no .dvc file pins these data" in missing("cells/4")
    assert "no prediction has been kept" in missing("cells/4")
    assert "no ledger record of a verdict" in missing("cells/4")


def test_an_image_says_in_which_manifests_it_could_not_be_looked_for(broken: World) -> None:
    missing = [what for _, what in ask(broken, image("b")).missing]
    assert len([what for what in missing if "cannot be told" in what]) == 2
    with pytest.raises(UsageError, match=r"It was not looked for in everything: the training cells of model cells/"):
        ask(broken, image("nowhere"))


def test_a_run_that_mlflow_lost_is_named(broken: World) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=broken.home.tracking_uri)
    run = client.get_model_version("cells", "4").run_id
    shutil.rmtree(broken.home.artifacts / run)
    client.delete_run(run)
    missing = [what for _, what in ask(broken, "cells/4").missing]
    assert "the run is deleted in MLflow" in missing
    assert "its run has no artifact data/manifest.csv" in missing


def test_an_empty_home_answers_and_makes_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path, registry=False)
    with pytest.raises(UsageError, match="no MLflow registry in this home yet"):
        ask(world, "cells/1")
    assert not (world.home.root / "mlflow.db").exists()

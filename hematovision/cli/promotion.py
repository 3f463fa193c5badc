"""`review`, `promote`, `rollback`, `webhooks`: what people decide, and what follows from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.cli.output import Output, command
from hematovision.cli.promotion_tables import (
    show_decision,
    show_deliveries,
    show_moved,
    show_restored,
    show_standing,
    show_versions,
    show_webhooks,
)

if TYPE_CHECKING:
    from hematovision.config import RunConfig
    from hematovision.home import Home
    from hematovision.promotion.decisions import Action, SignedDecision
    from hematovision.promotion.policy import PromotionPolicy
    from hematovision.promotion.review import Review
    from hematovision.promotion.standing import Standing


def _settings(config: Path | None) -> "tuple[Home, RunConfig, PromotionPolicy]":
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.promotion.policy import policy_of

    settings = load_config(config)
    return locate_home(), settings, policy_of(settings)


def _review(model: str, config: Path | None) -> "Review":
    from hematovision.promotion.review import open_review
    from hematovision.registry.catalogue import named_version

    home, settings, policy = _settings(config)
    version = named_version(home, model, settings.registry.model_name)
    return open_review(version, policy, settings.records.database)


def _as_document(standing: "Standing") -> dict[str, Any]:
    return standing.model_dump(mode="json")


def list_versions(name: str | None, config: Path | None, *, as_json: bool) -> None:
    """Every version of a model, with where it stands."""
    with command(as_json) as output:
        from hematovision.errors import GateRefused
        from hematovision.promotion.review import open_review
        from hematovision.registry import catalogue
        from hematovision.registry.versions import CHAMPION

        home, settings, policy = _settings(config)
        chosen = name or settings.registry.model_name
        catalogue.check_name(chosen)
        rows: list[dict[str, Any]] = []
        for version in catalogue.list_versions(home, chosen):
            try:
                standing = open_review(version, policy, settings.records.database).standing()
                rows.append({"problem": None, **_as_document(standing)})
            except GateRefused as error:
                rows.append({"model": version.label, "problem": str(error)})
        alias = catalogue.read_aliases(home, chosen).get(CHAMPION)
        output.result({"name": chosen, "champion": alias, "versions": rows}, show_versions)


def show(model: str, config: Path | None, *, as_json: bool) -> None:
    """One version: verdict, decisions, what is missing."""
    with command(as_json) as output:
        review = _review(model, config)
        verdict = review.reviewed.verdict
        gates = [gate.model_dump(mode="json") for gate in verdict.gates] if verdict else []
        output.result({**_as_document(review.publish()), "gates": gates}, show_standing)


def decide(
    action: "Action",
    model: str,
    config: Path | None,
    *,
    reason: str,
    role: str | None,
    purpose: str | None = None,
    gate: str | None = None,
    key: Path | None,
    to_run: bool = False,
    as_json: bool,
) -> None:
    """Sign a decision and record it, or hand it to a pipeline run that waits for it."""
    with command(as_json) as output:
        from hematovision.cli.own_key import load_own_key

        private_key = load_own_key(key)
        review = _review(model, config)
        signed = review.sign(private_key, action, reason=reason, role=role, purpose=purpose, gate=gate)
        if to_run:
            _hand_over(output, review, signed)
            return
        decision, standing = review.record(signed)
        told = {"decision": decision.model_dump(mode="json"), "standing": _as_document(standing)}
        output.result(told, show_decision)


def _hand_over(output: Output, review: "Review", signed: "SignedDecision") -> None:
    from pipelines.sign_off import hand_over

    review.refuse(signed)
    run = hand_over(signed)
    document = {"run": run, "signed": signed.model_dump(mode="json")}
    output.result(document, lambda console, _: console.print(f"Handed to run {run}, which records it."))


def promote(model: str, config: Path | None, *, restore: bool, wait: int | None, as_json: bool) -> None:
    """Make an approved version the champion."""
    with command(as_json) as output:
        from hematovision.promotion import champion
        from hematovision.registry.catalogue import named_version

        home, settings, policy = _settings(config)
        database = settings.records.database
        if restore:
            serves = champion.restore(home, settings.registry.model_name, database=database)
            output.result({"name": settings.registry.model_name, "champion": serves}, show_restored)
            return
        version = named_version(home, model, settings.registry.model_name)
        if wait is not None:
            _promote_in_run(settings, version.label, wait)
            output.result(_last_move(home, version.name, database), show_moved)
            return
        output.result(_moved(champion.promote(home, version, policy, database=database)), show_moved)


def _promote_in_run(settings: "RunConfig", model: str, seconds: int) -> None:
    """Refused decisions are in the run; a run in which nobody decided in time is left paused."""
    from hematovision.errors import GateRefused
    from pipelines.execution import execute
    from pipelines.promotion import promotion_pipeline

    finished = execute(promotion_pipeline, config=settings, model=model, seconds=seconds)
    if not finished.has("promote_version"):
        raise GateRefused(
            f"Nobody decided on {model} in {seconds} seconds; what was decided before is recorded. The run "
            f"{finished.run.name} is {finished.run.status}; start another with `hematovision promote {model} --wait`."
        )


def _last_move(home: "Home", name: str, database: str | None) -> dict[str, Any]:
    from hematovision.ledger import open_ledger
    from hematovision.promotion.moves import read_history

    last = read_history(open_ledger(home, database), name).last
    content = dict(last.content) if last else {}
    told = {key: content.get(key) for key in ("model_digest", "verdict_digest", "decisions", "overridden", "before")}
    kind, number = (last.kind, last.number) if last else (None, None)
    return {"name": name, "kind": kind, "champion": content.get("after"), "record": number, **told}


def _moved(moved: Any) -> dict[str, Any]:
    move = moved.move
    return {
        "name": move.name,
        "kind": move.kind,
        "champion": move.after,
        "before": move.before,
        "record": moved.record,
        **move.evidence,
    }


def rollback(
    name: str | None, config: Path | None, *, reason: str, role: str | None, key: Path | None, as_json: bool
) -> None:
    """Make the former champion the champion again."""
    with command(as_json) as output:
        from hematovision.cli.own_key import load_own_key
        from hematovision.ledger import open_ledger
        from hematovision.promotion import champion
        from hematovision.promotion.moves import read_history
        from hematovision.promotion.review import open_review

        private_key = load_own_key(key)
        home, settings, policy = _settings(config)
        chosen, database = name or settings.registry.model_name, settings.records.database
        history = read_history(open_ledger(home, database), chosen)
        target = champion.former_champion(home, chosen, history)
        signed = open_review(target, policy, database).sign(private_key, "rollback", reason=reason, role=role)
        output.result(_moved(champion.rollback(home, signed, chosen, policy, database=database)), show_moved)


def set_up_webhook(
    url: str, config: Path | None, *, name: str, secret_in: str, events: Sequence[str], as_json: bool
) -> None:
    """Tell a team of candidates, decisions and promotions."""
    with command(as_json) as output:
        import os

        from hematovision.errors import UsageError
        from hematovision.registry import webhooks

        secret = os.environ.get(secret_in, "")
        if len(secret) < webhooks.SHORTEST_SECRET:
            raise UsageError(
                f"The environment variable {secret_in} has to hold the secret that signs the messages, at least "
                f"{webhooks.SHORTEST_SECRET} characters; the receiver has the same."
            )
        home, _, _ = _settings(config)
        made = webhooks.set_up_webhook(home, name, url, secret, list(events) or webhooks.EVENTS)
        output.result({"webhooks": [made.model_dump()]}, show_webhooks)


def list_webhooks(config: Path | None, *, as_json: bool) -> None:
    """Where messages go."""
    with command(as_json) as output:
        from hematovision.registry import webhooks

        home, _, _ = _settings(config)
        output.result({"webhooks": [one.model_dump() for one in webhooks.list_webhooks(home)]}, show_webhooks)


def try_webhooks(name: str | None, config: Path | None, *, as_json: bool) -> None:
    """Send an example message."""
    with command(as_json) as output:
        from hematovision.errors import HematoVisionError
        from hematovision.registry import webhooks

        home, _, _ = _settings(config)
        deliveries = webhooks.try_webhooks(home, name)
        output.result({"deliveries": [one.model_dump() for one in deliveries]}, show_deliveries)
        failed = [one.name for one in deliveries if not one.success]
        if failed:
            raise HematoVisionError(f"No good answer from {', '.join(failed)}.")

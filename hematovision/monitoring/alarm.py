"""An alarm that is raised or cleared: put on record in the ledger, and told to whoever asked to hear of it."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hematovision.home import Home
from hematovision.ledger import Ledger
from hematovision.monitoring.history import DriftHistory, KeptCheck

DRIFT = "drift"


def alarm_facts(home: Home, check: KeptCheck) -> dict[str, Any]:
    """What the ledger and a command are told of a change; `report` is a path below the home where it lies there."""
    report = Path(check.report)
    inside = report.is_relative_to(home.root)
    return {
        "what": DRIFT,
        "state": check.state,
        "site": check.site,
        "signals": check.alarms,
        "n": check.n,
        "report": report.relative_to(home.root).as_posix() if inside else str(report),
        "model": check.model,
        "check": check.id,
        "follows": check.follows,
    }


def record_changes(home: Home, history: DriftHistory, ledger: Ledger) -> int:
    """Append to the ledger every change that it does not have; gives how many those were.

    A kill between the two databases repeats an append, which the ledger's idempotency key makes harmless.
    """
    waiting = history.unrecorded()
    for check in waiting:
        of_a_folder = check.model.startswith("folder/")  # and so in no registry
        subject = f"model-digest:{check.model_digest}" if of_a_folder else f"model:{check.model}"
        record = ledger.append("alarm", subject, alarm_facts(home, check), unique=f"drift:{check.id}")
        history.recorded(check.number, record.number)
    return len(waiting)


def run_command(command: Sequence[str], facts: dict[str, Any], *, seconds: float) -> str | None:
    """Run what the configuration names, without a shell; gives None, or in words how it failed.

    It gets the facts as JSON on standard input and the main ones in its environment: HEMATOVISION_ALARM (raised or
    cleared), HEMATOVISION_MODEL, HEMATOVISION_SITE (empty for none), HEMATOVISION_SIGNALS and HEMATOVISION_REPORT.
    """
    told = {
        "HEMATOVISION_ALARM": facts["state"],
        "HEMATOVISION_MODEL": facts["model"],
        "HEMATOVISION_SITE": facts["site"] or "",
        "HEMATOVISION_SIGNALS": ",".join(facts["signals"]),
        "HEMATOVISION_REPORT": facts["report"],
    }
    given, variables = json.dumps(facts), os.environ | told
    try:
        done = subprocess.run(
            list(command), input=given, text=True, capture_output=True, timeout=seconds, env=variables, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    return None if done.returncode == 0 else f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}"

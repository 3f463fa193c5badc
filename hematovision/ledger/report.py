"""A page about a period: who decided what, what was registered and promoted, and whether all of it still holds."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hematovision import __version__
from hematovision.ledger.records import now
from hematovision.ledger.verification import Verification

WORDS = {
    "validation": "data validated", "training": "models trained", "evaluation": "models evaluated",
    "registration": "versions registered", "verdict": "verdicts of the gates", "decision": "decisions of people",
    "promotion": "promotions", "rollback": "roll-backs", "deployment": "deployments", "feedback": "feedback decided",
    "retrain": "retrainings", "erasure": "erasures", "key": "keys added or revoked", "alarm": "alarms",
}  # fmt: skip
MOVES = ("promotion", "rollback")
_DIGEST = re.compile("[0-9a-f]{24,}")


@dataclass(frozen=True)
class Row:
    """A record as the page shows it; `key` is the fingerprint of who signed, `findings` what is wrong with it."""

    number: int
    time: str
    kind: str
    subject: str
    actor: str
    content: Mapping[str, Any]
    digest: str
    key: str | None
    findings: list[str]

    @property
    def counts(self) -> bool:
        """Whether it tells of something done: not that it was begun or undone, nor of the installation's own key."""
        begun = self.content.get("stage") in ("intent", "undone") or self.content.get("request") == "begun"
        return not begun and self.content.get("action") != "installation"

    @property
    def shown(self) -> str:
        """The content as JSON to read."""
        return json.dumps(self.content, indent=2, ensure_ascii=False, sort_keys=True)


def period_name(since: str | None, until: str | None) -> str:
    """A period as part of a file name."""
    return f"{since[:10] if since else 'start'}-to-{until[:10] if until else 'now'}"


def ledger_page(verified: Verification, since: str | None, until: str | None) -> tuple[str, int]:
    """One HTML file that needs nothing else.

    Args:
        since, until: of the records shown, from the first moment to before the second; None is open.

    Returns:
        The page, and how many records it shows.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("hematovision.ledger", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["short"] = lambda text: _DIGEST.sub(lambda found: f"{found[0][:12]}…", text)
    environment.filters["moment"] = lambda time: time[:19].replace("T", " ")
    rows = [row for row in _rows(verified) if (since or "") <= row.time and (until is None or row.time < until)]
    page = environment.get_template("report.html.j2").render(
        rows=rows,
        counts=Counter(row.kind for row in rows if row.counts),
        words=WORDS,
        decisions=[row for row in rows if row.kind == "decision"],
        moves=[row for row in rows if row.kind in MOVES and row.counts],
        verdicts=[row for row in rows if row.kind == "verdict"],
        keys=[row for row in rows if row.kind == "key" and row.counts],
        alarms=[row for row in rows if row.kind in ("alarm", "erasure")],
        verified=verified,
        people=list(verified.chain.keys.people.values()),
        since=since,
        until=until,
        made=now(),
        version=__version__,
    )
    return page, len(rows)


def _rows(verified: Verification) -> list[Row]:
    wrong: dict[int | None, list[str]] = {}
    for finding in verified.findings:
        wrong.setdefault(finding.number, []).append(finding.says)
    taken = ("number", "time", "kind", "subject", "actor", "content", "digest")
    return [
        Row(
            **{name: fields[name] for name in taken},
            key=(fields["signature"] or {}).get("fingerprint"),
            findings=wrong.get(fields["number"], []),
        )
        for fields in verified.rows
    ]

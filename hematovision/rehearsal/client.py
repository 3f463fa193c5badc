"""What asks the service over HTTP: pictures, corrections, votes; every request for an answer is counted."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from hematovision.rehearsal.story import WentWrong

REFUSED = 409
"""The service's word for a cell that must not be trained on."""


@dataclass
class Tally:
    """Requests for answers, of all clients together.

    Attributes:
        dropped: why requests got no answer, one entry each. versions: that answered, in the order they first did.
        slowest: seconds.
    """

    requests: int = 0
    dropped: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, version: str, seconds: float) -> None:
        """Count an answer."""
        with self._lock:
            self.requests += 1
            self.slowest = max(self.slowest, seconds)
            if version not in self.versions:
                self.versions.append(version)

    def lost(self, reason: str) -> None:
        """Count a request that got none."""
        with self._lock:
            self.requests += 1
            self.dropped.append(reason)


@dataclass(frozen=True)
class Answer:
    """What the service said of a picture; `version` is the model's."""

    id: str
    label: str
    version: str


class Client:
    """One holder of a key. Nothing is ever sent twice: a request without an answer stays lost."""

    def __init__(self, address: str, key: str, tally: Tally, *, patience: float) -> None:
        self._http = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=patience)
        self._tally = tally

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def predict(self, picture: bytes, site: str, slide: str | None = None) -> Answer | None:
        """The answer to one picture; None, and counted as dropped, where there was none."""
        place = {"site": site} | ({"slide": slide} if slide else {})
        begun = time.monotonic()
        try:
            response = self._http.post("/v1/predictions", params=place, files={"images": picture})
        except httpx.HTTPError as error:
            self._tally.lost(f"{type(error).__name__}: {error}")
            return None
        if not response.is_success:
            self._tally.lost(f"{response.status_code}: {response.text[:200]}")
            return None
        told = response.json()
        version = str(told["model"]["version"])
        self._tally.answered(version, time.monotonic() - begun)
        answered = told["predictions"][0]
        return Answer(answered["id"], answered["label"], version)

    def correct(self, prediction: str, label: str) -> dict[str, Any] | None:
        """The item a correction became; None where the service refuses the cell, which is a golden one or a copy."""
        return self._post("/v1/feedback", {"prediction_id": prediction, "label": label, "client_key": prediction})

    def accept(self, item: str) -> dict[str, Any] | None:
        """What became of an item by a vote to accept it; None where this voter may not decide about it."""
        return self._post(f"/v1/review/items/{item}/votes", {"verdict": "accept"})

    def version(self) -> str:
        """Of the model that answers now."""
        return str(self._checked(self._http.get("/v1/model"))["version"])

    def _post(self, path: str, document: dict[str, str]) -> dict[str, Any] | None:
        response = self._http.post(path, json=document)
        return None if response.status_code == REFUSED else self._checked(response)

    def _checked(self, response: httpx.Response) -> dict[str, Any]:
        if not response.is_success:
            raise WentWrong(f"The service answered {response.status_code}: {response.text[:300]}")
        found: dict[str, Any] = response.json()
        return found

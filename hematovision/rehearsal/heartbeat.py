"""A client that asks all the time, so that a request dropped at any moment is seen."""

import threading
from collections.abc import Sequence
from itertools import cycle

from hematovision.rehearsal.client import Client


class Heartbeat:
    """Sends one picture after another from a thread of its own until told to stop."""

    def __init__(self, client: Client, pictures: Sequence[bytes], site: str, pause: float) -> None:
        self._client, self._pictures, self._site, self._pause = client, pictures, site, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _beat(self) -> None:
        for picture in cycle(self._pictures):
            if self._stopping.wait(self._pause):
                return
            self._client.predict(picture, self._site)

    def stop(self) -> None:
        """End after the request under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._client.close()

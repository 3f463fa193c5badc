"""Kill -9 of the service while clients correct: what was acknowledged is there, once."""

from pathlib import Path

from tests.serving.killing import kill_service
from tests.serving.running import free_port


def test_what_was_acknowledged_survives_kills(package: Path, second: Path, tmp_path: Path) -> None:
    found = kill_service(tmp_path, package, second, port=free_port(), writers=4, kills=3, seed=2)
    assert found["predictions"] > 0 and found["acknowledged"] > 0
    assert found["tried_again"] > 0, "the service was never missed, so nothing was shown"

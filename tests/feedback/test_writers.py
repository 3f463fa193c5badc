"""Kill -9 at random moments: every acknowledged correction is there exactly once, and the ledger has every decision."""

from pathlib import Path

from tests.feedback.writers import kill_writers


def test_sixteen_writers_killed_at_random(tmp_path: Path) -> None:
    found = kill_writers(tmp_path, writers=16, kills=20, seed=3)
    assert found["acknowledged"] > 20 and found["decisions"] > 0

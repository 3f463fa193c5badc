"""Marks of unfinished work: found when nobody works on it any more, and only then."""

from pathlib import Path

import pytest

from hematovision.home import Home
from hematovision.registry.unfinished import Work, abandoned, unfinished

WORK = Work(what="verdict", name="small", version="3", database="$RECORDS")


def found(home: Home) -> list[Work]:
    return list(abandoned(home))


def test_work_under_way_is_left_alone_and_done_work_leaves_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert found(home) == []
    with unfinished(home, WORK):
        assert len(list(home.unfinished.iterdir())) == 1
        assert found(home) == []
    assert list(home.unfinished.iterdir()) == []


def test_work_that_failed_is_found_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(RuntimeError), unfinished(home, WORK):
        raise RuntimeError
    assert found(home) == [WORK]
    assert found(home) == []


def test_a_mark_stays_while_its_work_is_not_settled(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(RuntimeError), unfinished(home, WORK):
        raise RuntimeError
    settling = abandoned(home)
    assert next(settling) == WORK
    assert found(home) == [], "it is being settled"
    settling.close()
    assert found(home) == [WORK]


def test_a_mark_that_was_never_written_is_of_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.unfinished.mkdir(parents=True)
    (home.unfinished / "half.json").write_text('{"what": "regis')
    assert found(home) == []
    assert list(home.unfinished.iterdir()) == []

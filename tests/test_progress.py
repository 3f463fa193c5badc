"""Progress bars that are opened in one place and moved from another."""

from hematovision import progress
from hematovision.progress import advance, progress_bar, set_progress


def test_a_bar_is_moved_by_its_name_while_it_is_open() -> None:
    with progress_bar("folds"):
        set_progress("folds", 3, 10)
        advance("folds", 2)
        assert progress._shared is not None
        task = progress._shared.tasks[0]
        assert (task.completed, task.total) == (5, 10)
    assert progress._tasks == {}


def test_a_bar_that_is_not_open_is_left_alone() -> None:
    set_progress("folds", 1, 2)
    advance("folds", 1)
    with progress_bar("another"):
        advance("folds", 1)
        assert progress._shared is not None
        assert progress._shared.tasks[0].completed == 0

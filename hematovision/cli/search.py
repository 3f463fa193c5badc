"""`search`: one study at a time, resumed where it was left."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hematovision.cli.output import command
from hematovision.cli.search_tables import show_search
from hematovision.errors import UsageError

DEFAULT_SPACE = Path("search/head")


def _configured(
    data: str | None, config: Path | None, space: Path | None, seed: int | None, search: dict[str, Any]
) -> Any:
    from hematovision.config import load_config, overlay, read_layer

    given = read_layer(config) if config else {}
    own = (given.get("search") or {}).get("space") if isinstance(given.get("search"), dict) else None
    layer = read_layer(space or DEFAULT_SPACE) if space or not own else {}
    chosen = {"data": data, "seed": seed, "search": {key: value for key, value in search.items() if value is not None}}
    changes = overlay(layer, {key: value for key, value in chosen.items() if value is not None})
    return load_config(config, changes)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold a study; two processes asking one study would score each other's trials."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"The study {name!r} is being searched by another process: wait, or give another --study."
            ) from None
        yield


def search(
    data: str | None,
    config: Path | None,
    space: Path | None,
    *,
    trials: int | None,
    method: str | None,
    study: str | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """The whole search, and its summary."""
    with command(as_json) as output:
        started = time.monotonic()
        settings = _configured(data, config, space, seed, {"trials": trials, "method": method, "study": study})
        from hematovision.config import data_path
        from hematovision.home import locate_home
        from hematovision.learning.search.space import check_space
        from hematovision.learning.search.study import grid_size, storage_url

        check_space(settings.search.space, settings.learning)
        grid_size(settings.search)
        storage_url(settings.search, locate_home().studies)
        from hematovision.progress import progress_bar
        from hematovision.registry.study_summary import study_name
        from pipelines.execution import execute
        from pipelines.search import search_pipeline
        from steps.search import BAR

        with _alone(locate_home().studies, study_name(settings)), progress_bar(BAR):
            finished = execute(
                search_pipeline, config=settings, path=str(data_path(settings)), embedded=settings.data == "synthetic"
            )
        summary = finished.artifact("conclude_study", "summary").model_dump()
        output.result({**summary, "seconds": round(time.monotonic() - started, 1)}, show_search)

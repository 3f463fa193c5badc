"""A run that is begun again after a kill goes on with the version it had made."""

from pathlib import Path

import pytest

from hematovision.data.store import ImageStore
from hematovision.home import Home
from hematovision.promotion.recovery import recover
from hematovision.registry import publication
from hematovision.registry.catalogue import list_versions
from tests.promotion.killed_registrations import NAME, Trained
from tests.promotion.laboratory import first_package, manifest, variant


class Cut(Exception):
    """Stands for the end of the process."""


def cut(*_: object, **__: object) -> None:
    raise Cut


def test_the_version_of_a_killed_run_is_taken_up_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    trained = Trained(home, tmp_path / "first" / "package", manifest(ImageStore(home.images)))
    first_package(trained.package, trained.table)
    with monkeypatch.context() as patch:
        patch.setattr(publication, "record_registration", cut)
        with pytest.raises(Cut):
            trained.register()
    assert "is complete now" in " ".join(recover(home, database=None))
    assert trained.register() == "1" and len(list_versions(home, NAME)) == 1
    other = Trained(home, tmp_path / "other" / "package", trained.table)
    variant(trained.package, other.package, seed=2)
    assert other.register() == "2", "another model is another version"

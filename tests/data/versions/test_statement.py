"""What a data set says of itself is quoted, and nothing is made up."""

from pathlib import Path

import pytest

from hematovision.data.versions.statement import Quote, Statement, read_statement
from hematovision.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cells").mkdir()
    return tmp_path / "cells"


def test_silence_is_silence(folder: Path) -> None:
    assert read_statement(folder) == Statement()


def test_a_description_goes_first(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("source: Acevedo et al. 2020\nlicense: CC BY 4.0\nversion: 2\nextra: {a: 1}\n")
    (folder / "LICENSE").write_text("\nMIT License\n\nCopyright (c) 2017 someone\n\nPermission is granted\n")
    found = read_statement(folder)
    assert (found.source, found.licence, found.version) == ("Acevedo et al. 2020", "CC BY 4.0", "2")
    assert found.quotes == [Quote(file="LICENSE", text="MIT License\nCopyright (c) 2017 someone")]


def test_a_licence_file_is_named_by_its_first_line(folder: Path) -> None:
    (folder / "LICENCE.txt").write_text("MIT License\n")
    assert read_statement(folder).licence == "MIT License"


def test_a_readme_is_quoted_where_it_speaks_of_terms(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Cells\nNice.\nPlease cite Doe 2021.\n")
    found = read_statement(folder)
    assert found.licence == "cc0-1.0"
    assert found.quotes[0].text == "license: cc0-1.0\nPlease cite Doe 2021."


def test_a_readme_beside_is_quoted_only_where_it_names_the_folder(folder: Path) -> None:
    (folder.parent / "README.md").write_text("| `cells/` | CC BY 4.0 |\n| `cells-2/` | other |\nlicence of all\n")
    assert read_statement(folder).quotes == [Quote(file="../README.md", text="| `cells/` | CC BY 4.0 |")]
    assert read_statement(folder).licence is None


def test_strange_files_do_no_harm(folder: Path, tmp_path: Path) -> None:
    (folder / "LICENSE").symlink_to("/etc/passwd")
    (folder / "README").write_bytes(b"\xff\xfe licence \xff\n" + b"source x" * 1000)
    (folder / "COPYING").write_bytes(b"x" * 2_000_000)
    found = read_statement(folder)
    assert found.licence is None
    assert all(len(line) <= 400 for quote in found.quotes for line in quote.text.splitlines())
    (folder / "dataset.yaml").write_text("- a\n- b\n")
    with pytest.raises(UsageError, match="dataset.yaml: must map"):
        read_statement(folder)

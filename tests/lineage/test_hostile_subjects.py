"""Subjects meant to break out: none opens a file it names, none is answered, each is refused with a message."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from hematovision.errors import UsageError
from hematovision.lineage.graph import Reader
from hematovision.lineage.things import KINDS
from hematovision.lineage.tracing import resolve

from .conftest import World

opened: list[str] = []
listening = False


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if listening and event in ("open", "os.listdir", "os.scandir", "glob.glob", "subprocess.Popen", "os.mkdir"):
        opened.append(str(arguments))


sys.addaudithook(_hear)


@contextmanager
def heard() -> Iterator[list[str]]:
    """What was opened meanwhile."""
    global listening
    opened.clear()
    listening = True
    try:
        yield opened
    finally:
        listening = False


ROOTS = (
    "../secret", "../../etc/passwd", "/etc/passwd", "/", "..", ".", "~/.ssh/id_ed25519", "secret\x00.png", "\x00", "",
    "a\nb", "\x1b[31mred", "\u202esecret", "ｓｅｃｒｅｔ", "sécret", "\ud800", "𝔰ecret", "secret" * 2000, "x" * 501,
    "file:///etc/passwd", "C:\\secret", "\\\\host\\secret", "%2e%2e%2fsecret", "secret;DROP TABLE model_versions",
    "' OR '1'='1", "secret%", "secret_", "*", "secret*", "{{7*7}}", "${HOME}/secret", "$(cat secret)", "`cat secret`",
    "<script>secret</script>", "[red]secret[/]", "models:/../secret", "models:/secret/../../x", "@../secret",
    "secret@../../x", "-rf", "--help", "nan", "-1", "1e999", "None", "sqlite:///secret", "s3://secret/x",
    "md5:../../secret", "sha256:/etc/passwd", "md5:" + "0" * 31 + "/",
)  # fmt: skip
HOSTILE = [
    *ROOTS,
    *(f"{kind}:{text}" for kind in KINDS for text in ROOTS),
    *(f"models:/{text}" for text in ROOTS),
    *(f"cells/{text}" for text in ROOTS),
    *(f"cells@{text}" for text in ROOTS),
    *(quote(text, errors="replace") for text in ROOTS),
]


@pytest.fixture(scope="module")
def readers(world: World) -> list[Reader]:
    """The readers of a home, every snapshot taken."""
    found = world.readers()
    with pytest.raises(UsageError):
        resolve("f" * 64, found, model_name="cells")
    return found


def test_hostile_subjects_open_nothing(world: World, readers: list[Reader]) -> None:
    assert len(set(HOSTILE)) >= 500
    allowed = (str(world.home.root), str(world.project))
    for text in dict.fromkeys(HOSTILE):
        with heard() as files, pytest.raises(UsageError) as refused:
            resolve(text, readers, model_name="cells")
        outside = [name for name in files if not any(place in name for place in allowed)]
        assert not [name for name in outside if "site-packages" not in name and "lib/python" not in name], text
        assert not [name for name in files if "secret" in name or "passwd" in name], text
        assert len(str(refused.value)) < 2000


def test_the_listener_hears(tmp_path: Path) -> None:
    with heard() as files:
        (tmp_path / "secret").write_text("x")
    assert any("secret" in name for name in files)

"""Names and paths meant to break out, in every place where a stranger may write one: nothing outside is touched.

An audit hook hears every file that Python opens, lists, links, moves or removes meanwhile. What is allowed: below the
home and the data folder, Python's own libraries, and the operating system's.
"""

import csv
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.data.versions.keeping import KeptVersions
from hematovision.errors import HematoVisionError
from hematovision.feedback.exchange import export_items, import_table
from hematovision.feedback.records import Correction
from hematovision.ledger.artifacts import inside
from hematovision.ledger.proof import read_archive
from hematovision.registry import catalogue
from hematovision.registry.custody import measure_artifact
from hematovision.registry.data_usage import data_of
from hematovision.registry.versions import find_version
from tests.feedback.cells import store_at, tiny
from tests.promotion.paper_registry import Laboratory, prepare_laboratory

HEARD = {
    "open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink",
    "os.chmod", "os.truncate", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.rmtree", "glob.glob",
    "subprocess.Popen", "os.system", "os.exec", "sqlite3.connect", "socket.connect", "urllib.Request",
}  # fmt: skip
heard: list[tuple[str, str]] = []
listening = False


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if listening and event in HEARD:
        heard.extend((event, os.fsdecode(one)) for one in arguments if isinstance(one, str | bytes | os.PathLike))


sys.addaudithook(_hear)

PLANTED = "planted-secret"
TARGETS = (PLANTED, f"outside/{PLANTED}", "etc/passwd", "root/.ssh/id_ed25519", "proc/self/environ", "dev/stdin")
SECRETS = ("etc/passwd", "id_ed25519", "self/environ")
BEGINNINGS = (
    "../", "../../", "../../../../../../../../", "/", "//", "./../", "a/../../", "..\\", "..\\..\\",
    "C:\\", "\\\\host\\", "~/", "~root/", "file:///", "file://localhost/", "%2e%2e/", "..%2f", "%252e%252e%252f",
    "....//", "..;/",
    "\u2025/", "\uff0e\uff0e/", "\u2024\u2024\u2215", "..\u2044", "..\u29f8", "x/\x00../../", "$HOME/", "${PWD}/../",
    "models:/../", "runs:/../", "home:../", "s3://", "http://127.0.0.1:9/", "sqlite:///", "-o ", "|cat ", ";cat ",
)  # fmt: skip
ENDINGS = ("", "\x00", "\x00.png", "/.", "#files", "?x=1", "@champion")
WHOLE = (
    "", " ", ".", "..", "...", "/", "\\", "\x00", "\n", "\r\n", "\t", "\x1b[2J", "\x7f", "\u202e", "\u200b", "\ufeff",
    "\ud800",
    "é", "e\u0301", "ﬁ", "ｓｅｃｒｅｔ", "𝔰", "🩸" * 40, "a" * 256, "a" * 5_000, "a/" * 2_000, "../" * 2_000,
    "CON", "nul.png", "aux/x",
    "-", "--help", "-rf", "*", "?", "[a-z]*", "{a,b}", "`id`", "$(id)", "<script>alert(1)</script>", "[red]x[/]",
    "' OR '1'='1", "x'; DROP TABLE ledger_records;--", "{{7*7}}", "${jndi:ldap://x}", "=cmd|'/c calc'!A0", "%s%n",
    "NaN", "-1",
    "1e999", "None", "null", "true", "__class__", ".git/config", ".hidden", "digests.json", "manifest.csv",
)  # fmt: skip
NAMES = list(
    dict.fromkeys([*WHOLE, *(f"{start}{target}{end}" for start in BEGINNINGS for target in TARGETS for end in ENDINGS)])
)


SOME = [*dict.fromkeys([*WHOLE, *NAMES[len(WHOLE) :: 3]])]
"""Of each kind some, where every name takes a question to a database."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the home and the data in it, and secrets beside them."""
    root = tmp_path_factory.mktemp("hostile")
    for folder in (root, root / "outside"):
        folder.mkdir(exist_ok=True)
        (folder / PLANTED).write_bytes(tiny(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'home' / 'mlflow.db'}")
        yield root


@pytest.fixture(scope="module")
def laboratory(place: Path) -> Laboratory:
    """A registry with one version."""
    made = prepare_laboratory(place / "home")
    made.register()
    return made


@contextmanager
def nothing_outside(place: Path) -> Iterator[None]:
    """Fails where anything beside home and data, or a secret of the machine, was touched."""
    global listening
    before = _beside(place)
    heard.clear()
    listening = True
    try:
        yield
    finally:
        listening = False
    assert _beside(place) == before
    assert [(event, path) for event, path in heard if _is_outside(place, path)] == []


def _is_outside(place: Path, text: str) -> bool:
    """Links and `..` followed, as the operating system would."""
    try:
        path = Path(text).resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    ours = any(path.is_relative_to(place / folder) for folder in ("home", "data"))
    return not ours and path != place and (path.is_relative_to(place) or str(path).endswith(SECRETS))


def _beside(place: Path) -> dict[str, int]:
    """Everything outside the stores, with when it was changed."""
    kept = [path for path in place.iterdir() if path.name not in ("home", "data")]
    kept += [path for folder in kept if folder.is_dir() for path in folder.rglob("*")]
    return {str(path): path.lstat().st_mtime_ns for path in kept}


def test_there_are_many() -> None:
    assert len(NAMES) >= len(SOME) >= 500


def test_the_listener_hears(place: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError), nothing_outside(place):
        (place / PLANTED).read_bytes()
    with pytest.raises(AssertionError), nothing_outside(place):
        (place / "new").touch()
    (place / "new").unlink()


def _table(folder: Path, rows: list[tuple[str, str]]) -> Path:
    folder.mkdir(parents=True)
    (folder / "cell.png").write_bytes(tiny(3))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        table = csv.writer(file)
        table.writerows([("path", "label"), *rows])
    return folder / "manifest.csv"


def _text(name: str) -> bool:
    """Whether a UTF-8 table can hold it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name) and "\x00" not in name


TEXTS = [name for name in NAMES if _text(name)]


def test_file_names_of_a_table(place: Path) -> None:
    table = _table(place / "data" / "paths", [(name, "monocyte") for name in TEXTS])
    with nothing_outside(place):
        for item in open_source(table, voc_margin=0.0, max_pixels=10**6).items():
            with suppress(HematoVisionError):
                assert item.load() != tiny(1), item.name


def test_a_table_with_what_is_no_text(place: Path) -> None:
    for number, name in enumerate(name for name in NAMES if not _text(name)):
        table = _table(place / "data" / f"odd-{number}", [(name, "monocyte"), ("cell.png", name)])
        with nothing_outside(place), suppress(HematoVisionError):
            for item in open_source(table, voc_margin=0.0, max_pixels=10**6).items():
                with suppress(HematoVisionError):
                    assert item.load() == tiny(3)
        shutil.rmtree(table.parent)


def test_names_on_disk_and_links(place: Path) -> None:
    folder = place / "data" / "classes"
    (folder / "monocyte").mkdir(parents=True)
    (folder / "monocyte" / "cell.png").write_bytes(tiny(3))
    (folder / "monocyte" / "link.png").symlink_to(place / PLANTED)
    (folder / "monocyte" / "far.png").symlink_to("../../../outside/" + PLANTED)
    (folder / "linked").symlink_to(place / "outside")
    made = 0
    for number, name in enumerate(NAMES):
        safe = name.replace("/", "\u2215").replace("\x00", "")
        with suppress(OSError, UnicodeEncodeError):
            (folder / safe).mkdir()
            (folder / safe / f"{safe[:60]}.png").write_bytes(tiny(4 + number % 2))
            made += 1
    assert made > 200
    good = 0
    with nothing_outside(place):
        for item in open_source(folder, voc_margin=0.0, max_pixels=10**6).items():
            with suppress(HematoVisionError):
                assert item.load() != tiny(1), item.name
                good += 1
    assert good


def test_entries_of_an_archive(place: Path) -> None:
    folder = place / "data" / "archives"
    folder.mkdir(parents=True)
    pixels = np.zeros((2, 28, 28, 3), np.uint8)
    for number, name in enumerate(TEXTS[:: len(TEXTS) // 40]):
        made = folder / f"{number}.npz"
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name or "x"), pixels.tobytes())
        with nothing_outside(place):
            with pytest.raises(HematoVisionError):
                list(open_source(made, voc_margin=0.0, max_pixels=10**6).items())
            with suppress(ValueError, KeyError, HematoVisionError):
                read_archive(made)


def test_names_in_feedback(place: Path) -> None:
    store, root = store_at(place / "home"), place / "data" / "feedback"
    kept = []
    with nothing_outside(place):
        for field in ("label", "site", "slide", "client", "client_key", "by"):
            for name in NAMES:
                said = {"image": b"x", "label": "monocyte", "by": "ann", "role": "review", "source": "api"}
                with suppress(ValidationError):
                    kept.append(Correction.model_validate({**said, "client_key": "k", field: name}))
        labels = sorted({correction.label for correction in kept})
        for number, label in enumerate(labels[:40]):
            said = {"image": tiny(100 + number), "label": label, "by": "ann", "role": "review", "source": "api"}
            store.submit(Correction.model_validate({**said, "client_key": str(number), "slide": label, "site": label}))
        root.mkdir(parents=True)
        exported = export_items(store, store.items(), root / "csv")
    assert exported.count == len(labels[:40]) > 5
    assert all(item.load() for item in open_source(root / "csv", voc_margin=0.0, max_pixels=10**6).items())
    plain = [item for item in store.items() if item.label not in ("CON",)]
    with nothing_outside(place):
        export_items(store, plain, root / "folders", layout="folders")
    files = [path for path in (root / "folders").rglob("*.png") if path.is_file()]
    assert {path.parent.parent for path in files} == {root / "folders"}


def test_a_table_of_feedback(place: Path) -> None:
    store = store_at(place / "home")
    table = _table(place / "data" / "imported", [(name, "monocyte") for name in TEXTS])
    with nothing_outside(place):
        outcome = import_table(store, table, by="ann", role="review", max_pixels=10**6)
    assert outcome.items == []


Ask = Callable[[Laboratory, str], object]
ENTRIES: dict[str, Ask] = {
    "a version": lambda at, name: find_version(at.home, f"models:/paper/{name}"),
    "a model": lambda at, name: find_version(at.home, f"models:/{name}/1"),
    "an alias": lambda at, name: find_version(at.home, f"models:/paper@{name}"),
    "what a person types": lambda at, name: catalogue.named_version(at.home, name, "paper"),
    "the data of a model": lambda at, name: KeptVersions(at.home.data_versions).find(data_of(at.home, name)),
    "an artifact in the home": lambda at, name: inside(at.home.root, f"../{name}"),
    "an image": lambda at, name: ImageStore(at.home.images).read(name),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_names_of_versions_models_and_images(place: Path, laboratory: Laboratory, entry: str) -> None:
    with nothing_outside(place):
        for name in SOME:
            with pytest.raises(HematoVisionError):
                ENTRIES[entry](laboratory, name)


@pytest.mark.parametrize("scheme", ["runs:/", "models:/", "home:", "models:/paper/1#"])
def test_addresses_of_artifacts_and_runs(place: Path, laboratory: Laboratory, scheme: str) -> None:
    with nothing_outside(place):
        for name in NAMES if scheme == "home:" else SOME[::4]:
            with suppress(HematoVisionError):
                assert measure_artifact(laboratory.home, f"{scheme}{name}") != hashlib.sha256(tiny(1)).hexdigest()


def test_a_link_in_the_home_leads_nowhere(place: Path, laboratory: Laboratory) -> None:
    link = laboratory.home.root / "linked"
    link.symlink_to(place / "outside")
    with nothing_outside(place), pytest.raises(HematoVisionError):
        measure_artifact(laboratory.home, f"home:linked/{PLANTED}")
    link.unlink()

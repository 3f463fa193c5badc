"""A second place for data versions: a folder and an HTTP server, by the real DVC."""

import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hematovision.config import load_config
from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion
from hematovision.data.versions.remote import pull, push, restore_from_anywhere
from hematovision.data.versions.restoring import contents, damaged
from hematovision.errors import HematoVisionError, UsageError
from tests.data.versions.test_keeping import files_of, folder, images, kept, versions

__all__ = ["folder", "images", "kept", "versions"]


def lose(versions: KeptVersions) -> None:
    for file in versions.cache.rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


def test_a_version_survives_in_the_remote(
    versions: KeptVersions, kept: KeptVersion, remote: Path, tmp_path: Path
) -> None:
    before = {name: versions.object(md5).read_bytes() for name, md5 in contents(kept, versions).items()}
    assert push(versions, [kept], str(remote), {}).files == 6
    assert push(versions, [kept], str(remote), {}).files == 0
    lose(versions)
    back = restore_from_anywhere(kept, versions, tmp_path / "back", str(remote), {})
    assert files_of(back) == before
    assert pull(versions, [kept], str(remote), {}).files == 0


def test_harm_here_is_mended_from_the_remote(versions: KeptVersions, kept: KeptVersion, remote: Path) -> None:
    push(versions, [kept], str(remote), {})
    place = versions.object(contents(kept, versions)["images/monocyte/c.png"])
    place.unlink()
    place.write_bytes(b"altered")
    place.chmod(0o444)  # DVC takes a file that may not be written for an unaltered one
    assert pull(versions, [kept], str(remote), {}).files == 1
    assert damaged(kept, versions) == []


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_damaged_remote_is_named_with_the_file(
    versions: KeptVersions, kept: KeptVersion, remote: Path, tmp_path: Path, harm: str
) -> None:
    push(versions, [kept], str(remote), {})
    md5 = contents(kept, versions)["images/monocyte/c.png"]
    place = remote / "files" / "md5" / md5[:2] / md5[2:]
    place.unlink()
    if harm == "changed":
        place.write_bytes(b"altered")
    lose(versions)
    with pytest.raises(HematoVisionError, match=r"missing or damaged in .*remote: images/monocyte/c\.png"):
        restore_from_anywhere(kept, versions, tmp_path / "back", str(remote), {})
    assert not (tmp_path / "back").exists()
    assert damaged(kept, versions) == ["images/monocyte/c.png"]


def test_a_remote_without_the_version_or_with_a_damaged_list_is_named(
    versions: KeptVersions, kept: KeptVersion, remote: Path
) -> None:
    push(versions, [kept], str(remote), {})
    lose(versions)
    listing = remote / "files" / "md5" / kept.content[:2] / kept.content[2:]
    listing.chmod(0o644)
    listing.write_bytes(listing.read_bytes() + b" ")
    with pytest.raises(HematoVisionError, match="does not hold it, or holds a damaged list"):
        pull(versions, [kept], str(remote), {})
    with pytest.raises(HematoVisionError, match="does not hold it, or holds a damaged list"):
        pull(versions, [kept], str(remote.with_name("empty")), {})


def test_damaged_bytes_are_not_pushed(versions: KeptVersions, kept: KeptVersion, remote: Path) -> None:
    versions.object(contents(kept, versions)["LICENSE"]).unlink()
    with pytest.raises(HematoVisionError, match="damaged here and was not pushed: LICENSE"):
        push(versions, [kept], str(remote), {})
    assert not remote.exists()


class Uploads(SimpleHTTPRequestHandler):
    """Takes files by PUT and gives them back."""

    def do_PUT(self) -> None:
        place = Path(self.translate_path(self.path))
        place.parent.mkdir(parents=True, exist_ok=True)
        coded = self.headers.get("Transfer-Encoding", "") == "chunked"
        place.write_bytes(self._chunks() if coded else self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    served = str(tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Uploads(*given, directory=served)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/data"
        http.shutdown()
        thread.join()


def test_an_http_server_can_hold_versions(
    versions: KeptVersions, kept: KeptVersion, server: str, tmp_path: Path
) -> None:
    options = {"method": "PUT"}
    push(versions, [kept], server, options)
    lose(versions)
    back = restore_from_anywhere(kept, versions, tmp_path / "back", server, options)
    assert (back / "LICENSE").read_text() == "CC BY 4.0\n"


def test_what_dvc_cannot_use_is_said(versions: KeptVersions, kept: KeptVersion) -> None:
    with pytest.raises(UsageError, match="data_versions"):
        push(versions, [kept], "s3://bucket/path", {"endpoint": "http://minio:9000"})
    with pytest.raises(HematoVisionError, match=r"5 files could not be copied.*Cannot connect to host 127\.0\.0\.1"):
        push(versions, [kept], "http://127.0.0.1:1/data", {})


@pytest.mark.parametrize(
    "wrong",
    [{"remote": "https://me:secret@host/data"}, {"options": {"secret_access_key": "x"}}, {"options": {"token": "x"}}],
)
def test_credentials_do_not_stand_in_the_configuration(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="settings are recorded with every run") as refusal:
        load_config(None, {"data_versions": wrong})
    assert "secret@" not in str(refusal.value)

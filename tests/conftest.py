"""A home of its own for the whole test session, set before anything heavy is imported."""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hematovision.home import activate_home, locate_home

TORCH_HOME = locate_home().root / "torch"
_home = Path(tempfile.mkdtemp(prefix="hematovision-tests-"))
os.environ["HEMATOVISION_HOME"] = str(_home)
for _name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_name, None)
os.environ.setdefault("TORCH_HOME", str(TORCH_HOME))
# Workers share the cores: more threads than cores wait for each other by spinning.
_beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _beside)))
activate_home()

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _remove_home() -> Iterator[None]:
    yield
    shutil.rmtree(_home, ignore_errors=True)


def _real(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real cells of {name} are not on this machine")
    return folder


@pytest.fixture(scope="session")
def pbc500() -> Path:
    """500 real white cells, a folder a class."""
    return _real("pbc500")


@pytest.fixture(scope="session")
def bccd() -> Path:
    """364 real smear photographs with boxes."""
    return _real("bccd")


def _postgres_program(name: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not on this machine")
    return found


def _postgres_user() -> str:
    """PostgreSQL does not run as root."""
    if os.getuid():
        return getpass.getuser()
    return next(name for name in ("postgres", "nobody") if any(one.pw_name == name for one in pwd.getpwall()))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, without network, gone afterwards."""
    initdb, server = _postgres_program("initdb"), _postgres_program("postgres")
    user = _postgres_user()
    folder = Path(tempfile.mkdtemp(prefix="hematovision-postgres-"))
    data = folder / "data"
    if not os.getuid():
        shutil.chown(folder, user)
    owner = {"user": user, "extra_groups": []} if not os.getuid() else {}
    subprocess.run([initdb, "-D", data, "-U", "tests", "-A", "trust", "-N"], **owner, check=True, capture_output=True)  # type: ignore[call-overload]
    command = [server, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    with subprocess.Popen(command, **owner, stderr=subprocess.DEVNULL) as running:
        _await_socket(running, folder / ".s.PGSQL.5432")
        yield f"postgresql+psycopg://tests@/postgres?host={folder}"
        running.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def _await_socket(running: "subprocess.Popen[bytes]", socket: Path) -> None:
    import time

    import psycopg

    end = time.monotonic() + 60
    while time.monotonic() < end and running.poll() is None:
        try:
            psycopg.connect(host=str(socket.parent), user="tests", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("PostgreSQL did not come up")


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    import uuid

    from sqlalchemy import create_engine, make_url, text

    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()

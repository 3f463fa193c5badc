"""A ledger in a home of its own, and people with keys."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hematovision.home import Home
from hematovision.ledger import Ledger, add_reviewer, create_key, key_request, load_key, open_ledger


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def ledger(home: Home) -> Ledger:
    return open_ledger(home, None)


@pytest.fixture
def person(tmp_path: Path, ledger: Ledger) -> Callable[..., Ed25519PrivateKey]:
    """Enrol a reviewer with a key of their own."""

    def enrol(name: str, *roles: str, administrator: Ed25519PrivateKey | None = None) -> Ed25519PrivateKey:
        path = tmp_path / f"{name}.pem"
        create_key(path, None)
        private_key = load_key(path, None)
        add_reviewer(
            ledger,
            key_request(private_key, name),
            roles or ("pathologist",),
            actor="user:someone",
            administrator=administrator,
        )
        return private_key

    return enrol

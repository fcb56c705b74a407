"""A developer who signed up at a running sandbox, as each client's test is given it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from creditlink.sandbox.banks.keys import SigningKey, new_key
from tests.developers.conftest import (
    HOME,
    Developer,
    firms,
    make_developer,
    office_addresses,
    offices,
    owner,
    person,
    platform,
    scripted_city,
)

__all__ = [
    "firms", "make_developer", "office_addresses", "offices", "owner", "person", "platform", "scripted_city",
]  # fmt: skip


@dataclass(frozen=True)
class SignedUp:
    """What a developer has once they signed up: where the sandbox is, their client, its key, and a firm that agrees."""

    issuer: str
    client_id: str
    key: SigningKey
    key_file: Path
    redirect_uri: str
    uscc: str
    developer: Developer

    def environment(self) -> dict[str, str]:
        """Return what a program of the developer is told."""
        return {
            "CREDITLINK_ISSUER": self.issuer, "CREDITLINK_CLIENT_ID": self.client_id, "CREDITLINK_KID": self.key.kid,
            "CREDITLINK_KEY": str(self.key_file), "CREDITLINK_REDIRECT_URI": self.redirect_uri,
            "CREDITLINK_USCC": self.uscc,
        }  # fmt: skip


@pytest.fixture
def signed_up(platform, tmp_path) -> SignedUp:
    """A developer's client, with a key and an address to come back to."""
    app, issuer, firms = platform
    developer, key = Developer(app.test_client()), new_key("ES256")
    developer.join("dev@example.com")
    developer.register(key)
    developer.get(f"{HOME}/")
    redirect_uri = f"{issuer}/health/live"
    assert developer.post(f"{HOME}/addresses", addresses=redirect_uri).status_code == 303
    key_file = tmp_path / "creditlink-key.pem"
    key_file.write_bytes(key.as_pem(private=True))
    return SignedUp(issuer, developer.client_id(), key, key_file, redirect_uri, firms[0].uscc, developer)

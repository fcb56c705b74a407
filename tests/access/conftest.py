"""The bank of the authorization server's tests, here too."""

from tests.oauth.conftest import (
    app,
    approve,
    authorized,
    bank,
    clock,
    firm,
    http,
    make_bank,
    two_addresses,
    two_servers,
)

__all__ = [
    "app",
    "approve",
    "authorized",
    "bank",
    "clock",
    "firm",
    "http",
    "make_bank",
    "two_addresses",
    "two_servers",
]

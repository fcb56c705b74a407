"""The bank of the authorization server's tests, here too."""

from tests.oauth.conftest import approve, authorized, bank, firm, http, make_bank

__all__ = ["approve", "authorized", "bank", "firm", "http", "make_bank"]

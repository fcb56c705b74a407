"""A bank that has read everything once, and then loses its right to it."""

from tests.oauth.conftest import approve, make_bank
from tests.portal.conftest import owner, person
from tests.profiles.conftest import city, delivered, firm, http, products, rich_firm

__all__ = ["approve", "city", "delivered", "firm", "http", "make_bank", "owner", "person", "products", "rich_firm"]

"""A bank with the profile of a rich firm, as the tests of profiles have it."""

from tests.profiles.conftest import authorized, bank, city, created, delivered, firm, http, products, rich_firm

__all__ = ["authorized", "bank", "city", "created", "delivered", "firm", "http", "products", "rich_firm"]

"""Loads of the registry, as in the tests of the feed."""

from tests.enterprises.registry.conftest import load

__all__ = ["load"]

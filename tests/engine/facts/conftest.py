"""The settings as they are shipped."""

from tests.records.conftest import shipped

__all__ = ["shipped"]

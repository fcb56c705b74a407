"""What can be granted here: the categories that a connected source holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from creditlink.consents.agreement.categories import GRANTABLE


@dataclass(frozen=True)
class ServedCategories:
    """The categories that a request may ask for and a page offers, beside the public ones, in the order of lists."""

    categories: tuple[str, ...]

    @classmethod
    def of(cls, connected: Iterable[str]) -> ServedCategories:
        """Return those that a firm can grant, of the categories that sources hold."""
        held = set(connected)
        return cls(tuple(category for category in GRANTABLE if category in held))

    def __contains__(self, category: object) -> bool:
        return category in self.categories

"""The catalogue of data: what each category holds, whose it is, how fresh and how sensitive.

Pure: connectors, consent pages, coverage and the generated reference all read it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from creditlink.records.frames import CATEGORY_FRAMES

Frequency = Literal["on_change", "daily", "monthly"]
Sensitivity = Literal["public", "internal", "confidential"]


@dataclass(frozen=True)
class Item:
    """One column of a record frame, for people."""

    frame: str
    name: str
    label_zh: str
    label_en: str
    unit: str  # fen, day, count, kWh, m3, code, flag, share


@dataclass(frozen=True)
class DataCategory:
    """One data category: the unit of consent."""

    code: str
    label_zh: str
    label_en: str
    owner_zh: str
    owner_en: str
    source: str | None  # the connected office; None: not connected yet
    frequency: Frequency
    sensitivity: Sensitivity
    legal_basis: str
    consent_scope: str | None  # None: public by law, read without consent
    items: tuple[Item, ...]

    @property
    def frames(self) -> tuple[str, ...]:
        """Return the record frames that the category opens."""
        return CATEGORY_FRAMES[self.code]

"""One row of the registry's feed, read: each wrong field is named with its value. Pure.

What a row does not name stays as it is. Whether a value is one that a firm can have is the registry's own rule
(`enterprises.service`); here is what a row must be to be understood at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from creditlink.engine.vocabulary import ENTITY_TYPES, LIFE_CYCLE
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.clock import EARLIEST_YEAR, day_from
from creditlink.kit.files import text

LONGEST: Mapping[str, int] = {
    "name": 200,
    "name_en": 300,
    "legal_representative": 100,
    "representative_id": 64,
    "address": 300,
}
"""Texts and their most characters."""

MOST_ITEMS = 500
"""Shareholders, branches or guarantees of one row; no small firm has more."""

WHOLE_BPS = 10_000
_SEQUENCE = re.compile(r"[0-9A-Za-z._:-]{1,64}")
_SHOWN = 80
_AMOUNTS = ("registered_capital_fen", "paid_in_capital_fen")
_DAYS = ("established_on", "valid_from")
_ITEMS: Mapping[str, tuple[str, ...]] = {
    "shareholders": ("name", "uscc", "person_id", "share_bps"),
    "branches": ("name", "uscc"),
    "guarantees": ("name", "uscc", "amount_fen"),
}
FIELDS = (
    *("sequence", "uscc", "former_uscc", "status", "entity_type", "industry", "region"),
    *LONGEST,
    *_AMOUNTS,
    *_DAYS,
    *_ITEMS,
)
"""What a row may name."""


@dataclass(frozen=True, slots=True)
class FieldFlaw:
    """What is wrong with one field of a row."""

    field: str
    value: str
    problem: str

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"field": self.field, "value": self.value, "problem": self.problem}

    def __str__(self) -> str:
        """Return it as one sentence."""
        return f"field {self.field!r}: value {self.value!r}: {self.problem}"


class ChangeInvalid(ValueError):
    """A row cannot be taken; `flaws` names each field."""

    def __init__(self, flaws: list[FieldFlaw]) -> None:
        self.flaws = flaws
        super().__init__("; ".join(map(str, flaws)))


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An entry of a list: a shareholder, a branch, a firm that is guaranteed for."""

    name: str
    uscc: str | None = None
    person_id: str | None = None
    share_bps: int | None = None
    amount_fen: int | None = None


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """A row: the firm, and what the registry says of it; None where it says nothing.

    Attributes
    ----------
    registration : columns that a score reads, by name.
    valid_from : the day from which it is in force; None: from the day it is learned.
    """

    sequence: str | None
    uscc: str
    former_uscc: str | None = None
    name: str | None = None
    name_en: str | None = None
    registration: Mapping[str, object] = field(default_factory=dict)
    legal_representative: str | None = None
    representative_id: str | None = None
    address: str | None = None
    shareholders: tuple[ListedItem, ...] | None = None
    branches: tuple[ListedItem, ...] | None = None
    guarantees: tuple[ListedItem, ...] | None = None
    valid_from: date | None = None


def excerpt(value: object) -> str:
    """Return the start of a value, for messages."""
    return text.printable(value if isinstance(value, str) else repr(value))[:_SHOWN]


def readable_uscc(raw: Mapping[str, object]) -> str | None:
    """Return the code of a row, if it has one that a firm could have; for rows that are otherwise wrong too."""
    given = raw.get("uscc")
    checked = uscc_rules.check(given[:_SHOWN]) if isinstance(given, str) else None
    return checked.uscc if checked and checked.well_formed else None


def change_of(raw: Mapping[str, object]) -> RegistryChange:
    """Return what a row says.

    Parameters
    ----------
    raw : member -> its JSON value, as in `FIELDS`; null says nothing.

    Raises
    ------
    ChangeInvalid
        A member is unknown, of another type, too long, not to be stored, or contradicts another.
    """
    reader = _Reader({name: value for name, value in raw.items() if value is not None})
    change = reader.change()
    if reader.flaws:
        raise ChangeInvalid(sorted(reader.flaws, key=lambda flaw: flaw.field))
    return change


class _Reader:
    """Reads the members of one row, and collects what is wrong with them."""

    def __init__(self, raw: Mapping[str, object], place: str = "") -> None:
        self.raw, self.place = raw, place
        self.flaws: list[FieldFlaw] = []

    def wrong(self, name: str, problem: str) -> None:
        self.flaws.append(FieldFlaw(self.place + name, excerpt(self.raw.get(name, "")), problem))

    def unknown(self, known: tuple[str, ...]) -> None:
        for name in self.raw:
            if name not in known:
                self.flaws.append(
                    FieldFlaw(excerpt(self.place + name), excerpt(self.raw[name]), f"is none of {', '.join(known)}")
                )

    def change(self) -> RegistryChange:
        self.unknown(FIELDS)
        sequence = self.text("sequence", 64)
        if sequence is not None and not _SEQUENCE.fullmatch(sequence):
            self.wrong("sequence", "must be 1 to 64 of letters, digits and . _ : -")
        uscc, former = self.code("uscc"), self.code("former_uscc")
        if "uscc" not in self.raw:
            self.wrong("uscc", "is missing")
        if former is not None and former == uscc:
            self.wrong("former_uscc", "is the code itself")
        texts = {name: self.text(name, most) for name, most in LONGEST.items()}
        if texts["representative_id"] is not None and texts["legal_representative"] is None:
            self.wrong("representative_id", "needs legal_representative")
        registration: dict[str, object] = {
            name: value
            for name, value in (
                ("status", self.one_of("status", LIFE_CYCLE)),
                ("entity_type", self.one_of("entity_type", ENTITY_TYPES)),
                ("industry", self.text("industry", 3)),
                ("region", self.text("region", 6)),
                *((name, self.amount(name)) for name in _AMOUNTS),
                ("established_on", self.day("established_on")),
            )
            if value is not None
        }
        return RegistryChange(
            sequence,
            uscc or "",
            former,
            texts["name"],
            texts["name_en"],
            registration,
            texts["legal_representative"],
            texts["representative_id"],
            texts["address"],
            self.items("shareholders", uscc),
            self.items("branches", uscc),
            self.items("guarantees", uscc),
            self.day("valid_from"),
        )

    def text(self, name: str, most: int) -> str | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "must be a text")
        elif problem := text.flaw(value):
            self.wrong(name, problem)
        elif not (stripped := value.strip()):
            self.wrong(name, "must not be empty")
        elif len(stripped) > most:
            self.wrong(name, f"must have at most {most} characters")
        elif not stripped.isprintable():
            self.wrong(name, "holds a control character")
        else:
            return stripped
        return None

    def code(self, name: str) -> str | None:
        given = self.text(name, _SHOWN)
        if given is None:
            return None
        checked = uscc_rules.check(given)
        if not checked.well_formed:
            self.wrong(name, checked.reason or "is no code")
            return None
        return checked.uscc

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        given = self.text(name, _SHOWN)
        if given is not None and given not in known:
            self.wrong(name, f"must be one of {', '.join(known)}")
            return None
        return given

    def amount(self, name: str, most: int = 2**63 - 1) -> int | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            self.wrong(name, f"must be a whole number from 0 to {most}")
            return None
        return value

    def day(self, name: str) -> date | None:
        value = self.raw.get(name)
        if value is None:
            return None
        try:
            day = day_from(value)
        except ValueError:
            self.wrong(name, "must be a day YYYY-MM-DD")
            return None
        if day.year < EARLIEST_YEAR:
            self.wrong(name, f"must not lie before {EARLIEST_YEAR}")
            return None
        return day

    def items(self, name: str, own: str | None) -> tuple[ListedItem, ...] | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong(name, "must be a list")
            return None
        if len(value) > MOST_ITEMS:
            self.wrong(name, f"must have at most {MOST_ITEMS} entries")
            return None
        items = [item for place, one in enumerate(value) if (item := self.item(name, place, one)) is not None]
        if any(item.uscc is not None and item.uscc == own for item in items):
            self.wrong(name, "names the firm itself")
        # Persons of one name are several persons, unless the registrar says that they are one.
        known = [key for item in items if (key := item.uscc or item.person_id) is not None]
        if len(set(known)) < len(known):
            self.wrong(name, "names one of them twice")
        # Each share is rounded to a hundredth of a percent.
        if sum(item.share_bps or 0 for item in items) > WHOLE_BPS + len(items):
            self.wrong(name, f"has shares of more than {WHOLE_BPS} in all")
        return tuple(items)

    def item(self, name: str, place: int, one: object) -> ListedItem | None:
        inner = _Reader(
            {key: value for key, value in one.items() if value is not None} if isinstance(one, dict) else {},
            f"{name}[{place}].",
        )
        if not isinstance(one, dict):
            self.flaws.append(FieldFlaw(f"{name}[{place}]", excerpt(one), "must be an object"))
            return None
        item = inner.listed(_ITEMS[name], needs_code=name == "guarantees")
        self.flaws += inner.flaws
        return None if inner.flaws else item

    def listed(self, known: tuple[str, ...], *, needs_code: bool) -> ListedItem:
        self.unknown(known)
        name, uscc, person = self.text("name", LONGEST["name"]), self.code("uscc"), self.text("person_id", 64)
        if name is None and "name" not in self.raw:
            self.wrong("name", "is missing")
        if uscc is not None and person is not None:
            self.wrong("person_id", "is given beside a firm's code")
        if needs_code and "uscc" not in self.raw:
            self.wrong("uscc", "is missing")
        return ListedItem(name or "", uscc, person, self.amount("share_bps", WHOLE_BPS), self.amount("amount_fen"))

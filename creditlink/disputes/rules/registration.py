"""What the register says of a firm, entry by entry, as something that can be disputed. Pure.

An entry is a datum without a month: it is in force until the registrar changes it. Of a list (shareholders, branches,
guarantees) the whole is one datum, written as lines, so that what is wanted can be compared with what comes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal

from creditlink.engine.vocabulary import (
    EARLIEST_FOUNDED,
    ENTITY_TYPES,
    LIFE_CYCLE,
    REGISTRATION_LABELS,
)
from creditlink.kit.clock import day_from
from creditlink.kit.files.text import flaw
from creditlink.kit.money import fen_from_yuan, yuan_text

FRAME = "registration"
SOURCE = "registry"
"""The registrar, as the catalogue of categories names it."""
UNDATED = date(1900, 1, 1)
"""Stands where other data have their month; nobody is shown it."""

LONGEST_TEXT = 300
LONGEST_LIST = 8_000
MOST_FEN = 10**17
_SHAPES = {"industry": re.compile(r"[A-T][0-9]{2}"), "region": re.compile(r"[0-9]{6}")}
Form = Literal["text", "list", "code", "choice", "day", "fen"]


class EntryInvalid(ValueError):
    """What an entry should say is nothing that it could say."""


@dataclass(frozen=True)
class RegistrationEntry:
    """One entry of the register: its labels, how it is written, and who reads it.

    Attributes
    ----------
    kind : where its versions are kept (`registry_versions`); None: a column of the firm, with a history of its own.
    in_profile : whether a profile is computed with it.
    may_lack : whether the register may hold nothing there; only of such an entry a score without it can be had.
    """

    name: str
    zh: str
    en: str
    form: Form
    kind: str | None = None
    in_profile: bool = False
    may_lack: bool = False
    choices: tuple[str, ...] = ()


ENTRIES: Mapping[str, RegistrationEntry] = {
    one.name: one
    for one in (
        RegistrationEntry("name", "企业名称", "Name", "text", "name"),
        RegistrationEntry("status", "登记状态", "Registration status", "choice", in_profile=True, choices=LIFE_CYCLE),
        RegistrationEntry("entity_type", "主体类型", "Entity type", "choice", in_profile=True, choices=ENTITY_TYPES),
        RegistrationEntry(
            "representative", "法定代表人", "Legal representative", "text", "representative", may_lack=True
        ),
        RegistrationEntry("registered_capital_fen", "注册资本", "Registered capital", "fen", None, True, True),
        RegistrationEntry("paid_in_capital_fen", "实缴资本", "Paid-in capital", "fen", None, True, True),
        RegistrationEntry("established_on", "成立日期", "Founded on", "day", None, True, True),
        RegistrationEntry("industry", "行业（GB/T 4754）", "Industry (GB/T 4754)", "code", in_profile=True),
        RegistrationEntry("region", "行政区划（GB/T 2260）", "Region (GB/T 2260)", "code", in_profile=True),
        RegistrationEntry("address", "住所", "Address", "text", "address", may_lack=True),
        RegistrationEntry("shareholders", "股东及出资比例", "Shareholders", "list", "shareholder", may_lack=True),
        RegistrationEntry("branches", "分支机构", "Branches", "list", "branch", may_lack=True),
        RegistrationEntry("guarantees", "登记的对外担保", "Registered guarantees", "list", "guarantee", may_lack=True),
    )
}
"""Name -> what it is. A wrong code is for the clearing list; what links a firm to others follows from these."""

Stored = str | int | None


def line_of(name: str, *, share_bps: int | None = None, amount_fen: int | None = None, uscc: str | None = None) -> str:
    """Return one entry of a list as a line: name, share or amount, code."""
    share = None if share_bps is None else f"{share_bps / 100:g}%"
    amount = None if amount_fen is None else yuan_text(amount_fen)
    return " ".join(part for part in (" ".join(name.split()), share, amount, uscc) if part)


def wanted_entry(name: str, text: str, *, today: date) -> Stored:
    """Return what an entry should say, from what a person wrote; `-` is nothing, where the register may lack it.

    Raises
    ------
    EntryInvalid
        There is no such entry, or the text is none of its values.
    """
    entry = ENTRIES.get(name)
    said = text.strip()
    if entry is None or not said or flaw(said):
        raise EntryInvalid("no entry, or nothing that may stand there")
    if said in ("-", "–"):
        if not entry.may_lack:
            raise EntryInvalid("the register always has this")
        return None
    try:
        return _read(entry, said, today)
    except (ValueError, InvalidOperation):
        raise EntryInvalid(f"not a value of {name}") from None


def _read(entry: RegistrationEntry, said: str, today: date) -> Stored:
    if len(said) > (LONGEST_LIST if entry.form == "list" else LONGEST_TEXT):
        raise ValueError("too long")
    if entry.form == "list":
        lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
        if not all(line.isprintable() for line in lines):
            raise ValueError("a control character")
        return "\n".join(lines)
    if not said.isprintable():
        raise ValueError("a control character")
    if entry.form == "choice" and said not in entry.choices:
        raise ValueError("none of its values")
    if entry.form == "code" and not _SHAPES[entry.name].fullmatch(said):
        raise ValueError("no such code")
    if entry.form == "day":
        day = day_from(said)
        if not EARLIEST_FOUNDED <= day <= today:
            raise ValueError("no such day")
        return day.isoformat()
    if entry.form == "fen":
        amount = Decimal(fen_from_yuan(said.replace(",", "").replace("，", "")))
        if not amount.is_finite() or not 0 <= amount <= MOST_FEN:
            raise ValueError("no such amount")
        return int(amount)
    return said


def is_same(one: object, other: object) -> bool:
    """Whether two values of an entry say the same: not by width of characters, spaces, or the order of a list."""
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value
    lines = ("".join(unicodedata.normalize("NFKC", line).split()) for line in value.splitlines())
    return sorted(line for line in lines if line)


def ends(said: object, wanted: Mapping[str, object], now: object, *, name: str, is_promised: bool) -> bool:
    """Whether what the register says now ends a dispute of what it said as corrected.

    Before the registrar has said that it corrected the entry, only the value that the firm named does; afterwards any
    other bears it out, since the registrar may have found a third one. Who named none is content with any change.
    """
    if said == now:
        return False
    return is_promised or name not in wanted or is_same(wanted[name], now)


def stored(value: object) -> Stored:
    """Return an entry as it is kept in a dispute.

    Raises
    ------
    TypeError
        It is none.
    """
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no value of the register: {value!r}")


def lines_of(lines: Sequence[str]) -> Stored:
    """Return a list as it is kept; nothing where it has no line."""
    return "\n".join(lines) or None


def words_of(entry: RegistrationEntry, value: Stored) -> tuple[str, str] | None:
    """Return the labels of a coded value in zh and en; None: it says itself."""
    return REGISTRATION_LABELS.get(value) if entry.form == "choice" and isinstance(value, str) else None

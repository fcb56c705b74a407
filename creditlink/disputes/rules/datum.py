"""A datum that a firm disputes: how it is named, what is claimed of it, and what it should say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from creditlink.disputes.rules import registration
from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import FRAME_KEYS
from creditlink.kit.clock import EARLIEST_YEAR, day_from
from creditlink.kit.files.text import flaw, printable
from creditlink.kit.money import fen_from_yuan

FRAMES: Mapping[str, tuple[str, str]] = {
    "vat_declarations": ("增值税申报", "VAT declarations"),
    "income_tax_returns": ("企业所得税申报", "Income-tax returns"),
    "invoice_months": ("开票与收票", "Invoices issued and received"),
    "tax_standing": ("纳税信用与欠税", "Taxpayer grade and arrears"),
    "tax_events": ("涉税违法、处罚与退税", "Tax violations, penalties and refunds"),
    "payroll_months": ("社会保险参保与缴费", "Social-security staff and payments"),
    "fund_months": ("住房公积金缴存", "Housing-fund deposits"),
    "meter_months": ("用量与账单", "Usage and bills"),
    "credit_events": ("公共信用记录", "Public records"),
    "contract_months": ("合同签订与履行", "Contracts signed and performed"),
    "property_grants": ("知识产权授权", "Intellectual property granted"),
    "shipment_months": ("发货与仓储", "Shipments and storage"),
    "customs_months": ("进出口报关", "Customs declarations"),
    registration.FRAME: ("登记信息", "Registration"),
}
"""Frame whose rows a firm sees and may dispute -> its label in zh and en; the last one is the register's."""

CLAIMS: Mapping[str, tuple[str, str]] = {
    "wrong": ("记录有误", "It is wrong"),
    "not_ours": ("不是本企业的记录", "It is not about our firm"),
    "outdated": ("已缴清、已结案或已过期", "It has been settled, or is over"),
    "repair": ("申请信用修复，提前停止公示", "Repair: we ask that its publication ends early"),
}
"""What a firm may claim -> its label in zh and en."""

REPAIR = "repair"
SEARCHED = "searched"
_LONGEST_KEY = 200
_LARGEST = 10**15
_LONGEST_VALUE = 60
_LATEST_YEAR = 2199
_FLAGS = {"是": True, "yes": True, "否": False, "no": False}


class DatumInvalid(ValueError):
    """A reference, or what the datum should say, is not one; `field` names which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Datum:
    """What identifies a fact of a firm or an entry of the register, whichever version of it is in force."""

    frame: str
    period: date
    subkey: str

    def __str__(self) -> str:
        return f"{self.frame}:{'' if self.is_registered else self.period.isoformat()}:{self.subkey}"

    @property
    def is_registered(self) -> bool:
        """Whether it is an entry of the register, which the key names."""
        return self.frame == registration.FRAME

    @property
    def month(self) -> str | None:
        """Return its month as YYYY-MM; None: it has none."""
        return None if self.is_registered else f"{self.period:%Y-%m}"

    @property
    def labels(self) -> tuple[str, str]:
        """Return what it is in zh and en."""
        zh, en = FRAMES[self.frame]
        if not self.is_registered:
            return zh, en
        entry = registration.ENTRIES[self.subkey]
        return f"{zh} · {entry.zh}", f"{en} · {entry.en}"

    @property
    def kind(self) -> str:
        """Return what of its frame it is: a direction, the kind of an event; empty where there is one only."""
        return self.subkey.partition("/")[0] if len(FRAME_KEYS[self.frame]) > 2 else ""


def datum_from(text: str) -> Datum:
    """Return the datum that a text names, as `str` of one gives it: `<frame>:<first day of the period>:<key>`.

    An entry of the register has no period: `registration::<entry>`.

    Raises
    ------
    DatumInvalid
    """
    frame, _, rest = text.partition(":")
    period, _, subkey = rest.partition(":")
    if frame not in FRAMES:
        raise DatumInvalid("record", f"no such kind of record: {printable(frame)[:40]!r}")
    if frame == registration.FRAME:
        if period or subkey not in registration.ENTRIES:
            raise DatumInvalid("record", f"no such entry of the register: {printable(subkey)[:40]!r}")
        return entry_of(subkey)
    try:
        first = day_from(period)
    except ValueError as error:
        raise DatumInvalid("record", str(error)[:80]) from None
    if len(subkey) > _LONGEST_KEY or flaw(subkey):
        raise DatumInvalid("record", "the key is none of a record")
    return Datum(frame, first, subkey)


def entry_of(name: str) -> Datum:
    """Return an entry of the register as a datum."""
    return Datum(registration.FRAME, registration.UNDATED, name)


def columns_of(frame: str) -> dict[str, tuple[str, str, str]]:
    """Return column -> labels in zh and en, and unit, of what a row of a frame says."""
    if frame == registration.FRAME:
        return {name: (one.zh, one.en, one.form) for name, one in registration.ENTRIES.items()}
    keys = set(FRAME_KEYS[frame]) | {"known_on"}
    return {item.name: (item.label_zh, item.label_en, item.unit) for item in ITEMS[frame] if item.name not in keys}


def wanted_value(frame: str, column: str, text: str) -> str | int | float | bool | None:
    """Return what a column should say, from what a person wrote: amounts in yuan, days as YYYY-MM-DD; `-` is nothing.

    Raises
    ------
    DatumInvalid
    """
    columns = columns_of(frame)
    if column not in columns:
        raise DatumInvalid("column", f"no such column: {printable(column)[:40]!r}")
    unit, said = columns[column][2], text.strip()
    if said in ("-", "–"):
        return None
    try:
        return _read(unit, said)
    except (ValueError, KeyError, InvalidOperation):
        raise DatumInvalid("value", f"not a value of {column}: {printable(said)[:40]!r}") from None


def _read(unit: str, said: str) -> str | int | float | bool:
    if not said or len(said) > _LONGEST_VALUE or flaw(said) or not said.isprintable():
        raise ValueError("nothing that may stand there")
    if unit == "code":
        return said
    if unit == "flag":
        return _FLAGS[said.lower()]
    if unit == "day":
        day = day_from(said)
        if not EARLIEST_YEAR <= day.year <= _LATEST_YEAR:
            raise ValueError("no such year")
        return day.isoformat()
    if unit == "fen":
        return int(_within(Decimal(fen_from_yuan(said.replace(",", "")))))
    number = _within(Decimal(said.replace(",", "")))
    if unit in ("kWh_or_m3", "tonnes", "share"):
        return float(number)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def _within(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) > _LARGEST:
        raise ValueError("no such number")
    return number

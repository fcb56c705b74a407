"""By what a receivable is known wherever it is offered: an invoice's number, or a contract's with its debtor. Pure.

Source: State Taxation Administration, Announcement 2024 No. 11: a fully digital invoice has 20 digits; paper invoices
have a code of 10 or 12 digits and a number of 8, which together name one invoice in the country.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from creditlink.kit import uscc as uscc_rules
from creditlink.kit.files.text import flaw

_LONGEST = 60
_SEPARATORS = re.compile(r"[\s\-_/\\.·—–]+")


class ReceivableInvalid(ValueError):
    """What was given names no receivable; `field` is `number` or `debtor`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True)
class ReceivableIdentity:
    """One receivable, spelt one way only."""

    kind: str
    number: str
    debtor_uscc: str | None  # of a contract, whose number alone names nothing

    def __str__(self) -> str:
        return f"{self.kind} {self.debtor_uscc or '-'} {self.number}"

    @classmethod
    def from_text(cls, stored: str) -> ReceivableIdentity:
        """Return what `str` of one gave."""
        kind, debtor, number = stored.split(" ", 2)
        return cls(kind, number, None if debtor == "-" else debtor)


def identity_from(kind: str, number: str, debtor_uscc: str = "") -> ReceivableIdentity:
    """Return a receivable's identity, whatever spaces, dashes, full-width or small letters it was typed with.

    Raises
    ------
    ReceivableInvalid
    """
    if len(number) > 4 * _LONGEST or flaw(number) or flaw(debtor_uscc):
        raise ReceivableInvalid("number", "holds what no number holds")
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", number)).upper()
    if kind == "invoice":
        if not re.fullmatch(r"[0-9]{18}|[0-9]{20}", plain):
            raise ReceivableInvalid("number", "an invoice has 20 digits, or a code of 10 or 12 and a number of 8")
        return ReceivableIdentity(kind, plain, None)
    if kind != "contract":
        raise ReceivableInvalid("number", "must be known by an invoice or a contract")
    if not 2 <= len(plain) <= _LONGEST or not plain.isprintable():
        raise ReceivableInvalid("number", f"a contract's number has 2 to {_LONGEST} characters")
    checked = uscc_rules.check(debtor_uscc[:40])
    if not checked.well_formed:
        raise ReceivableInvalid("debtor", "a contract needs the credit code of the one who owes")
    return ReceivableIdentity(kind, plain, checked.uscc)

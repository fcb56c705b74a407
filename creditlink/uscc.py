"""Unified social credit codes (统一社会信用代码), GB 32100-2015."""

from dataclasses import dataclass

from stdnum.cn import uscc as _stdnum
from stdnum.exceptions import InvalidChecksum, ValidationError

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of a code; I O S V Z are left out as easily confused."""

_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))


@dataclass(frozen=True)
class UsccCheck:
    """What is known of a code: `well_formed` may be stored, `check_ok` needs no exception."""

    uscc: str
    well_formed: bool
    check_ok: bool
    reason: str | None


def check_value(body: str) -> str:
    """Return the check character for the first 17 characters of a code.

    A sum that is 0 mod 31 gives `0`; several published validators crash there.

    Source: GB 32100-2015, annex A; ISO 7064 weights 3^(i-1) mod 31.
    """
    total = sum(ALPHABET.index(c) * w for c, w in zip(body, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def check(text: str) -> UsccCheck:
    """Check a code as typed. Real codes with a wrong check character exist: it only warns."""
    code = _stdnum.compact(text).upper()
    if len(code) != 18 or any(c not in ALPHABET for c in code):
        return UsccCheck(code, False, False, "needs 18 characters of 0-9 A-Z without I O S V Z")
    if code[17] != check_value(code[:17]):
        return UsccCheck(code, True, False, f"check character is {code[17]}, computed {check_value(code[:17])}")
    try:
        _stdnum.validate(code)
    except InvalidChecksum:
        # python-stdnum and the standard disagree only where the sum is 0 mod 31.
        return UsccCheck(code, True, True, None)
    except ValidationError as error:
        return UsccCheck(code, False, False, str(error))
    return UsccCheck(code, True, True, None)


def mask(code: str) -> str:
    """Return a code fit for logs and pages seen by third parties: first 4, last 2."""
    return f"{code[:4]}{'*' * max(len(code) - 6, 0)}{code[-2:]}"

"""Names of regions, as GB/T 2260 has them. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from stdnum import numdb

_YEARS = re.compile(r"\[\d*-\d*\]")
_NOBODY = ("市辖区", "县")


@lru_cache(maxsize=4096)
def name_of(code: str) -> str:
    """Return the Chinese name of a region by its six digits; one without a name is its code.

    >>> name_of("440604")
    '佛山市禅城区'
    """
    if len(code) != 6 or not (code.isascii() and code.isdigit()):
        return code
    own, city = _own(code), "" if code.endswith("00") else _own(code[:4] + "00")
    return (city if city and own and city != own else "") + own or code


def _own(code: str) -> str:
    """Return a region's own name now: the table has those of the past beside it, with their years."""
    found = numdb.get("cn/loc").info(code)
    held = found[-1][1].get("county", "") if found else ""
    names = [name for name in held.split(",") if not re.match(r"\[\d*-\d+\]", name)]
    name = _YEARS.sub("", names[-1] if names else "")
    # A municipality's districts stand under a line that names nobody.
    return str(found[0][1].get("province", "")) if name in _NOBODY else name

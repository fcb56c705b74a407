"""The seed: institutions and product templates in one compact file, expanded deterministically.

A template lists options; which option a product of an institution gets is decided by a digest of the
file's seed, the institution, the template and the field. The same file gives the same products on every
machine, and a template changed leaves the products of all others as they were.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms
from creditlink.engine.vocabulary import LENDER_KINDS
from creditlink.kit.files.textfile import TextUnreadable, read_file
from creditlink.products.files.open_form import parse_product
from creditlink.products.files.templates import (
    NUMBER,
    TEXT,
    TEXTS,
    Form,
    SeedInstitution,
    SeedInvalid,
    check_fields,
    products_of,
    template_of,
)

_KNOWN_BY = ("uscc", "licence_no")
_INSTITUTION_FIELDS = (
    *("code", "kind", "short_zh", "name_zh", "short_en", "name_en"),
    *("regions", "scale", *_KNOWN_BY),
)


@dataclass(frozen=True)
class SeedRead:
    """What a seed file holds: `products` with the line each begins at, and `problems`, everything that is wrong.

    A wrong institution, template or product is left out; all others are there.
    """

    institutions: tuple[SeedInstitution, ...]
    products: tuple[tuple[int, ProductTerms], ...]
    problems: tuple[SeedInvalid | ProductInvalid, ...]


def load_seed(path: Path, *, rounds: int = 1) -> tuple[list[SeedInstitution], list[ProductTerms]]:
    """Return the institutions and products of a seed file without a fault.

    Parameters
    ----------
    rounds : how many times every template is expanded for an institution, with other options each time;
        for tests of size.

    Raises
    ------
    SeedInvalid
        The file is not text or not TOML, or an institution or template is wrong.
    ProductInvalid
        A product of the file, or one that a template makes, is wrong; `line` is where it begins.
    """
    try:
        text = read_file(path).whole()
    except TextUnreadable as error:
        raise SeedInvalid(f"{path.name}: {error}") from None
    read = read_seed(text, path.name, rounds=rounds)
    if read.problems:
        raise read.problems[0]
    return list(read.institutions), [terms for _, terms in read.products]


@lru_cache(maxsize=4)  # a file is read for its institutions, and again for its products: seconds of checking each
def read_seed(text: str, name: str, *, rounds: int = 1) -> SeedRead:
    """Return what can be read of a seed file, and everything that is wrong with it.

    Parameters
    ----------
    name : of the file, for messages.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return SeedRead((), (), (SeedInvalid(f"{name}: not TOML: {error}"),))
    if strange := sorted(set(raw) - {"seed", "valid_from", "institutions", "templates", "products"}):
        return SeedRead((), (), (SeedInvalid(f"{name}: field {strange[0]!r}: is not part of a seed"),))
    if not isinstance(raw.get("seed"), str) or not isinstance(raw.get("valid_from"), date):
        return SeedRead((), (), (SeedInvalid(f"{name}: fields 'seed' (text) and 'valid_from' (date) are needed"),))
    for table in ("institutions", "templates", "products"):
        rows = raw.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
            return SeedRead((), (), (SeedInvalid(f"{name}: field {table!r}: must be a list of tables"),))
    entries = {
        table: list(zip(raw.get(table, []), _lines_of(text, table, len(raw.get(table, []))), strict=True))
        for table in ("institutions", "templates", "products")
    }
    problems: list[SeedInvalid | ProductInvalid] = []
    institutions: dict[str, SeedInstitution] = {}
    for one, line in entries["institutions"]:
        try:
            lender = _institution(one, f"{name} line {line}")
            if lender.code in institutions:
                raise SeedInvalid(f"{name} line {line}: field 'code': value {lender.code!r}: appears twice")
            institutions[lender.code] = lender
        except SeedInvalid as error:
            problems.append(error)
    products: list[tuple[int, ProductTerms]] = []
    lenders = list(institutions.values())
    for one, line in entries["templates"]:
        try:
            template = template_of(one, f"{name} line {line}")
            expanded = products_of(template, lenders, raw["seed"], raw["valid_from"], rounds)
            products += [(line, parse_product(plain, line=line)) for plain in expanded]
        except (SeedInvalid, ProductInvalid) as error:
            problems.append(error)
    for one, line in entries["products"]:
        try:
            terms = parse_product(one, line=line)
            lends = institutions.get(terms.institution_code)
            if lends is None or lends.kind != terms.institution_kind:
                flaw = Flaw("institution_code", terms.institution_code, "is not an institution of that kind here")
                raise ProductInvalid(terms.code, [flaw], line)
            products.append((line, terms))
        except ProductInvalid as error:
            problems.append(error)
    return SeedRead(tuple(lenders), tuple(products), tuple(problems))


def _institution(raw: Mapping[str, Any], where: str) -> SeedInstitution:
    check_fields(raw, _INSTITUTION_FIELDS, _INSTITUTION_FIELDS[:6], where)
    if raw["kind"] not in LENDER_KINDS:
        raise SeedInvalid(
            f"{where}: institution {raw['code']!r}: field 'kind': value {raw['kind']!r}: "
            f"must be one of {', '.join(LENDER_KINDS)}"
        )
    for name, (holds, wanted) in _INSTITUTION_FORMS.items():
        if name in raw and not holds(raw[name]):
            raise SeedInvalid(f"{where}: field {name!r}: value {raw[name]!r}: must {wanted}")
    code, kind, short_zh, name_zh, short_en, name_en = (raw[name] for name in _INSTITUTION_FIELDS[:6])
    regions, scale = tuple(raw.get("regions", ())), float(raw.get("scale", 1))
    known = {name: raw.get(name) for name in _KNOWN_BY}
    return SeedInstitution(code, kind, short_zh, name_zh, short_en, name_en, regions, scale, **known)


_INSTITUTION_FORMS: dict[str, Form] = {
    **dict.fromkeys(_INSTITUTION_FIELDS[:6], TEXT),
    "regions": TEXTS,
    "scale": NUMBER,
    **dict.fromkeys(_KNOWN_BY, TEXT),
}


def _lines_of(text: str, table: str, count: int) -> list[int]:
    """Return the line each of `count` entries begins at, which TOML parsers do not keep.

    Entries are `[[table]]` sections, or inline tables one a line after `table = [`.
    """
    lines = list(enumerate(text.split("\n"), 1))
    found = [number for number, line in lines if re.match(rf"\s*\[\[\s*{table}\s*\]\]", line)]
    opening = next((number for number, line in lines if re.match(rf"{table}\s*=\s*\[", line)), 0)
    if not found and opening:
        found = [number for number, line in lines if number > opening and re.match(r"\s*\{", line)]
    return found[:count] if len(found) >= count else [opening or 1] * count

"""The seed: institutions and product templates in one compact file, expanded deterministically.

A template lists options; which option a product of an institution gets is decided by a digest of the
file's seed, the institution, the template and the field. The same file gives the same products on every
machine, and a template changed leaves the products of all others as they were.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from creditlink.engine.matching.products.terms import Flaw, ProductInvalid, ProductTerms
from creditlink.engine.vocabulary import LENDER_KINDS
from creditlink.kit.files.textfile import TextUnreadable, read_file
from creditlink.products.files.open_form import parse_product

T = TypeVar("T")

_WAN_FEN = 1_000_000  # 10,000 yuan in fen
_INSTITUTION_FIELDS = ("code", "kind", "short_zh", "name_zh", "short_en", "name_en", "regions", "scale")


class SeedInvalid(ValueError):
    """The seed file is wrong; the message names the file, the line, the field and the value."""


@dataclass(frozen=True, slots=True)
class SeedInstitution:
    """An institution of the seed. `regions` are the GB/T 2260 prefixes it lends in; none: everywhere."""

    code: str
    kind: str
    short_zh: str
    name_zh: str
    short_en: str
    name_en: str
    regions: tuple[str, ...]
    scale: float  # multiplies the amounts of the templates


_RuleOptions = tuple[str, str, Sequence[object]]
"""A rule of a template: subject, operator and the limits to choose from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Template:
    """A template of products: lists are options, of which each product gets one."""

    key: str
    kind: str
    institutions: Sequence[str]  # kinds of institution that offer it
    share: float = 1  # of those institutions
    names_zh: Sequence[str]
    names_en: Sequence[str]
    amount_min_wan: Sequence[float]
    amount_max_wan: Sequence[float]
    terms: Sequence[tuple[int, int]]
    rate_min: Sequence[int]
    rate_spread: Sequence[int]
    repayment: Sequence[str] = ("bullet",)
    guarantee: Sequence[str] = ("none",)
    risk_share: Sequence[int] = (0,)
    subsidy: Sequence[int] = (0,)
    fees: Sequence[int] = (0,)
    quota_wan: Sequence[int] | None = None
    categories: Sequence[str] = ()  # all of them
    tags: Sequence[str] = ()  # all of them
    local: bool = True  # lent only where the institution lends
    rules: Sequence[_RuleOptions]
    optional: Sequence[_RuleOptions] = ()  # rules that some of the products have
    valid: tuple[date, date] | None = None


_TEMPLATE_FIELDS = tuple(field.name for field in fields(_Template))
_RULE_LISTS = ("rules", "optional")
_TEMPLATE_NEEDS = tuple(field.name for field in fields(_Template) if field.default is MISSING)


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
            template = _template(one, f"{name} line {line}")
            expanded = _products_of(template, lenders, raw["seed"], raw["valid_from"], rounds)
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


def _products_of(
    template: _Template, lenders: Sequence[SeedInstitution], seed: str, valid_from: date, rounds: int
) -> Iterator[dict[str, object]]:
    """Yield the products that a template makes, in their open form."""
    for lender in lenders:
        for number in range(rounds):
            pick = _Pick(seed, lender.code, template.key, str(number))
            if lender.kind in template.institutions and pick.happens("share", template.share):
                yield _expand(template, lender, pick, valid_from, number)


class _Pick:
    """Chooses among options by digest, so that no choice depends on the order of any other."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def number(self, field: str) -> int:
        digest = blake2b("|".join((*self._keys, field)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def of(self, field: str, options: Sequence[T]) -> T:
        return options[self.number(field) % len(options)]

    def happens(self, field: str, share: float) -> bool:
        return self.number(field) < share * 2**64


def _expand(
    template: _Template, lender: SeedInstitution, pick: _Pick, valid_from: date, number: int
) -> dict[str, object]:
    least, most = pick.of("amount_min", template.amount_min_wan), pick.of("amount_max", template.amount_max_wan)
    most_fen = max(round(most * lender.scale), least) * _WAN_FEN
    terms = pick.of("terms", template.terms)
    rate = pick.of("rate_min", template.rate_min)
    regions = lender.regions if template.local else ()
    rules = [_rule(rule, pick, str(i)) for i, rule in enumerate(template.rules)]
    rules += [
        _rule(rule, pick, f"optional {i}")
        for i, rule in enumerate(template.optional)
        if pick.happens(f"optional {i}", 0.4)
    ]
    if regions:
        rules.append({"subject": "registration.region", "operator": "in", "limit": list(regions)})
    name = pick.number("name")
    guarantee = pick.of("guarantee", template.guarantee)
    plain: dict[str, object] = {
        "code": f"{lender.code}-{template.key}" + (f"-{number + 1}" if number else ""),
        "institution_code": lender.code,
        "institution_kind": lender.kind,
        "name_zh": f"{lender.short_zh}{template.names_zh[name % len(template.names_zh)]}",
        "name_en": f"{lender.short_en} {template.names_en[name % len(template.names_en)]}",
        "kind": template.kind,
        "amount_min_fen": round(least * _WAN_FEN),
        "amount_max_fen": round(most_fen),
        "term_months_min": terms[0],
        "term_months_max": terms[1],
        "rate_bps_min": rate,
        "rate_bps_max": rate + pick.of("rate_spread", template.rate_spread),
        "fees_bps": pick.of("fees", template.fees),
        "repayment": pick.of("repayment", template.repayment),
        "guarantee": guarantee,
        "risk_share_bps": 0 if guarantee == "none" else pick.of("risk_share", template.risk_share),
        "subsidy_bps": pick.of("subsidy", template.subsidy),
        "tags": list(template.tags),
        "valid_from": valid_from,
        "required_categories": list(template.categories),
        "rules": rules,
    }
    if template.quota_wan is not None:
        plain["quota_fen"] = pick.of("quota", template.quota_wan) * _WAN_FEN
    if template.valid is not None:
        plain["valid_from"], plain["valid_until"] = template.valid
    return plain


def _rule(rule: _RuleOptions, pick: _Pick, key: str) -> dict[str, object]:
    subject, operator, options = rule
    return {"subject": subject, "operator": operator, "limit": pick.of(f"rule {key}", options)}


def _institution(raw: Mapping[str, Any], where: str) -> SeedInstitution:
    _fields(raw, _INSTITUTION_FIELDS, _INSTITUTION_FIELDS[:6], where)
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
    return SeedInstitution(code, kind, short_zh, name_zh, short_en, name_en, regions, scale)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_rule(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[2], list) and bool(value[2])


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _are_days(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(day) is date for day in value)


def _each(holds: Callable[[object], bool], *, some: bool = True) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and (bool(value) or not some) and all(map(holds, value))


_Form = tuple[Callable[[object], bool], str]
_TEXT: _Form = (_is_text, "be text")
_TEXTS: _Form = (_each(_is_text), "list at least one text")
_NUMBER: _Form = (_is_number, "be a number")
_NUMBERS: _Form = (_each(_is_number), "list at least one option, a number")
_RULES: _Form = (_each(_is_rule, some=False), "be [subject, operator, [limits]]")
_INSTITUTION_FORMS: dict[str, _Form] = {
    **dict.fromkeys(_INSTITUTION_FIELDS[:6], _TEXT),
    "regions": _TEXTS,
    "scale": _NUMBER,
}
_TEMPLATE_FORMS: dict[str, _Form] = {
    **dict.fromkeys(("key", "kind"), _TEXT),
    **dict.fromkeys(("institutions", "names_zh", "names_en", "repayment", "guarantee"), _TEXTS),
    **dict.fromkeys(("categories", "tags"), (_each(_is_text, some=False), "list texts")),
    **dict.fromkeys(("amount_min_wan", "amount_max_wan", "rate_min", "rate_spread"), _NUMBERS),
    **dict.fromkeys(("risk_share", "subsidy", "fees", "quota_wan"), _NUMBERS),
    **dict.fromkeys(_RULE_LISTS, _RULES),
    "terms": (_each(_is_range), "list at least one option, [shortest, longest]"),
    "share": _NUMBER,
    "local": (lambda value: isinstance(value, bool), "be true or false"),
    "valid": (_are_days, "be [first day, first day no more]"),
}
"""Field -> whether a value has its form, and the form in words."""


def _template(raw: Mapping[str, Any], where: str) -> _Template:
    _fields(raw, _TEMPLATE_FIELDS, _TEMPLATE_NEEDS, where)
    for name, value in raw.items():
        holds, wanted = _TEMPLATE_FORMS[name]
        if not holds(value):
            if holds is _RULES[0] and isinstance(value, list):
                value = next(rule for rule in value if not _is_rule(rule))
            raise SeedInvalid(f"{where}: field {name!r}: value {value!r}: must {wanted}")
    if len(raw["names_zh"]) != len(raw["names_en"]):
        raise SeedInvalid(f"{where}: field 'names_en': value {raw['names_en']!r}: must match names_zh one to one")
    rules = {
        name: [(subject, operator, limits) for subject, operator, limits in raw.get(name, ())] for name in _RULE_LISTS
    }
    return _Template(**{**raw, **rules})


def _fields(raw: Mapping[str, object], known: Sequence[str], needed: Sequence[str], where: str) -> None:
    for name in raw:
        if name not in known:
            raise SeedInvalid(f"{where}: field {name!r}: value {raw[name]!r}: is not a field here")
    for name in needed:
        if name not in raw:
            raise SeedInvalid(f"{where}: field {name!r}: is missing")


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

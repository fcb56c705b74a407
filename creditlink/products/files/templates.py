"""Templates of products: each lists options, of which every product of an institution gets one, by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date
from hashlib import blake2b
from math import isfinite
from typing import Any, TypeVar

T = TypeVar("T")
_WAN_FEN = 1_000_000  # 10,000 yuan in fen


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
    uscc: str | None = None
    licence_no: str | None = None


RuleOptions = tuple[str, str, Sequence[object]]
"""A rule of a template: subject, operator and the limits to choose from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductTemplate:
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
    rules: Sequence[RuleOptions]
    optional: Sequence[RuleOptions] = ()  # rules that some of the products have
    valid: tuple[date, date] | None = None


_TEMPLATE_FIELDS = tuple(field.name for field in fields(ProductTemplate))
_RULE_LISTS = ("rules", "optional")
_TEMPLATE_NEEDS = tuple(field.name for field in fields(ProductTemplate) if field.default is MISSING)


def products_of(
    template: ProductTemplate, lenders: Sequence[SeedInstitution], seed: str, valid_from: date, rounds: int
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
    template: ProductTemplate, lender: SeedInstitution, pick: _Pick, valid_from: date, number: int
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


def _rule(rule: RuleOptions, pick: _Pick, key: str) -> dict[str, object]:
    subject, operator, options = rule
    return {"subject": subject, "operator": operator, "limit": pick.of(f"rule {key}", options)}


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


Form = tuple[Callable[[object], bool], str]
TEXT: Form = (_is_text, "be text")
TEXTS: Form = (_each(_is_text), "list at least one text")
NUMBER: Form = (_is_number, "be a number")
_NUMBERS: Form = (_each(_is_number), "list at least one option, a number")
_RULES: Form = (_each(_is_rule, some=False), "be [subject, operator, [limits]]")
_TEMPLATE_FORMS: dict[str, Form] = {
    **dict.fromkeys(("key", "kind"), TEXT),
    **dict.fromkeys(("institutions", "names_zh", "names_en", "repayment", "guarantee"), TEXTS),
    **dict.fromkeys(("categories", "tags"), (_each(_is_text, some=False), "list texts")),
    **dict.fromkeys(("amount_min_wan", "amount_max_wan", "rate_min", "rate_spread"), _NUMBERS),
    **dict.fromkeys(("risk_share", "subsidy", "fees", "quota_wan"), _NUMBERS),
    **dict.fromkeys(_RULE_LISTS, _RULES),
    "terms": (_each(_is_range), "list at least one option, [shortest, longest]"),
    "share": NUMBER,
    "local": (lambda value: isinstance(value, bool), "be true or false"),
    "valid": (_are_days, "be [first day, first day no more]"),
}
"""Field -> whether a value has its form, and the form in words."""


def template_of(raw: Mapping[str, Any], where: str) -> ProductTemplate:
    """Return the template of one table of the seed; `where` is for messages.

    Raises
    ------
    SeedInvalid
        A field is unknown, missing or not of its form.
    """
    check_fields(raw, _TEMPLATE_FIELDS, _TEMPLATE_NEEDS, where)
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
    return ProductTemplate(**{**raw, **rules})


def check_fields(raw: Mapping[str, object], known: Sequence[str], needed: Sequence[str], where: str) -> None:
    """Refuse a table with a field that is not known, or without one that is needed."""
    for name in raw:
        if name not in known:
            raise SeedInvalid(f"{where}: field {name!r}: value {raw[name]!r}: is not a field here")
    for name in needed:
        if name not in raw:
            raise SeedInvalid(f"{where}: field {name!r}: is missing")

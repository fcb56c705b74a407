"""A product in its open form, read: JSON Schema first, then what a schema cannot say. Pure.

The open form is `product.schema.json` (JSON Schema 2020-12); a product arrives as a dict of that
form from TOML, JSON or the products table. What a schema cannot say (a smallest amount above the largest,
say) is checked here; what needs the indicator catalogue is checked by `rules.check_rule`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from itertools import islice
from math import isfinite
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from creditlink.engine.matching.products.terms import (
    Flaw,
    ProductInvalid,
    ProductTerms,
    numbers_of,
    terms_from_checked,
)
from creditlink.kit.files import text

_MOST_NAMED = 100
_SHOWN = 80


@cache
def product_schema() -> dict[str, Any]:
    """Return the open JSON Schema of a product, as published."""
    text = resources.files("creditlink.products.files").joinpath("product.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def parse_product(raw: Mapping[str, object], *, line: int | None = None) -> ProductTerms:
    """Return the typed terms of one product in its open form.

    Parameters
    ----------
    raw : mapping of the form of `product.schema.json`; dates may be dates or ISO text.
    line : line of the file the product begins at, for messages.

    Raises
    ------
    ProductInvalid
        Unknown or missing fields, wrong types, values out of range, or limits that contradict each other.
    """
    plain = _plain(raw)
    code = str(plain.get("code", "(no code)"))[:_SHOWN]
    if flaws := [_text_flaw(plain, where, problem) for where, problem in islice(text.flaws(plain), _MOST_NAMED)]:
        raise ProductInvalid(text.printable(code), flaws, line)
    if flaws := _too_many(plain):
        raise ProductInvalid(code, flaws, line)
    found = (flaw for error in _validator().iter_errors(plain) for flaw in _flaws_of(error))
    if flaws := list(islice(found, _MOST_NAMED)):
        raise ProductInvalid(code, sorted(flaws, key=lambda flaw: flaw.field), line)
    terms = terms_from_checked(plain)
    if flaws := _contradictions(terms):
        raise ProductInvalid(code, flaws, line)
    return terms


def _too_many(plain: Mapping[str, object]) -> list[Flaw]:
    """Return the lists beyond their bound: the schema would first look at every entry, and compare each with each."""
    bounds = {name: form["maxItems"] for name, form in product_schema()["properties"].items() if "maxItems" in form}
    return [
        Flaw(name, plain[name], f"must have at most {most} entries")
        for name, most in bounds.items()
        if isinstance(entries := plain.get(name), list | tuple) and len(entries) > most
    ]


def _contradictions(terms: ProductTerms) -> list[Flaw]:
    flaws = [
        Flaw(high, getattr(terms, high), f"is below {low} = {getattr(terms, low)}")
        for low, high in (
            ("amount_min_fen", "amount_max_fen"),
            ("term_months_min", "term_months_max"),
            ("rate_bps_min", "rate_bps_max"),
        )
        if getattr(terms, high) < getattr(terms, low)
    ]
    if terms.valid_until is not None and terms.valid_until <= terms.valid_from:
        flaws.append(Flaw("valid_until", terms.valid_until, f"is not after valid_from = {terms.valid_from}"))
    if terms.guarantee == "none" and terms.risk_share_bps:
        flaws.append(Flaw("risk_share_bps", terms.risk_share_bps, "needs a guarantee other than 'none'"))
    for index, rule in enumerate(terms.rules):
        bounds = numbers_of(rule)
        if not all(isfinite(bound) for bound in bounds):
            flaws.append(Flaw(f"rules[{index}].limit", rule.limit, "must be finite"))
        elif rule.operator == "between" and bounds[0] > bounds[1]:
            flaws.append(Flaw(f"rules[{index}].limit", bounds, "has its lower bound above its upper"))
    return flaws


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = product_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def _text_flaw(raw: Any, where: text.Steps, problem: str) -> Flaw:
    """Return a flaw of a text under the name of its field, such as `rules[0].subject`."""
    name, value = "", raw
    for step in where:
        name += f"[{step}]" if isinstance(step, int) else f".{text.printable(step)}"
        value = value[step]
    # Where the name of a member is what is wrong, its value may be anything.
    excerpt = text.printable(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
    return Flaw(name.lstrip("."), excerpt, problem)


def _flaws_of(error: ValidationError) -> list[Flaw]:
    """Return the flaws behind one schema error, with unknown and missing fields under their own names."""
    at = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)[1:]
    prefix = f"{at}." if at else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        return [
            Flaw(f"{prefix}{name}", error.instance[name], "is not a field of a product")
            for name in error.instance
            if name not in known
        ]
    if error.validator == "required":
        return [
            Flaw(f"{prefix}{name}", None, "is missing") for name in error.validator_value if name not in error.instance
        ][:1]
    return [Flaw(at or "(product)", error.instance, _reason(error))]


def _reason(error: ValidationError) -> str:
    wanted = error.validator_value
    match error.validator:
        case "enum":
            return f"must be one of {', '.join(map(str, wanted))}"
        case "type":
            return f"must be of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
        case "minimum":
            return f"must be at least {wanted}"
        case "maximum":
            return f"must be at most {wanted}"
        case "pattern":
            return f"must match {wanted}"
        case "format":
            return f"must be a {wanted}"
        case "minLength" | "maxLength":
            return f"must have at {'least' if error.validator == 'minLength' else 'most'} {wanted} characters"
        case "uniqueItems":
            return "must name nothing twice"
        case "minItems":
            return f"must have at least {wanted} entries"
        case "maxItems":
            return f"must have at most {wanted} entries"
        case _:
            return str(error.message)[:_SHOWN]


def _plain(raw: Mapping[str, object]) -> dict[str, object]:
    """Return a copy with dates as ISO text and empty optional fields left out, as JSON would carry it."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in raw.items()
        if not (value is None and name in {"quota_fen", "valid_until"})
    }

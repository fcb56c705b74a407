"""The terms of a loan product: what a lender publishes, typed, checked and free of any storage.

The open form is `product.schema.json` (JSON Schema 2020-12); a product arrives as a dict of that
form from TOML, JSON or the products table, and leaves as one. What a schema cannot say (a smallest
amount above the largest, say) is checked here; what needs the indicator catalogue is checked by
`rules.check_rule`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from importlib import resources
from itertools import islice
from math import isfinite
from typing import Any, Literal

import jsonschema
from jsonschema.exceptions import ValidationError

from creditlink import text
from creditlink.products.cost import net_cost_bps

Operator = Literal[">=", "<=", ">", "<", "==", "between", "in", "not_in", "at_least_grade"]
Limit = float | str | tuple[float, ...] | tuple[str, ...]

_MOST_NAMED = 100
_SHOWN = 80

GRADES = ("E", "D", "C", "B", "A", "A+")
"""Grades from the riskiest to the safest; the position is the grade's rank."""

INSTITUTION_KINDS = ("bank", "leasing", "guarantee", "microloan", "factoring")

KIND_LABELS: dict[str, tuple[str, str]] = {
    "credit": ("信用贷", "Unsecured credit"),
    "tax": ("银税贷", "Tax-based loan"),
    "payroll": ("社保贷", "Payroll-based loan"),
    "energy": ("能源贷", "Energy-based loan"),
    "technology": ("科技贷", "Technology loan"),
    "knowledge_value": ("知识价值贷", "Knowledge-value loan"),
    "commercial_value": ("商业价值贷", "Commercial-value loan"),
    "order": ("订单贷", "Order and contract loan"),
    "supply_chain": ("供应链保理", "Supply-chain factoring"),
    "guaranteed": ("担保贷", "Guaranteed loan"),
    "green": ("绿色贷", "Green loan"),
    "first_loan": ("首贷", "First loan"),
    "cluster": ("园区集群贷", "Industrial-park loan"),
    "emergency": ("应急贷", "Emergency loan"),
    "lease": ("设备融资租赁", "Equipment lease"),
}
"""Product kind -> its label in zh and en."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a product: the field's path, the value found, and what is wrong with it."""

    field: str
    value: object
    problem: str

    def __str__(self) -> str:
        """Return the flaw as one sentence without its product."""
        return f"field {self.field!r}: value {_shown(self.value)}: {self.problem}"


class ProductInvalid(ValueError):
    """A product's terms are wrong; every flaw is listed, each with its field and value."""

    def __init__(self, code: str, flaws: Sequence[Flaw], line: int | None = None) -> None:
        self.code = code
        self.flaws = tuple(flaws)
        self.line = line
        where = f"line {line}: " if line is not None else ""
        super().__init__("; ".join(f"{where}product {code!r}: {flaw}" for flaw in self.flaws))


@dataclass(frozen=True, slots=True)
class Rule:
    """One hard condition on one subject; rules that read alike are equal, whichever product holds them."""

    subject: str
    operator: Operator
    limit: Limit

    def to_dict(self) -> dict[str, object]:
        """Return the rule in its open form."""
        limit = list(self.limit) if isinstance(self.limit, tuple) else self.limit
        return {"subject": self.subject, "operator": self.operator, "limit": limit}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTerms:
    """Everything a lender promises and asks for in one product; amounts in fen, rates in basis points a year."""

    code: str
    institution_code: str
    institution_kind: str
    name_zh: str
    name_en: str
    kind: str
    amount_min_fen: int
    amount_max_fen: int
    term_months_min: int
    term_months_max: int
    rate_bps_min: int
    rate_bps_max: int
    fees_bps: int = 0  # once, of the amount drawn
    repayment: str = "bullet"  # bullet | equal_instalment | revolving
    guarantee: str = "none"  # none | guarantor | collateral | pledge | fund
    risk_share_bps: int = 0  # share of a loss that a guarantor or fund carries
    subsidy_bps: int = 0  # paid to the firm by a public programme, a year
    tags: tuple[str, ...] = ()
    quota_fen: int | None = None  # what the programme can lend in all; None: no cap
    valid_from: date
    valid_until: date | None = None  # first day on which it is no longer offered; None: open
    required_categories: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = field(default=())
    version: int = 1

    def is_offered_on(self, day: date) -> bool:
        """Tell whether `day` lies in the half-open validity of the product."""
        return self.valid_from <= day and (self.valid_until is None or day < self.valid_until)

    def net_cost_bps(self, rate_bps: int, term_months: int) -> int:
        """Return what a loan at a rate, over a term, costs the firm a year in all, after the subsidy."""
        return net_cost_bps(
            rate_bps=rate_bps,
            subsidy_bps=self.subsidy_bps,
            fees_bps=self.fees_bps,
            term_months=term_months,
            repayment=self.repayment,
        )

    def to_dict(self) -> dict[str, object]:
        """Return the product in its open form; `parse_product` reads it back to an equal one."""
        raw = {name: value for name, value in asdict(self).items() if value is not None}
        raw["valid_from"] = self.valid_from.isoformat()
        if self.valid_until is not None:
            raw["valid_until"] = self.valid_until.isoformat()
        raw["tags"] = list(self.tags)
        raw["required_categories"] = list(self.required_categories)
        raw["rules"] = [rule.to_dict() for rule in self.rules]
        return raw


@cache
def product_schema() -> dict[str, Any]:
    """Return the open JSON Schema of a product, as published."""
    text = resources.files("creditlink.products").joinpath("product.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def parse_product(raw: Mapping[str, Any], *, line: int | None = None) -> ProductTerms:
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
        raise ProductInvalid(text.shown(code), flaws, line)
    if flaws := _too_many(plain):
        raise ProductInvalid(code, flaws, line)
    found = (flaw for error in _validator().iter_errors(plain) for flaw in _flaws_of(error))
    if flaws := list(islice(found, _MOST_NAMED)):
        raise ProductInvalid(code, sorted(flaws, key=lambda flaw: flaw.field), line)
    terms = terms_from_checked(plain)
    if flaws := _contradictions(terms):
        raise ProductInvalid(code, flaws, line)
    return terms


def terms_from_checked(raw: Mapping[str, Any]) -> ProductTerms:
    """Return the typed terms of a product in its open form that `parse_product` accepted before."""
    plain = dict(raw)
    plain["valid_from"] = date.fromisoformat(plain["valid_from"])
    if plain.get("valid_until") is not None:
        plain["valid_until"] = date.fromisoformat(plain["valid_until"])
    plain["tags"] = tuple(plain.get("tags", ()))
    plain["required_categories"] = tuple(plain.get("required_categories", ()))
    plain["rules"] = tuple(_rule(rule) for rule in plain.get("rules", ()))
    # JSON has one number type: 12.0 is a whole number there and must be one here.
    fields: dict[str, Any] = {k: int(v) if isinstance(v, float) else v for k, v in plain.items()}
    return ProductTerms(**fields)


def _rule(raw: Mapping[str, Any]) -> Rule:
    limit = raw["limit"]
    if isinstance(limit, list):
        limit = tuple(limit) if isinstance(limit[0], str) else tuple(float(bound) for bound in limit)
    elif not isinstance(limit, str):
        limit = float(limit)
    return Rule(raw["subject"], raw["operator"], limit)


def _too_many(plain: Mapping[str, Any]) -> list[Flaw]:
    """Return the lists beyond their bound: the schema would first look at every entry, and compare each with each."""
    bounds = {name: form["maxItems"] for name, form in product_schema()["properties"].items() if "maxItems" in form}
    return [
        Flaw(name, plain[name], f"must have at most {most} entries")
        for name, most in bounds.items()
        if isinstance(plain.get(name), list | tuple) and len(plain[name]) > most
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


def numbers_of(rule: Rule) -> list[float]:
    """Return the numbers in a rule's limit: one, the two bounds of `between`, or none for texts."""
    limits = rule.limit if isinstance(rule.limit, tuple) else (rule.limit,)
    return [limit for limit in limits if not isinstance(limit, str)]


@cache
def _validator() -> jsonschema.Draft202012Validator:
    schema = product_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def _text_flaw(raw: Any, where: text.Steps, problem: str) -> Flaw:
    """Return a flaw of a text under the name of its field, such as `rules[0].subject`."""
    name, value = "", raw
    for step in where:
        name += f"[{step}]" if isinstance(step, int) else f".{text.shown(step)}"
        value = value[step]
    # Where the name of a member is what is wrong, any value may stand under it.
    told = text.shown(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
    return Flaw(name.lstrip("."), told, problem)


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


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with dates as ISO text and empty optional fields left out, as JSON would carry it."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in raw.items()
        if not (value is None and name in {"quota_fen", "valid_until"})
    }


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

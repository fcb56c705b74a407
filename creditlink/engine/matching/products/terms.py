"""The terms of a loan product: what a lender publishes, typed, checked and free of any storage.

Pure. What checks a product in its open form, as a lender writes it, is `products.files.open_form`; what needs the
indicator catalogue is checked by `rules.check_rule`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

from creditlink.engine.matching.offers.cost import net_cost_bps
from creditlink.engine.vocabulary import supplies_apart

Operator = Literal[">=", "<=", ">", "<", "==", "between", "in", "not_in", "at_least_grade"]
Limit = float | str | tuple[float, ...] | tuple[str, ...]

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a product: the field's path, the value found, and what is wrong with it."""

    field: str
    value: object
    problem: str

    def __str__(self) -> str:
        """Return the flaw as one sentence without its product."""
        return f"field {self.field!r}: value {_shorten(self.value)}: {self.problem}"


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
    """One hard condition on one subject; rules that read alike are equal, whichever product has them."""

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
        """Return whether `day` is within the half-open validity of the product."""
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


def terms_from_checked(raw: Mapping[str, Any]) -> ProductTerms:
    """Return the typed terms of a product in its open form that `parse_product` accepted before."""
    plain = dict(raw)
    plain["valid_from"] = date.fromisoformat(plain["valid_from"])
    if plain.get("valid_until") is not None:
        plain["valid_until"] = date.fromisoformat(plain["valid_until"])
    plain["tags"] = tuple(plain.get("tags", ()))
    # A version that was published while the supplies were one category keeps its terms, whose hash is evidence.
    plain["required_categories"] = supplies_apart(plain.get("required_categories", ()))
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


def numbers_of(rule: Rule) -> list[float]:
    """Return the numbers in a rule's limit: one, the two bounds of `between`, or none for texts."""
    limits = rule.limit if isinstance(rule.limit, tuple) else (rule.limit,)
    return [limit for limit in limits if not isinstance(limit, str)]


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

"""The published settings of matching: weights, odds proxy, price and limit, from `config/matching.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from creditlink.engine.matching.offers.price_response import Response
from creditlink.engine.vocabulary import GRADES_BY_RANK, GUARANTEES, LENDER_KINDS, PRODUCT_KINDS


class MatchingSettingsInvalid(ValueError):
    """A setting of matching is missing, unknown or out of range; the message names it and its value."""


@dataclass(frozen=True, slots=True)
class Basis:
    """One way to size a loan: `factor` fen for each unit of an indicator."""

    name: str
    indicator: str
    factor: float
    label_zh: str
    label_en: str


@dataclass(frozen=True, slots=True)
class MatchingSettings:
    """Everything besides product terms and the firm that determines an order, a limit or a price."""

    version: int
    weight_approval: float
    weight_cost: float
    weight_fit: float
    unknown_discount: float
    grade_pd: Mapping[str, float]  # grade -> highest PD of its band
    appetite_pd: Mapping[str, float]  # institution kind -> PD it usually accepts
    reference_bps: float
    term_months: float
    unsized_fit: float
    outside_fit: float  # on top, where amount or term lie outside a product's range
    lgd: Mapping[str, float]  # guarantee -> share of the exposure lost in default
    funding_bps: Mapping[str, float]
    operating_bps: Mapping[str, float]
    round_to_fen: int
    grade_factor: Mapping[str, float]
    bases: tuple[Basis, ...]
    kind_bases: Mapping[str, tuple[str, ...]]
    near_miss_failed_rules: int
    response: Mapping[str, Response]  # group of grades -> how firms respond to a price

    def bases_for(self, kind: str) -> tuple[int, ...]:
        """Return the positions in `bases` that a product kind is sized by."""
        names = self.kind_bases[kind]
        return tuple(i for i, basis in enumerate(self.bases) if basis.name in names)


def parse_settings(raw: Mapping[str, object], response: Mapping[str, Response]) -> MatchingSettings:
    """Return the settings in `raw`, every one checked, with how firms respond to a price.

    Raises
    ------
    MatchingSettingsInvalid
        A setting is missing, unknown or out of range.
    """
    _only("", raw, ("version", "weights", "approval", "cost", "fit", "price", "limit", "near_miss"))
    weights = _table(raw, "weights", ("approval", "cost", "fit"))
    approval = _table(raw, "approval", ("unknown_discount", "grade_pd", "appetite_pd"))
    cost = _table(raw, "cost", ("reference_bps", "term_months"))
    fit = _table(raw, "fit", ("unsized", "outside"))
    price = _table(raw, "price", ("lgd", "funding_bps", "operating_bps"))
    limit = _table(raw, "limit", ("round_to_fen", "grade_factor", "bases", "kinds"))
    near = _table(raw, "near_miss", ("failed_rules",))
    bases = _bases(limit["bases"])
    return MatchingSettings(
        version=int(_number("version", raw.get("version"), 1, 1e6)),
        weight_approval=_number("weights.approval", weights["approval"], 0, 10),
        weight_cost=_number("weights.cost", weights["cost"], 0, 10),
        weight_fit=_number("weights.fit", weights["fit"], 0, 10),
        unknown_discount=_number("approval.unknown_discount", approval["unknown_discount"], 0.01, 1),
        grade_pd=_numbers("approval.grade_pd", approval["grade_pd"], GRADES_BY_RANK, 1e-6, 1),
        appetite_pd=_numbers("approval.appetite_pd", approval["appetite_pd"], LENDER_KINDS, 1e-6, 1),
        reference_bps=_number("cost.reference_bps", cost["reference_bps"], 1, 10_000),
        term_months=_number("cost.term_months", cost["term_months"], 1, 360),
        unsized_fit=_number("fit.unsized", fit["unsized"], 0.01, 1),
        outside_fit=_number("fit.outside", fit["outside"], 0.01, 1),
        lgd=_numbers("price.lgd", price["lgd"], GUARANTEES, 0, 1),
        funding_bps=_numbers("price.funding_bps", price["funding_bps"], LENDER_KINDS, 0, 3600),
        operating_bps=_numbers("price.operating_bps", price["operating_bps"], LENDER_KINDS, 0, 3600),
        round_to_fen=int(_number("limit.round_to_fen", limit["round_to_fen"], 1, 1e12)),
        grade_factor=_numbers("limit.grade_factor", limit["grade_factor"], GRADES_BY_RANK, 0, 10),
        bases=bases,
        kind_bases=_kinds(limit["kinds"], {basis.name for basis in bases}),
        near_miss_failed_rules=int(_number("near_miss.failed_rules", near["failed_rules"], 1, 20)),
        response=dict(response),
    )


def _only(at: str, raw: Mapping[str, object], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in raw:
            raise MatchingSettingsInvalid(f"setting {at}{name} is missing")
    for name, value in raw.items():
        if name not in names:
            raise MatchingSettingsInvalid(f"setting {at}{name}: value {value!r}: is not a setting of matching")


def _table(raw: Mapping[str, object], name: str, names: tuple[str, ...]) -> Mapping[str, object]:
    table = raw[name]
    if not isinstance(table, dict):
        raise MatchingSettingsInvalid(f"setting {name}: value {table!r}: must be a table")
    _only(f"{name}.", table, names)
    return table


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise MatchingSettingsInvalid(f"setting {name}: value {value!r}: must be a number")
    if not low <= value <= high:
        raise MatchingSettingsInvalid(f"setting {name}: value {value!r}: must lie between {low} and {high}")
    return float(value)


def _numbers(name: str, raw: object, keys: tuple[str, ...], low: float, high: float) -> dict[str, float]:
    if not isinstance(raw, dict):
        raise MatchingSettingsInvalid(f"setting {name}: value {raw!r}: must be a table")
    _only(f"{name}.", raw, keys)
    return {key: _number(f"{name}.{key}", raw[key], low, high) for key in keys}


def _bases(raw: object) -> tuple[Basis, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise MatchingSettingsInvalid(f"setting limit.bases: value {raw!r}: must be a list of tables")
    return tuple(_basis(f"limit.bases[{i}]", one) for i, one in enumerate(raw))


def _basis(at: str, raw: Mapping[str, object]) -> Basis:
    _only(f"{at}.", raw, ("name", "indicator", "factor", "label_zh", "label_en"))
    texts = {name: _text(f"{at}.{name}", raw[name]) for name in ("name", "indicator", "label_zh", "label_en")}
    return Basis(factor=_number(f"{at}.factor", raw["factor"], 0, 1e12), **texts)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise MatchingSettingsInvalid(f"setting {name}: value {value!r}: must be text")
    return value


def _kinds(raw: object, bases: set[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(raw, dict):
        raise MatchingSettingsInvalid(f"setting limit.kinds: value {raw!r}: must be a table")
    _only("limit.kinds.", raw, tuple(PRODUCT_KINDS))
    for kind, names in raw.items():
        if not isinstance(names, list) or not names or not set(names) <= bases:
            raise MatchingSettingsInvalid(
                f"setting limit.kinds.{kind}: value {names!r}: must list bases out of {', '.join(sorted(bases))}"
            )
    return {kind: tuple(names) for kind, names in raw.items()}

"""Products, firms and indicators for the tests of matching."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.products.subjects import Subjects, subjects_of
from creditlink.kit.settings import ROOT
from creditlink.products.files.open_form import parse_product
from creditlink.products.files.settings import load_settings

SEED = ROOT / "config" / "products.toml"
SETTINGS = load_settings(ROOT / "config" / "matching.toml")
AS_OF = date(2026, 1, 15)

GRADE_RULE = {"subject": "profile.grade", "operator": "at_least_grade", "limit": "C"}


def raw(code="TAX-1", **values):
    return {
        "code": code,
        "institution_code": "LJB",
        "institution_kind": "bank",
        "name_zh": "银税贷",
        "name_en": "Tax Loan",
        "kind": "tax",
        "amount_min_fen": 1_000_000,
        "amount_max_fen": 300_000_000,
        "term_months_min": 3,
        "term_months_max": 24,
        "rate_bps_min": 300,
        "rate_bps_max": 600,
        "valid_from": "2024-01-01",
        "rules": [GRADE_RULE],
    } | values


def rule(subject, operator, limit):
    return {"subject": subject, "operator": operator, "limit": limit}


def product(code="TAX-1", **values):
    return parse_product(raw(code, **values))


@dataclass(frozen=True)
class Info:
    """An indicator as this slice sees it."""

    name: str
    label_zh: str = "指标"
    label_en: str = "Indicator"
    unit: str = "ratio"
    categories: tuple[str, ...] = ("tax",)
    actionable: bool = True


def registration(n, **columns):
    plain = {
        "firm": np.arange(n, dtype=np.int32),
        "industry": ["C30"] * n,
        "region": ["440604"] * n,
        "entity_type": ["company"] * n,
        "status": ["active"] * n,
        "established_on": [date(2020, 1, 20)] * n,
        "registered_capital_fen": [100_000_000] * n,
        "paid_in_capital_fen": [None] * n,
        "linked_struck_off": [False] * n,
    } | columns
    return pl.DataFrame(plain, schema_overrides={"paid_in_capital_fen": pl.Int64})


def firms(n=1, *, pd_12m=None, points=None, grade=None, granted=None, register=None, **indicators) -> Subjects:
    features = {name: indicators.get(name, [None] * n) for name in BY_NAME}
    return subjects_of(
        registration=registration(n, **(register or {})),
        features=pl.DataFrame(
            {"firm": np.arange(n, dtype=np.int32)} | features,
            schema_overrides=dict.fromkeys(features, pl.Float64),
        ),
        pd_12m=np.full(n, 0.01) if pd_12m is None else np.asarray(pd_12m, dtype=float),
        points=np.full(n, 640.0) if points is None else np.asarray(points, dtype=float),
        grade=["B"] * n if grade is None else grade,
        as_of=AS_OF,
        granted=granted,
    )


def crowd(n, seed=1) -> Subjects:
    """Random firms with a fifth of all values missing."""
    rng = np.random.default_rng(seed)
    indicators = {}
    for name, indicator in BY_NAME.items():
        values = rng.random(n) * (5e9 if indicator.unit == "fen" else 3)
        indicators[name] = np.where(rng.random(n) < 0.2, np.nan, values)
    return firms(
        n,
        pd_12m=rng.uniform(0.001, 0.2, n),
        points=rng.uniform(450, 800, n),
        grade=list(rng.choice(["A+", "A", "B", "C", "D", "E"], n)),
        register={
            "industry": list(rng.choice(["C30", "F51", "A01", "H62", "I65"], n)),
            "region": list(rng.choice(["440604", "330203", "500151"], n)),
            "entity_type": list(rng.choice(["company", "sole_trader"], n)),
        },
        **{name: pl.Series(values, nan_to_null=True) for name, values in indicators.items()},
    )

"""The figures of a model's validation on a city. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.catalogue import BY_NAME, CATALOGUE
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.engine.scoring.settings import ScorableSettings
from creditlink.kit.clock import add_months
from creditlink.training.city import City
from creditlink.training.dataset import plan_for, read_day
from creditlink.training.validation import metrics
from creditlink.training.validation.document import (
    ChallengerFigures,
    CheckFigures,
    MonotonicityFigures,
    QualityFigures,
    SensitivityFigures,
    StabilityFigures,
    ValidationDocument,
)
from creditlink.training.validation.measure import GRANTED, MEASURED_CASES, measure
from creditlink.training.validation.scorability import scorability
from creditlink.training.validation.segments import segments

Floats = NDArray[np.float64]
Step = Callable[[str], None]

ALARM_RATE = 0.05
"""Share of ordinary firms that a cross-check may alarm."""

INJECTED = ("shell", "manipulator")
GRID, GRID_FIRMS, MOVED_FIRMS, SHOWN = 15, 100, 1000, 20
FEATURES = [i.name for i in CATALOGUE]


Challenger = Callable[[pl.DataFrame, NDArray[np.int8], pl.DataFrame], Floats]


def validate(
    model: CreditModel,
    reference: Reference,
    city: City,
    *,
    challenger: Challenger | None = None,
    evidence: ScorableSettings | None = None,
    step: Step = lambda _: None,
) -> ValidationDocument:
    """Measure a model out of time on a city.

    Parameters
    ----------
    challenger : fits on (columns, is_bad) and returns probabilities for the columns of the third; None: none
    evidence : what a score needs; None: who has no score is not measured
    step : called with what was measured, `steps_of()` times

    Raises
    ------
    ValueError
        The city is too short, or has no goods or no bads on the day that judges.
    """
    plan = plan_for(city.snapshots, city.first_period)
    day = read_day(city, plan.test, reference)
    rows = day.rows()
    scores = model.score(rows.select(FEATURES))
    bad, pd_12m = rows["is_bad"].to_numpy(), scores.pd_12m
    hazard = rows["hazard_12m"].to_numpy()
    seed = int(model.manifest.get("training", {}).get("seed", 0))
    cases = measure(day, model, seed, step)
    by_segment = segments(rows, city.records.registration, plan.test, scores)
    step("segments")
    shifted = stability(model, city, reference, [*plan.train, plan.test], rows)
    step("stability")
    moved = sensitivity(model, rows)
    step("sensitivity")
    directions = monotonicity(model, rows)
    step("directions")
    rival: ChallengerFigures | None = None
    if challenger is not None:
        learned = read_day(city, plan.train[-1], reference).rows()
        theirs = challenger(learned.select(FEATURES), learned["is_bad"].to_numpy(), rows.select(FEATURES))
        rival = {
            **_quality(bad, theirs),
            "expected_auc": metrics.expected_auc(hazard, theirs),
            "share_of_best": _share(hazard, theirs),
        }
    step("challenger")
    return {
        "model_id": model.model_id,
        "purposes": list(model.purposes),
        "created_at": model.created_at,
        "as_of": plan.test.isoformat(),
        "city": {k: city.manifest.get(k) for k in ("firms", "months", "seed", "generator_version", "last_period")},
        "overall": cases[GRANTED],
        "cases": cases,
        "interval_level": None if model.interval is None else model.interval.level,
        "reliability": metrics.reliability(bad, pd_12m),
        "gains": _gains(bad, pd_12m),
        "segments": by_segment,
        "stability": shifted,
        "sensitivity": moved,
        "monotonicity": directions,
        "cross_checks": cross_checks(rows, city.kinds, pd_12m),
        "challenger": rival,
        "scorability": [] if evidence is None else scorability(day, evidence),
    }


def steps_of() -> int:
    """Return how often `validate` calls `step`."""
    return len(MEASURED_CASES) + 5


def _share(hazard: Floats, score: Floats) -> float:
    best = metrics.expected_auc(hazard, hazard)
    return (metrics.expected_auc(hazard, score) - 0.5) / (best - 0.5)


def _quality(bad: NDArray[np.int8], pd_12m: Floats) -> QualityFigures:
    return {
        "firms": len(bad),
        "bads": int(bad.sum()),
        "auc": metrics.auc(bad, pd_12m),
        "gini": metrics.gini(bad, pd_12m),
        "ks": metrics.ks(bad, pd_12m),
        "brier": metrics.brier(bad, pd_12m),
        "ece": metrics.ece(bad, pd_12m),
        "mean_pd": float(pd_12m.mean()),
        "bad_rate": float(bad.mean()),
    }


def _gains(bad: NDArray[np.int8], pd_12m: Floats) -> list[list[float]]:
    """Return, per share of firms from the riskiest on, the share of bads among them."""
    share = np.cumsum(bad[np.argsort(-pd_12m, kind="stable")]) / bad.sum()
    return [[k / 20, float(share[max(0, round(len(bad) * k / 20) - 1)])] for k in range(1, 21)]


def stability(
    model: CreditModel, city: City, reference: Reference, days: Sequence[date], newest: pl.DataFrame
) -> StabilityFigures:
    """Return PSI of the score and CSI of the indicators, each day against the same day of the year before.

    Quarters differ by their season and a policy that ended moves what a year's window still shows of it: neither is a
    drift of the model's population. A day whose year before the city does not have is held against the first one.
    """
    read = {days[-1]: newest}

    def rows_of(day: date) -> pl.DataFrame:
        if day not in read:
            read[day] = read_day(city, day, reference).rows()
        return read[day]

    psi: list[tuple[str, float]] = []
    against: list[str] = []
    csi: dict[str, list[float]] = {name: [] for name in model.features}
    for day in days[1:]:
        before_on = add_months(day, -12, ends_stay=True)
        before_on = before_on if before_on in city.snapshots else days[0]
        before, rows = rows_of(before_on), rows_of(day)
        earlier, later = (np.log(model.score(one.select(FEATURES)).pd_12m) for one in (before, rows))
        psi.append((day.isoformat(), metrics.psi(earlier, later)))
        against.append(before_on.isoformat())
        for name, course in csi.items():
            course.append(metrics.psi(_values(before, name), _values(rows, name)))
    strongest = sorted(csi.items(), key=lambda item: -item[1][-1])[:SHOWN]
    return {"since": days[0].isoformat(), "against": against, "psi": psi, "csi": strongest}


def _values(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].fill_null(np.nan).to_numpy().astype(np.float64)


def sensitivity(model: CreditModel, rows: pl.DataFrame) -> list[SensitivityFigures]:
    """Return how far log-odds move when an indicator moves by half its spread, strongest first."""
    some = rows.select(FEATURES)[:MOVED_FIRMS]
    base = model.score(some).margin
    out: list[SensitivityFigures] = []
    for name in model.features:
        known = some[name].drop_nulls()
        spread = float(known.std() or 0.0) if known.len() > 1 else 0.0  # type: ignore[arg-type]  # numbers
        if spread == 0:
            continue
        moved = model.score(some.with_columns(pl.col(name) + spread / 2)).margin - base
        out.append({"indicator": name, "mean": float(moved.mean()), "mean_abs": float(np.abs(moved).mean())})
    return sorted(out, key=lambda row: -row["mean_abs"])[:SHOWN]


def monotonicity(model: CreditModel, rows: pl.DataFrame) -> MonotonicityFigures:
    """Return how many declared directions were walked on a grid of real values, and which were broken."""
    some = rows.select(FEATURES)[:GRID_FIRMS]
    broken, tested = [], 0
    for name in model.features:
        direction, known = model.directions.get(name, BY_NAME[name].direction), rows[name].drop_nulls()
        values = np.unique(np.quantile(known.to_numpy(), np.linspace(0, 1, GRID))) if known.len() else np.empty(0)
        if direction == 0 or len(values) < 2:
            continue
        tested += 1
        walked = np.array([model.score(some.with_columns(pl.lit(float(v)).alias(name))).margin for v in values])
        if (direction * np.diff(walked, axis=0) < -1e-6).any():
            broken.append(name)
    return {"directions": tested, "broken": broken}


def cross_checks(rows: pl.DataFrame, kinds: pl.DataFrame | None, pd_12m: Floats) -> list[CheckFigures]:
    """Return which share of injected firms each cross-check finds, when it may alarm a fixed share of others."""
    if kinds is None:
        return []
    kind = rows.select("firm").join(kinds, on="firm", how="left", maintain_order="left")["kind"].cast(pl.String)
    ordinary = ~kind.is_in(INJECTED).fill_null(value=False).to_numpy()
    checks = {
        i.name: _values(rows, i.name) for i in CATALOGUE if i.dimension == "consistency" and i.name.endswith("_z")
    }
    ranked = {}
    for name, values in checks.items():
        away = np.abs(np.nan_to_num(values, nan=0.0))
        ranked[name] = np.searchsorted(np.sort(away[ordinary]), away, side="left") / max(1, int(ordinary.sum()))
    if ranked:
        ranked["all cross-checks together"] = np.max(list(ranked.values()), axis=0)
    ranked["pd_12m"] = pd_12m
    return [_check_figures(name, score, ordinary, kind) for name, score in ranked.items()]


def _check_figures(name: str, score: Floats, ordinary: NDArray[np.bool_], kind: pl.Series) -> CheckFigures:
    limit = float(np.quantile(score[ordinary], 1 - ALARM_RATE))
    shell, manipulator = ((kind == which).fill_null(value=False).to_numpy() for which in INJECTED)
    return {
        "check": name,
        "alarm_rate": float((score[ordinary] > limit).mean()),
        "shell": float((score[shell] > limit).mean()) if shell.any() else None,
        "shells": int(shell.sum()),
        "manipulator": float((score[manipulator] > limit).mean()) if manipulator.any() else None,
        "manipulators": int(manipulator.sum()),
    }

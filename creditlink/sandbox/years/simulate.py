"""Three years of lending: each year's model learns from the loans whose outcome is known by then, and nothing else.

The first year is decided by a model that knows only its own synthetic city. Loans made on a quarter's last day are
known as good or bad twelve months later. So the second year's model has the loans of one quarter, the third's those of
five, and the one after that those of nine. Each is held against the true probabilities of all firms of the days it
decides on, approved or not, asking or not; no model ever sees these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring.model import CreditModel
from creditlink.sandbox.years.bank import BankPlan, QuarterDecided, decide_quarter
from creditlink.sandbox.years.report import LevelFigures, TenthTruth, YearFigures, YearsReport, quality
from creditlink.sandbox.years.world import QUARTERS, YEARS, QuarterDay, days_of, quarter_of, together
from creditlink.training.city import City
from creditlink.training.outcomes.applicants import Applicants, applicants_of
from creditlink.training.outcomes.fitting import OutcomeModel
from creditlink.training.outcomes.inference import METHODS, LearningRows, learn
from creditlink.training.outcomes.selection import selection_report
from creditlink.training.outcomes.validation import TENTHS, held_out_venn_abers, rate_interval
from creditlink.training.recalibration.outcomes import OutcomesUnusable

Floats = NDArray[np.float64]
Step = Callable[[str], None]

STEPS = YEARS * QUARTERS + 1 + YEARS + len(METHODS)
"""How often `live_years` calls `step`."""


@dataclass(frozen=True)
class YearsPlan:
    """What to live through."""

    seed: int
    bank: BankPlan
    method: str  # of `inference.METHODS`, by which models learn


def live_years(
    city: City, first: CreditModel, reference: Reference, plan: YearsPlan, *, step: Step = lambda _: None
) -> YearsReport:
    """Return the three years in figures; the same city, model, plan and libraries give the same.

    Parameters
    ----------
    first : decides in the first year, and is measured beside the others in every one
    reference : its reference table, whose medians indicators are computed with

    Raises
    ------
    CityError
        The city has too few months.
    OutcomesUnusable
        Too few loans went bad by the end of a year to learn from: a city of more firms, or of riskier ones, is needed.
    """
    rng = np.random.default_rng([plan.seed, 5])
    days = days_of(city)
    decided: list[QuarterDecided] = []
    years: list[YearFigures] = []
    model: OutcomeModel | None = None
    rows: LearningRows | None = None
    learned: Applicants | None = None
    for number in range(YEARS + 1):
        here = days[number * QUARTERS : (number + 1) * QUARTERS]
        if number:
            learned = ripe(decided, here[0])[0]
            try:
                model, rows = learn(learned, plan.method, seed=plan.seed + number)
            except OutcomesUnusable as few:
                wanted = "make a city of more firms, or with --hazard-times"
                raise OutcomesUnusable(f"by {here[0]}: {few}; {wanted}") from None
            step("model")
        quarters = []
        for day in here:
            quarters.append(quarter_of(city, day, reference))
            step("quarter")
        before = len(decided)
        if number < YEARS:
            decided += [decide_quarter(day, said(day, model, first), plan.bank, rng) for day in quarters]
        years.append(_year(number, quarters, decided[before:], model, first, learned, rows))
    learned, hazard = ripe(decided, days[-1])
    assert model is not None and rows is not None  # noqa: S101, PT018 (the years after the first have them)
    return YearsReport(
        years=tuple(years),
        selection=selection_report(learned, seed=plan.seed + YEARS, hazard=hazard, step=step),
        level=_level(model, rows, learned, hazard),
        method=plan.method,
        seed=plan.seed,
        first_day=days[0],
        last_day=days[-1],
    )


def ripe(decided: Sequence[QuarterDecided], on: date) -> tuple[Applicants, Floats]:
    """Return the applicants whose outcomes are known on a day, and their true probabilities, shape (n,)."""
    known = [one for one in decided if one.day.ripe_on <= on]
    table = pl.concat([one.rows for one in known])
    applicants = applicants_of(table, counts=None, source="simulated years", horizon_months=12, cut=on)
    return applicants, np.concatenate([one.hazard for one in known])


def said(day: QuarterDay, model: OutcomeModel | None, first: CreditModel) -> Floats:
    """Return the log-odds of bad that the bank's model gives every firm of a day, shape (n,)."""
    if model is not None:
        return model.logit(day.rows)
    pd_12m = first.score(day.rows).pd_12m
    return np.asarray(np.log(pd_12m / (1 - pd_12m)))


def _year(
    number: int,
    quarters: Sequence[QuarterDay],
    decided: Sequence[QuarterDecided],
    model: OutcomeModel | None,
    first: CreditModel,
    learned: Applicants | None,
    rows: LearningRows | None,
) -> YearFigures:
    firms, hazard = together(quarters)
    table = pl.concat([one.rows for one in decided]) if decided else None
    return YearFigures(
        year=number + 1,
        days=tuple(day.as_of for day in quarters),
        firms=firms.height,
        applicants=0 if table is None else table.height,
        approved=0 if table is None else int(table["approved"].sum()),
        by_lot=0 if table is None else int(table["by_lot"].sum()),
        loans_learned=0 if rows is None else len(np.unique(rows.place)),
        bads_learned=0 if learned is None else int((learned.is_bad == 1).sum()),
        true_pd=float(hazard.mean()),
        best_auc=quality(hazard, hazard).auc,
        model=None if model is None else quality(hazard, model.pd(firms)),
        first_model=quality(hazard, first.score(firms).pd_12m),
    )


def _level(model: OutcomeModel, rows: LearningRows, learned: Applicants, hazard: Floats) -> LevelFigures:
    """Hold the intervals of a validation of the last model's loans against what is true of these loans."""
    place = np.unique(rows.place[learned.known[rows.place]])
    bad, firm, true = learned.is_bad[place], learned.firm[place], hazard[place]
    logit = model.unseen_logit(learned.features[place], firm)
    low, high = held_out_venn_abers(logit, bad, firm)
    tenths = []
    for g in np.array_split(np.argsort(logit, kind="stable"), TENTHS):
        rate = rate_interval(int(bad[g].sum()), len(g))
        tenths.append(TenthTruth(float(true[g].mean()), rate, float(low[g].mean()), float(high[g].mean())))
    return LevelFigures(
        tenths=tuple(tenths),
        within_interval=sum(one.bad_rate["low"] <= one.true <= one.bad_rate["high"] for one in tenths),
        within_venn_abers=sum(one.venn_abers_low <= one.true <= one.venn_abers_high for one in tenths),
        firms_within=float(((low <= true) & (true <= high)).mean()),
        width=float((high - low).mean()),
    )

"""The utility company's records: electricity, water and gas by month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import FRAME_SCHEMAS, METER_KINDS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats
from creditlink.sandbox.city.latent import NEVER, Bools, Firms
from creditlink.sandbox.city.records import payments


@dataclass(frozen=True)
class Meter:
    """One kind of supply in the city."""

    column: str  # of the trade: use per 1,000 yuan of sales
    fen: float  # price of a unit
    base: float  # share of usual use that continues without any production
    season: tuple[float, ...]  # log factor by calendar month
    faults: float  # share of the meters that read zero for a while


METERS: dict[str, Meter] = {
    "electricity": Meter(
        "kwh", 71, 0.38, (-0.02, -0.10, -0.06, -0.02, 0.05, 0.12, 0.20, 0.20, 0.12, 0.02, -0.06, -0.02), 0.09
    ),
    "water": Meter("water", 410, 0.30, (-0.05, -0.10, -0.03, 0, 0.03, 0.08, 0.10, 0.10, 0.05, 0, -0.03, -0.05), 0.09),
    "gas": Meter("gas", 365, 0.10, (0.30, 0.20, 0.12, 0, -0.10, -0.20, -0.25, -0.25, -0.15, 0, 0.12, 0.25), 0.12),
}

HEATING = np.array([2.6, 2.3, 1.7, 0.8, 0.3, 0.08, 0.04, 0.05, 0.15, 0.8, 1.5, 2.2])
"""Gas burnt for heat by calendar month, relative to its mean: the shape of real gas meters of buildings."""


def _usage(firms: Firms, activity: Activity, calendar: Calendar, kind: str, rng: np.random.Generator) -> Floats:
    """Return true use, shape (n, months)."""
    meter, (n, months) = METERS[kind], activity.present.shape
    moy = calendar.month_of_year[:months]
    usual = np.exp(firms.size) / 1000 * firms.of_trade(meter.column) * np.exp(0.45 * rng.standard_normal(n))
    usual = np.maximum(usual, {"electricity": 60.0, "water": 4.0, "gas": 3.0}[kind])
    # Some supplies depend on the machines, others on the building.
    standing = np.clip(meter.base * np.exp(0.55 * rng.standard_normal(n)), 0.0, 0.85)[:, None]
    swing = np.exp(0.6 * rng.standard_normal(n))[:, None]
    season = np.array(meter.season)[moy] * swing
    steady = (0.035 * np.exp(0.5 * rng.standard_normal(n)))[:, None]
    jolt = np.where(rng.random((n, months)) < 0.02, 0.45 * rng.standard_normal((n, months)), 0.0)
    noise = steady * rng.standard_normal((n, months)) + jolt
    use = usual[:, None] * (standing + (1 - standing) * activity.production) * np.exp(season + noise)
    if kind == "gas":
        # Gas that heats a building follows the winter and stops in summer; gas of a process does not.
        heats = (rng.random(n) ** 1.5)[:, None]
        heating = HEATING[moy] * np.exp(0.25 * rng.standard_normal((n, months)))
        use *= 1 - heats + heats * heating
        shuts = np.where(rng.random((n, 1)) < heats, rng.uniform(0.0, 0.30, (n, 1)), 0.0)
        use = np.where(heating < shuts, 0.0, use)
    # A shell rents a desk: its meter, if it has one, turns for the light.
    desk = {"electricity": 40.0, "water": 1.5, "gas": 0.0}[kind]
    use = np.where(firms.is_kind("shell")[:, None], desk * np.exp(season + noise), use)
    # A zero is not always a standstill: a broken meter reads zero until somebody notices.
    return np.where(_episodes(rng, n, months, METERS[kind].faults, 1.6), 0.0, use)


def _rhythm(
    firms: Firms, activity: Activity, rng: np.random.Generator, usual: float, spread: float, follows: float
) -> Floats:
    """Return the share of electricity used at night or at weekends, shape (n, months).

    Extra shifts are the first to go when orders fall, and the last to come back.
    """
    n, months = activity.present.shape
    works = np.where(firms.of_trade("kwh") > 30, 1.0, 0.5)
    own = np.clip(usual * works * np.exp(spread * rng.standard_normal(n)), 0.02, 0.7)[:, None]
    noise = np.exp(0.10 * rng.standard_normal((n, months)))
    return np.clip(own * np.maximum(activity.production, 0.05) ** follows * noise, 0.0, 0.9)


def _episodes(rng: np.random.Generator, n: int, months: int, share: float, mean: float) -> Bools:
    """Return one run of months for a share of the firms, at a random time and `mean` months long on average."""
    begin = np.where(rng.random(n) < share, rng.integers(0, months, n), months)[:, None]
    length = rng.geometric(1 / mean, n)[:, None]
    index = np.arange(months)
    return (index >= begin) & (index < begin + length)


def meter_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return the frame of one block, all meters."""
    rng, n = firms.stream("meters"), len(firms)
    by_debit = rng.random(n)
    parts = [_one_meter(firms, activity, calendar, kind, by_debit, rng) for kind in METER_KINDS]
    return pl.concat(parts).sort("firm", "period", "kind", "known_on", maintain_order=True)


def _one_meter(
    firms: Firms, activity: Activity, calendar: Calendar, kind: str, by_debit: Floats, rng: np.random.Generator
) -> pl.DataFrame:
    use = _usage(firms, activity, calendar, kind, rng)
    rows, columns = payments.facts(activity.present & firms.covered[kind][:, None])
    size = rows.size
    health, defaulted = activity.health[rows, columns], activity.defaulted[rows, columns]
    # Direct debit is the habit of the settled; it goes with fewer late bills, not with none.
    share = 1 / (1 + np.exp(-(0.2 + 0.5 * health)))
    debit = (0.7 * by_debit[rows] + 0.3 * rng.random(size)) < share
    method = np.where(debit, 0, np.where(rng.random(size) < 0.85, 1, 2))
    due = payments.due_days(calendar, 18)[columns]
    sloppy = firms.sloppy[rows] - 0.5 * debit + 0.1
    paid_day = payments.settle(rng, payments.UTILITY, due, health, sloppy, defaulted)
    unpaid_long = paid_day - due > 45
    cut = unpaid_long & (rng.random(size) < 0.35) & ~calendar.in_relief[columns]

    amount_of = use[rows, columns]
    quality = np.where(rng.random(size) < 0.03, 1, np.where(rng.random(size) < 0.01, 2, 0))
    read = np.where(quality == 1, amount_of * np.exp(0.10 * rng.standard_normal(size)), amount_of)
    # A meter is swapped or cannot be reached: no reading, for one month or for several.
    away = _episodes(rng, len(firms), calendar.months, 0.07, 6.0)[rows, columns]
    unread = away | (rng.random(size) < 0.004)
    # A cut supply is on record from the cut on, whether or not the bill is ever paid.
    news = np.where(cut & (paid_day == NEVER), due + 50, paid_day)
    versions, amended = payments.record(rng, due + 1, news, 0.006)
    versions = versions.until_end(calendar)
    of = versions.of
    # A correction of an estimate brings the true reading.
    better = versions.correction & (amended[of] | (quality[of] == 1))
    usage = np.round(np.where(better, amount_of[of], read[of]), 1)
    bill = np.rint(np.round(read[of], 1) * METERS[kind].fen).astype(np.int64)
    paid = (paid_day[of] < versions.known) & (paid_day[of] < NEVER)
    schema = FRAME_SCHEMAS["meter_months"]
    # Three supplies of electricity in five have a meter that writes down every interval, and those read themselves.
    interval = (kind == "electricity") & (rng.random(len(firms)) < 0.6)[rows]
    told = (interval & (quality == 0) & ~unread)[of]
    night, weekend = (
        pl.Series(np.round(_rhythm(firms, activity, rng, *habit)[rows, columns][of] * usage, 1))
        for habit in ((0.30, 0.45, 0.8), (0.22, 0.35, 0.5))
    )
    return pl.DataFrame(
        {
            "firm": firms.firm[rows][of].astype(np.int32),
            "period": payments.days("period", calendar.starts[columns][of]),
            "kind": payments.enum_of("kind", np.full(of.size, METER_KINDS.index(kind)), schema["kind"]),
            "usage": payments.nullable(pl.Series("usage", usage), better | ~unread[of]),
            "night_usage": payments.nullable(night, told),
            "weekend_usage": payments.nullable(weekend, told),
            "amount_fen": np.where(better, np.rint(usage * METERS[kind].fen).astype(np.int64), bill),
            "due_on": payments.days("due_on", due[of]),
            "paid_on": payments.days("paid_on", np.where(paid, paid_day[of], 0), paid),
            "method": payments.enum_of("method", method[of], schema["method"]),
            "read_quality": payments.enum_of("read_quality", np.where(better, 0, quality[of]), schema["read_quality"]),
            "disconnected": cut[of] & versions.correction,
            "known_on": payments.days("known_on", versions.known),
        },
        schema=schema,
    )

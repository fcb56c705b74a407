"""The utility company's records: electricity, water and gas by month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.records.frames import FRAME_SCHEMAS, METER_KINDS
from creditlink.sandbox.city import payments
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import Calendar, Floats
from creditlink.sandbox.city.latent import NEVER, Firms


@dataclass(frozen=True)
class Meter:
    """One kind of supply in the city."""

    column: str  # of the trade: use per 1,000 yuan of sales
    fen: float  # price of a unit
    base: float  # share of usual use that goes on without any production
    season: tuple[float, ...]  # log factor by calendar month


METERS: dict[str, Meter] = {
    "electricity": Meter(
        "kwh", 71, 0.22, (-0.02, -0.10, -0.06, -0.02, 0.05, 0.12, 0.20, 0.20, 0.12, 0.02, -0.06, -0.02)
    ),
    "water": Meter("water", 410, 0.25, (-0.05, -0.10, -0.03, 0, 0.03, 0.08, 0.10, 0.10, 0.05, 0, -0.03, -0.05)),
    "gas": Meter("gas", 365, 0.08, (0.35, 0.25, 0.15, 0, -0.12, -0.25, -0.30, -0.30, -0.20, 0, 0.15, 0.30)),
}


def _usage(firms: Firms, activity: Activity, calendar: Calendar, kind: str, rng: np.random.Generator) -> Floats:
    """Return true use, shape (n, months)."""
    meter, (n, months) = METERS[kind], activity.present.shape
    usual = np.exp(firms.size) / 1000 * firms.of_trade(meter.column) * np.exp(0.45 * rng.standard_normal(n))
    usual = np.maximum(usual, {"electricity": 60.0, "water": 4.0, "gas": 3.0}[kind])
    standing = meter.base * np.exp(0.3 * rng.standard_normal(n))
    swing = np.exp(0.5 * rng.standard_normal(n))[:, None]
    season = np.array(meter.season)[calendar.month_of_year[:months]] * swing
    noise = 0.045 * rng.standard_normal((n, months)) + np.where(
        rng.random((n, months)) < 0.03, 0.40 * rng.standard_normal((n, months)), 0.0
    )
    use = usual[:, None] * (standing[:, None] + (1 - meter.base) * activity.production) * np.exp(season + noise)
    # A shell rents a desk: its meter, if it has one, turns for the light.
    desk = {"electricity": 40.0, "water": 1.5, "gas": 0.0}[kind]
    use = np.where(firms.is_kind("shell")[:, None], desk * np.exp(season + noise), use)
    if kind == "gas":
        use = np.where(rng.random((n, months)) < 0.05, 0.0, use)
    return use


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
    unread = rng.random(size) < 0.006
    # A supply that was cut is on record when the cut was made, whether or not the bill is ever paid.
    news = np.where(cut & (paid_day == NEVER), due + 50, paid_day)
    versions, amended = payments.record(rng, due + 1, news, 0.006)
    versions = versions.kept(calendar)
    of = versions.of
    # A correction of an estimate brings the true reading.
    better = versions.correction & (amended[of] | (quality[of] == 1))
    usage = np.round(np.where(better, amount_of[of], read[of]), 1)
    bill = np.rint(np.round(read[of], 1) * METERS[kind].fen).astype(np.int64)
    paid = (paid_day[of] < versions.known) & (paid_day[of] < NEVER)
    schema = FRAME_SCHEMAS["meter_months"]
    return pl.DataFrame(
        {
            "firm": firms.firm[rows][of].astype(np.int32),
            "period": payments.days("period", calendar.starts[columns][of]),
            "kind": payments.coded("kind", np.full(of.size, METER_KINDS.index(kind)), schema["kind"]),
            "usage": payments.nullable(pl.Series("usage", usage), better | ~unread[of]),
            "amount_fen": np.where(better, np.rint(usage * METERS[kind].fen).astype(np.int64), bill),
            "due_on": payments.days("due_on", due[of]),
            "paid_on": payments.days("paid_on", np.where(paid, paid_day[of], 0), paid),
            "method": payments.coded("method", method[of], schema["method"]),
            "read_quality": payments.coded("read_quality", np.where(better, 0, quality[of]), schema["read_quality"]),
            "disconnected": cut[of] & versions.correction,
            "known_on": payments.days("known_on", versions.known),
        },
        schema=schema,
    )

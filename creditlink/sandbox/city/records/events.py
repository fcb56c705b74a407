"""The rarer records: public credit events, contracts, intellectual property, logistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import EVENT_KINDS, FRAME_SCHEMAS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import TRADES, USUAL_SIZE, Calendar, Floats
from creditlink.sandbox.city.latent import NEVER, Bools, Firms
from creditlink.sandbox.city.records import payments

_SHIPPING = np.array([trade.code[0] in "ACFG" for trade in TRADES])
_INVENTING = np.array([trade.code[0] in "CIM" for trade in TRADES])


@dataclass(frozen=True)
class _Event:
    chance: float  # a month at health 0
    slope: float  # log change per unit of health
    after_default: float  # chance a month
    severity: tuple[float, float, float]
    fen: float  # log of the usual amount, 0 for none
    ends: float  # share that end
    lasts: tuple[int, int]  # days


_EVENTS: dict[str, _Event] = {
    "penalty": _Event(0.0022, -0.45, 0.010, (0.6, 0.33, 0.07), 13.2, 0.5, (90, 400)),
    "licence": _Event(0.0040, 0.10, 0.0, (1.0, 0.0, 0.0), 0.0, 0.0, (0, 1)),
    "court_enforcement": _Event(0.0007, -1.00, 0.060, (0.2, 0.5, 0.3), 16.5, 0.5, (120, 600)),
    "dishonest_debtor": _Event(0.00007, -1.20, 0.030, (0.0, 0.2, 0.8), 16.8, 0.2, (300, 730)),
    "red_list": _Event(0.0015, 0.60, 0.0, (1.0, 0.0, 0.0), 0.0, 0.0, (0, 1)),
}


def credit_events(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return penalties, licences, enforcement cases, debtor-list and red-list entries of one block."""
    rng, (n, months) = firms.stream("events"), activity.present.shape
    schema = FRAME_SCHEMAS["credit_events"]
    parts = []
    for number, kind in enumerate(EVENT_KINDS):
        event = _EVENTS[kind]
        chance = event.chance * np.exp(event.slope * np.clip(activity.health, -3.5, 2.0))
        chance = np.where(activity.defaulted, np.maximum(event.after_default, 0.0), chance)
        rows, columns = payments.facts(activity.present & (rng.random((n, months)) < chance))
        size = rows.size
        occurred = calendar.starts[columns] + rng.integers(0, 28, size)
        ends = rng.random(size) < event.ends
        ended = np.where(ends, occurred + rng.integers(*event.lasts, size), NEVER)
        # The end is news of its own: a correction on the day it is recorded.
        versions, _ = payments.record(rng, occurred + rng.integers(4, 40, size), ended, 0.0, 0.05)
        versions = versions.until_end(calendar)
        of = versions.of
        over = (ended[of] < versions.known) & (ended[of] < NEVER)
        severity = 1 + np.searchsorted(np.cumsum(event.severity), rng.random(size), side="right").clip(0, 2)
        fen = np.exp(event.fen + 0.9 * rng.standard_normal(size)).astype(np.int64) if event.fen else np.zeros(size)
        parts.append(
            pl.DataFrame(
                {
                    "firm": firms.firm[rows][of].astype(np.int32),
                    "period": payments.days("period", calendar.starts[columns][of]),
                    "kind": payments.enum_of("kind", np.full(of.size, number), schema["kind"]),
                    "occurred_on": payments.days("occurred_on", occurred[of]),
                    "severity": severity[of].astype(np.int8),
                    "amount_fen": fen[of].astype(np.int64),
                    "ended_on": payments.days("ended_on", np.where(over, ended[of], 0), over),
                    "known_on": payments.days("known_on", versions.known),
                },
                schema=schema,
            )
        )
    return pl.concat(parts).sort("firm", "period", "kind", "occurred_on", "known_on", maintain_order=True)


def _monthly(
    name: str, firms: Firms, cells: Bools, calendar: Calendar, rng: np.random.Generator, columns: dict[str, Floats]
) -> pl.DataFrame:
    """Return an uncorrected monthly frame of the true cells; `columns` are matrices (n, months)."""
    rows, months = payments.facts(cells)
    versions, _ = payments.record(rng, payments.due_days(calendar, 10)[months], None, 0.0)
    versions = versions.until_end(calendar)
    at = rows[versions.of], months[versions.of]
    schema = FRAME_SCHEMAS[name]
    data = {
        "firm": firms.firm[at[0]].astype(np.int32),
        "period": payments.days("period", calendar.starts[at[1]]),
        **{key: pl.Series(key, matrix[at]).cast(schema[key]) for key, matrix in columns.items()},
        "known_on": payments.days("known_on", versions.known),
    }
    return pl.DataFrame(data, schema=schema)


def contract_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return contracts signed, performed and breached of one block."""
    rng, n = firms.stream("contracts"), len(firms)
    usual = np.exp(0.45 * (firms.size - USUAL_SIZE) + 0.5 * rng.standard_normal(n) - 0.2)
    signed = rng.poisson(usual[:, None] * np.exp(0.2 * np.clip(activity.health, -3, 2)))
    due = np.roll(signed, 2, axis=1)
    due[:, :2] = 0
    bad = 1 / (1 + np.exp(4.3 + 0.9 * np.clip(activity.health, -3, 2)))
    breached = rng.binomial(due, np.where(activity.defaulted, 0.35, bad))
    cells = activity.present & firms.covered["contract"][:, None] & (signed + due > 0)
    columns = {"signed": signed, "performed": due - breached, "breached": breached}
    return _monthly("contract_months", firms, cells, calendar, rng, columns)


def property_grants(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return grants of patents, models, trademarks and software of one block."""
    rng, (n, months) = firms.stream("grants"), activity.present.shape
    schema = FRAME_SCHEMAS["property_grants"]
    inventive = np.exp(0.3 * (firms.size - USUAL_SIZE + 0.3) + 0.5 * rng.standard_normal(n)) * np.where(
        _INVENTING[firms.trade], 1.6, 0.4
    )
    parts = []
    for number, (kind, rate) in enumerate(
        (("patent", 0.012), ("utility_model", 0.03), ("trademark", 0.02), ("software", 0.015))
    ):
        granted = rng.poisson(np.minimum(rate * inventive, 1.0)[:, None], (n, months))
        cells = activity.present & firms.covered["intellectual_property"][:, None] & (granted > 0)
        rows, columns = payments.facts(cells)
        versions, _ = payments.record(rng, payments.due_days(calendar, 10)[columns], None, 0.0)
        versions = versions.until_end(calendar)
        at = rows[versions.of], columns[versions.of]
        parts.append(
            pl.DataFrame(
                {
                    "firm": firms.firm[at[0]].astype(np.int32),
                    "period": payments.days("period", calendar.starts[at[1]]),
                    "kind": payments.enum_of("kind", np.full(versions.of.size, number), schema["kind"]),
                    "granted": granted[at].astype(np.int32),
                    "known_on": payments.days("known_on", versions.known),
                },
                schema=schema,
            )
        )
        assert kind in schema["kind"].categories  # noqa: S101 - the order above must be the frame's
    return pl.concat(parts).sort("firm", "period", "kind", "known_on", maintain_order=True)


def shipment_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return shipments and tonnes of one block; only firms that make or move goods."""
    rng, n = firms.stream("shipments"), len(firms)
    usual = np.exp(0.7 * (firms.size - USUAL_SIZE) + 0.5 * rng.standard_normal(n) + 1.6)
    shipments = rng.poisson(np.minimum(usual[:, None] * activity.production, 5000))
    tonnes = np.round(shipments * np.exp(0.4 + 0.6 * rng.standard_normal(n))[:, None], 2)
    cells = activity.present & (firms.covered["logistics"] & _SHIPPING[firms.trade])[:, None] & (shipments > 0)
    return _monthly("shipment_months", firms, cells, calendar, rng, {"shipments": shipments, "tonnes": tonnes})

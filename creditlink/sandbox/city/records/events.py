"""The rarer records: public credit events, contracts, intellectual property, logistics, customs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import EVENT_KINDS, FRAME_SCHEMAS, TRADE_DIRECTIONS
from creditlink.sandbox.city.activity import Activity
from creditlink.sandbox.city.economy import TRADES, USUAL_SIZE, Calendar, Floats
from creditlink.sandbox.city.latent import NEVER, Bools, Firms
from creditlink.sandbox.city.records import payments

_SHIPPING = np.array([trade.code[0] in "ACFG" for trade in TRADES])
_STORING = np.array([trade.code[0] in "CG" or trade.code == "F51" for trade in TRADES])
_PUBLIC_PAYERS = np.array([trade.code in ("E47", "E50", "I65", "L72", "M74") for trade in TRADES])
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
    "penalty": _Event(0.0030, -0.65, 0.015, (0.6, 0.33, 0.07), 13.2, 0.5, (90, 400)),
    "licence": _Event(0.0040, 0.10, 0.0, (1.0, 0.0, 0.0), 0.0, 0.0, (0, 1)),
    "court_enforcement": _Event(0.0014, -1.30, 0.060, (0.2, 0.5, 0.3), 16.5, 0.5, (120, 600)),
    "dishonest_debtor": _Event(0.00012, -1.40, 0.030, (0.0, 0.2, 0.8), 16.8, 0.2, (300, 730)),
    "red_list": _Event(0.0015, 0.60, 0.0, (1.0, 0.0, 0.0), 0.0, 0.0, (0, 1)),
}


def credit_events(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return penalties, licences, enforcement cases, debtor-list and red-list entries of one block.

    The lists are searched once for every firm, when it is first there: what is not on them then is not there.
    """
    rng, (n, months) = firms.stream("events"), activity.present.shape
    schema = FRAME_SCHEMAS["credit_events"]
    parts = [_searched(firms, activity, calendar)]
    for number, kind in enumerate(EVENT_KINDS):
        if kind not in _EVENTS:
            continue
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


def _searched(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    schema = FRAME_SCHEMAS["credit_events"]
    rows = np.flatnonzero(activity.present.any(axis=1))
    month = activity.present.argmax(axis=1)[rows]
    day = calendar.starts[month] + 4
    return pl.DataFrame(
        {
            "firm": firms.firm[rows].astype(np.int32),
            "period": payments.days("period", calendar.starts[month]),
            "kind": payments.enum_of("kind", np.full(rows.size, EVENT_KINDS.index("searched")), schema["kind"]),
            "occurred_on": payments.days("occurred_on", day),
            "severity": np.ones(rows.size, np.int8),
            "amount_fen": np.zeros(rows.size, np.int64),
            "ended_on": pl.Series([None] * rows.size, dtype=pl.Date),
            "known_on": payments.days("known_on", day),
        },
        schema=schema,
    )


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
    """Return contracts signed, performed and breached of one block, and what public bodies owe for them."""
    rng, n = firms.stream("contracts"), len(firms)
    usual = np.exp(0.45 * (firms.size - USUAL_SIZE) + 0.5 * rng.standard_normal(n) - 0.2)
    signed = rng.poisson(usual[:, None] * np.exp(0.2 * np.clip(activity.health, -3, 2)))
    due = np.roll(signed, 2, axis=1)
    due[:, :2] = 0
    bad = 1 / (1 + np.exp(4.3 + 0.9 * np.clip(activity.health, -3, 2)))
    breached = rng.binomial(due, np.where(activity.defaulted, 0.35, bad))
    cells = activity.present & firms.covered["contract"][:, None] & (signed + due > 0)
    # A contract is worth about what the firm sells in a month by its usual number of them.
    worth = np.exp(firms.size - np.log(np.maximum(usual, 0.3)) + 0.4 * rng.standard_normal(n))[:, None] * 100

    def fen(count: Floats) -> Floats:
        return np.rint(count * worth * np.exp(0.3 * rng.standard_normal(count.shape)))

    performed = fen(due - breached)
    # Public bodies pay late as they do, whoever the contractor is.
    payer = rng.random(n) < np.where(_PUBLIC_PAYERS[firms.trade], 0.40, 0.08)
    owed = np.rint(performed * (payer * rng.uniform(0.2, 1.0, n))[:, None])
    late = np.rint(owed * np.where(rng.random(owed.shape) < 0.25, rng.uniform(0.3, 1.0, owed.shape), 0.0))
    columns = {
        "signed": signed,
        "performed": due - breached,
        "breached": breached,
        "signed_fen": fen(signed),
        "performed_fen": performed,
        "breached_fen": fen(breached),
        "government_due_fen": owed,
        "government_late_fen": late,
    }
    return _monthly("contract_months", firms, cells, calendar, rng, columns)


def property_grants(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return grants of patents, models, trademarks and software of one block."""
    rng, (n, months) = firms.stream("grants"), activity.present.shape
    schema = FRAME_SCHEMAS["property_grants"]
    inventive = np.exp(0.3 * (firms.size - USUAL_SIZE + 0.3) + 0.5 * rng.standard_normal(n)) * np.where(
        _INVENTING[firms.trade], 1.6, 0.4
    )
    parts = []
    for number, rate in enumerate((0.012, 0.03, 0.02, 0.015)):  # a month, in the order of PROPERTY_KINDS
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
    return pl.concat(parts).sort("firm", "period", "kind", "known_on", maintain_order=True)


def shipment_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return shipments and tonnes of one block; only firms that make or move goods."""
    rng, n = firms.stream("shipments"), len(firms)
    usual = np.exp(0.7 * (firms.size - USUAL_SIZE) + 0.5 * rng.standard_normal(n) + 1.6)
    shipments = rng.poisson(np.minimum(usual[:, None] * activity.production, 5000))
    tonnes = np.round(shipments * np.exp(0.4 + 0.6 * rng.standard_normal(n))[:, None], 2)
    cells = activity.present & (firms.covered["logistics"] & _SHIPPING[firms.trade])[:, None] & (shipments > 0)
    # Goods that do not sell pile up: what lies in store grows as health falls.
    stores = _STORING[firms.trade] & (rng.random(n) < 0.6)
    days = np.exp(-0.4 + 0.4 * rng.standard_normal(n))[:, None] * np.exp(
        -0.22 * np.clip(activity.health, -3, 2) + 0.15 * rng.standard_normal(tonnes.shape)
    )
    usually = np.where(cells, tonnes, 0).sum(axis=1) / np.maximum(cells.sum(axis=1), 1)
    stored = np.where(stores[:, None], np.round(usually[:, None] * days, 2), np.nan)
    columns = {"shipments": shipments, "tonnes": tonnes, "stored_tonnes": stored}
    frame = _monthly("shipment_months", firms, cells, calendar, rng, columns)
    return frame.with_columns(pl.col("stored_tonnes").fill_nan(None))


def customs_months(firms: Firms, activity: Activity, calendar: Calendar) -> pl.DataFrame:
    """Return exports and imports through customs of one block; a part of sales, of firms that trade abroad."""
    rng, (n, months) = firms.stream("customs"), activity.present.shape
    schema = FRAME_SCHEMAS["customs_months"]
    covered = firms.covered["import_export"]
    parts = []
    for number, likely in enumerate((0.85, 0.45)):
        trades = covered & (rng.random(n) < likely)
        share = rng.uniform(0.1, 0.8, n)[:, None] * (1.0, 0.5)[number]
        amount = activity.sales * share * np.exp(0.3 * rng.standard_normal((n, months)))
        silent = rng.random((n, months)) < np.clip(0.15 - 0.08 * activity.health, 0.02, 0.6)
        usual = np.exp(0.5 * (firms.size - USUAL_SIZE) + 0.8)[:, None]
        count = 1 + rng.poisson(np.minimum(usual * activity.production, 400))
        faults = rng.binomial(count, 1 / (1 + np.exp(4.2 + 0.5 * np.clip(activity.health, -3, 2))))
        cells = activity.present & trades[:, None] & ~silent & (amount > 1_000)
        rows, columns = payments.facts(cells)
        versions, _ = payments.record(rng, payments.due_days(calendar, 8)[columns], None, 0.0)
        versions = versions.until_end(calendar)
        at = rows[versions.of], columns[versions.of]
        parts.append(
            pl.DataFrame(
                {
                    "firm": firms.firm[at[0]].astype(np.int32),
                    "period": payments.days("period", calendar.starts[at[1]]),
                    "direction": payments.enum_of("direction", np.full(at[0].size, number), schema["direction"]),
                    "declarations": count[at].astype(np.int32),
                    "amount_fen": np.rint(amount[at] * 100).astype(np.int64),
                    "faults": faults[at].astype(np.int32),
                    "known_on": payments.days("known_on", versions.known),
                },
                schema=schema,
            )
        )
    assert len(parts) == len(TRADE_DIRECTIONS)  # noqa: S101 (one part for each direction, in their order)
    return pl.concat(parts).sort("firm", "period", "direction", "known_on", maintain_order=True)

"""From records to indicators: the one implementation for one firm, training and the whole city."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.features.catalogue import CATALOGUE, REFERENCE_VALUES, windows
from creditlink.engine.features.months import events
from creditlink.engine.features.months.grid import day_number, numbers, window_blocks
from creditlink.engine.features.reference import Reference

_WINDOWS = windows()
_INDICATORS = [i.expression.cast(pl.Float64).alias(i.name) for i in CATALOGUE]
_REFERENCE = [expression.cast(pl.Float64).alias(name) for name, expression in REFERENCE_VALUES.items()]
_REFERENCE_COLUMNS = (
    *(f"reference:{name}:{part}" for name in REFERENCE_VALUES for part in ("median", "mad")),
    "reference:default_rate",
)
_REGISTERED = ("status", "entity_type", "registered_capital_fen", "paid_in_capital_fen", "linked_struck_off")


def compute(records: RecordSet, as_of: date, reference: Reference | None = None) -> pl.DataFrame:
    """Compute every indicator of every firm as it was known on `as_of`.

    Parameters
    ----------
    records : `registration` has one row per firm; categories not granted are empty frames
    as_of : the day whose knowledge counts; months that ended before its month are read
    reference : the industry table of the model; without it the indicators against the industry
        (`…_z`, `unsupported_sales_z`, `industry_default_rate`) are missing

    Returns
    -------
    frame with `firm` (Int32, ascending) and one Float64 column per indicator in catalogue order,
    null where missing. A firm's row does not depend, to the last bit, on the other firms.

    Raises
    ------
    ValueError
        A frame has a firm that the registration lacks, or the registration has one twice.
    """
    return _evaluate(records, as_of, reference, _INDICATORS)


def reference_values(records: RecordSet, as_of: date) -> pl.DataFrame:
    """Compute what a reference table is measured on: `firm` and the logarithms of REFERENCE_VALUES."""
    return _evaluate(records, as_of, None, _REFERENCE)


def _evaluate(records: RecordSet, as_of: date, reference: Reference | None, expressions: list[pl.Expr]) -> pl.DataFrame:
    registration = records.registration
    if not registration["firm"].is_sorted():
        registration = registration.sort("firm")
    firms = registration["firm"].to_numpy().astype(np.int64)
    twice = np.flatnonzero(firms[1:] == firms[:-1])
    if len(twice):
        raise ValueError(f"registration: firm {int(firms[twice[0]])} appears twice")
    states = _states(registration, as_of, reference)
    counted = events.event_columns(records, as_of, firms)
    parts, begin = [], 0
    for block, columns in window_blocks(records, as_of, _WINDOWS):
        cut = slice(begin, begin + len(block))
        begin += len(block)
        extra = [pl.Series(name, values[cut], nan_to_null=True) for name, values in states.items()]
        extra += [
            pl.Series(name, values[cut], nan_to_null=True) for name, values in zip(events.COLUMNS, counted, strict=True)
        ]
        extra += [registration[c][cut].alias(f"registration:{c}") for c in _REGISTERED]
        values = columns.hstack(extra).select(expressions)
        parts.append(values.insert_column(0, pl.Series("firm", block, dtype=pl.Int32)))
    if not parts:
        names = [e.meta.output_name() for e in expressions]
        return pl.DataFrame(schema={"firm": pl.Int32, **dict.fromkeys(names, pl.Float64)})
    return pl.concat(parts, rechunk=True) if len(parts) > 1 else parts[0]


def _states(registration: pl.DataFrame, as_of: date, reference: Reference | None) -> dict[str, NDArray[np.float64]]:
    """Return what the registration and the reference table say of each firm, as columns."""
    established = numbers(registration["established_on"])
    age = np.maximum(day_number(as_of) - established, 0.0) / events.DAYS_OF_MONTH
    known = {} if reference is None else reference.columns(registration["industry"])
    missing = np.full(registration.height, np.nan)
    return {"registration:age_months": age} | {name: known.get(name, missing) for name in _REFERENCE_COLUMNS}

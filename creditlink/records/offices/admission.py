"""What a connector may bring in: facts of its source's categories, in the asked months, that a frame can hold. Pure.

A connector may be anybody's package. So each fact is held against its frame before it is stored, and one that does not
fit is kept aside like any row that does not read: with its field, its value and the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite

import polars as pl

from creditlink.engine.facts.frame_checks import fault
from creditlink.engine.facts.frames import FRAME_CATEGORY, FRAME_KEYS, FRAME_SCHEMAS
from creditlink.kit.clock import day_of
from creditlink.kit.files.text import flaw
from creditlink.records.connectors.fields import YEARS, FieldError, within
from creditlink.records.pulls.delivery import ANSWERED, Delivery, Fact, Reject, ResourceResult

_LONGEST_SUBKEY = 200
_MOST_FAULTS = 200  # of one frame, found one by one; a connector that is so wrong has the rest of it refused
_WHOLE = {pl.Int8: 2**7, pl.Int32: 2**31, pl.Int64: 2**63}
_OWN = frozenset(("firm", "period", "known_on"))


@dataclass(frozen=True)
class Admission:
    """What a source may deliver for one firm."""

    source: str
    frames: Collection[str]  # of its connector
    categories: Collection[str]  # that configuration gives it
    since: date
    until: date


def admit(delivery: Delivery, admission: Admission) -> Delivery:
    """Return what of a delivery is taken in; the rest is among its rejects, the source is the one configured."""
    facts, rejects = [], [_own(reject, admission.source) for reject in delivery.rejects]
    for index, fact in enumerate(delivery.facts):
        try:
            facts.append(_admitted(fact, admission))
        except FieldError as error:
            rejects.append(_reject(admission.source, fact, index, error))
    impossible = {id(fact): error for fact, error in _impossible(facts)}
    if impossible:
        facts = [fact for fact in facts if id(fact) not in impossible]
        rejects += [
            _reject(admission.source, fact, index, impossible[id(fact)])
            for index, fact in enumerate(delivery.facts)
            if id(fact) in impossible
        ]
    refused = len(rejects) - len(delivery.rejects)
    resources = {name: _checked(name, result) for name, result in delivery.resources.items()}
    if refused:
        # Beside the office's own: what its connector made of the rows does not fit.
        resources["(connector)"] = ResourceResult(
            status="PARTIAL", rejected=refused, error=f"{refused} facts of the connector were refused"
        )
    return replace(
        delivery, source=admission.source, facts=facts, rejects=rejects, resources=resources or {"*": _silent()}
    )


def _checked(name: str, result: ResourceResult) -> ResourceResult:
    if result.status not in ANSWERED:
        return ResourceResult(status="DOWN", error=f"the connector gives {name} no status that is an answer")
    return result


def _silent() -> ResourceResult:
    return ResourceResult(status="DOWN", error="the connector does not say how any resource answered")


def _own(reject: Reject, source: str) -> Reject:
    return Reject.of(
        source, reject.resource, reject.position, reject.field, reject.excerpt, reject.reason, row=reject.row
    )


def _reject(source: str, fact: object, index: int, error: FieldError) -> Reject:
    resource = fact.frame if isinstance(fact, Fact) and fact.frame in FRAME_SCHEMAS else "(connector)"
    return Reject.of(source, resource, f"fact {index}", error.field, error.value, error.reason)


def _admitted(fact: object, admission: Admission) -> Fact:
    if not isinstance(fact, Fact):
        raise FieldError("(fact)", fact, "the connector delivers something that is no fact")
    if fact.frame not in FRAME_CATEGORY:
        raise FieldError("frame", fact.frame, "there is no such frame")
    if not isinstance(fact.subkey, str):
        raise FieldError("subkey", fact.subkey, "not a text")
    if fact.category not in admission.categories:
        held = ", ".join(sorted(admission.categories))
        raise FieldError("frame", fact.frame, f"of category {fact.category}, but the source is configured for {held}")
    if fact.frame not in admission.frames:
        raise FieldError("frame", fact.frame, "the connector's factory does not name this frame")
    if type(fact.period) is not date or fact.period.day != 1:
        raise FieldError("period", fact.period, "not the first day of a month")
    within("period", fact.period, admission.since, admission.until)
    _whole("version", fact.version, 2**31)
    if fact.version < 0:
        raise FieldError("version", fact.version, "negative")
    if type(fact.complete) is not bool:
        raise FieldError("complete", fact.complete, "neither true nor false")
    if not isinstance(fact.known_at, datetime) or fact.known_at.tzinfo is None:
        raise FieldError("known_at", fact.known_at, "not an instant with its zone")
    if not YEARS[0] <= fact.known_at.year <= YEARS[1]:
        raise FieldError("known_at", fact.known_at, f"not between the years {YEARS[0]} and {YEARS[1]}")
    _check_subkey(fact)
    _check_values(fact)
    return fact


def _check_subkey(fact: Fact) -> None:
    if not isinstance(fact.subkey, str) or len(fact.subkey) > _LONGEST_SUBKEY or flaw(fact.subkey):
        raise FieldError("subkey", fact.subkey, f"not a text of at most {_LONGEST_SUBKEY} characters")
    column = _keyed_by(fact.frame)
    if column is not None:
        _check_value(column, fact.subkey.partition("/")[0], FRAME_SCHEMAS[fact.frame][column])


def _keyed_by(frame: str) -> str | None:
    """Return the column that the first part of the sub-key holds."""
    return next((c for c in FRAME_KEYS[frame] if isinstance(FRAME_SCHEMAS[frame][c], pl.Enum)), None)


def _check_values(fact: Fact) -> None:
    if not isinstance(fact.values, Mapping):
        raise FieldError("values", fact.values, "not named values")
    schema, key = FRAME_SCHEMAS[fact.frame], _keyed_by(fact.frame)
    for column, value in fact.values.items():
        if column not in schema or column in _OWN or column == key:
            raise FieldError(str(column), value, f"no value of frame {fact.frame}")
        if value is None:
            if column in FRAME_KEYS[fact.frame]:
                raise FieldError(column, value, "identifies the fact and is missing")
        else:
            _check_value(column, value, schema[column])
    for column in set(FRAME_KEYS[fact.frame]) - _OWN - {key}:
        if column not in fact.values:
            raise FieldError(column, None, "identifies the fact and is missing")


def _check_value(column: str, value: object, kind: pl.DataType | type[pl.DataType]) -> None:
    if isinstance(kind, pl.Enum):
        if value not in kind.categories.to_list():
            raise FieldError(column, value, f"not one of {', '.join(kind.categories)}")
    elif kind == pl.Date:
        _check_day(column, value)
    elif kind == pl.Boolean:
        if type(value) is not bool:
            raise FieldError(column, value, "neither true nor false")
    elif kind == pl.Float64:
        if type(value) not in (int, float) or not isfinite(value):  # type: ignore[arg-type]
            raise FieldError(column, value, "not a number")
    elif kind == pl.String:
        if not isinstance(value, str) or flaw(value):
            raise FieldError(column, value, "not a text")
    else:
        _whole(column, value, next(most for one, most in _WHOLE.items() if kind == one))


def _whole(column: str, value: object, most: int) -> None:
    if type(value) is not int or not -most <= value < most:
        raise FieldError(column, value, f"not a whole number below {most}")


def _check_day(column: str, value: object) -> None:
    try:
        if not isinstance(value, str) or date.fromisoformat(value).isoformat() != value:
            raise ValueError
    except ValueError:
        raise FieldError(column, value, "not a day YYYY-MM-DD") from None


def _impossible(facts: list[Fact]) -> Iterator[tuple[Fact, FieldError]]:
    """Yield the facts whose values no frame may hold, by the same check that files of a city go through."""
    by_frame: dict[str, list[Fact]] = {}
    for fact in facts:
        by_frame.setdefault(fact.frame, []).append(fact)
    for name, rows in by_frame.items():
        left = list(rows)
        for found in range(_MOST_FAULTS):
            wrong = fault(_frame(name, left), name)
            if wrong is None:
                break
            fact = left.pop(wrong.row)
            value = fact.values.get(wrong.column, fact.period if wrong.column == "period" else None)
            yield fact, FieldError(wrong.column, value, wrong.problem.rstrip(","))
            if found == _MOST_FAULTS - 1:
                for one in left:
                    yield one, FieldError("(frame)", None, "refused with the others, of which too many are impossible")


def _day(value: object) -> date | None:
    return None if value is None else date.fromisoformat(str(value))


def _frame(name: str, facts: list[Fact]) -> pl.DataFrame:
    schema, key = FRAME_SCHEMAS[name], _keyed_by(name)
    columns: dict[str, list[object]] = {}
    for column, kind in schema.items():
        if column == "firm":
            columns[column] = [0] * len(facts)
        elif column == "period":
            columns[column] = [fact.period for fact in facts]
        elif column == "known_on":
            columns[column] = [day_of(fact.known_at) for fact in facts]
        elif column == key:
            columns[column] = [fact.subkey.partition("/")[0] for fact in facts]
        elif kind == pl.Date:
            columns[column] = [_day(fact.values.get(column)) for fact in facts]
        else:
            columns[column] = [fact.values.get(column) for fact in facts]
    return pl.DataFrame(columns, schema=schema)

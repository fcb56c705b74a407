"""Values of a bank's own columns, as they come: each is what its column says, or is named with what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from creditlink.engine.matching.products.terms import Flaw
from creditlink.engine.overlay.terms import ExtraColumn, OverlayTerms, Value

LARGEST = 1e15
"""No amount in fen and no count is larger; beyond it whole numbers lose digits on the way into the database."""

_FLAGS = {"0": 0.0, "1": 1.0, "true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "是": 1.0, "否": 0.0}


def values_of(terms: OverlayTerms, sent: Mapping[str, object]) -> tuple[dict[str, Value], list[Flaw]]:
    """Return the values of the overlay's columns that were sent as JSON, and what is wrong with others."""
    values: dict[str, Value] = {}
    flaws = [Flaw(name, value, "is no column of the overlay") for name, value in sent.items() if not terms.column(name)]
    for column in terms.columns:
        if column.name not in sent:
            continue
        try:
            values[column.name] = value_of(column, sent[column.name])
        except ValueError as error:
            flaws.append(Flaw(column.name, sent[column.name], str(error)))
    return values, flaws


def value_of(column: ExtraColumn, sent: object) -> Value:
    """Return a value of JSON as its column has it; null is not known.

    Raises
    ------
    ValueError
        It is of another kind, not a choice, or out of range.
    """
    if sent is None:
        return None
    if column.kind == "choice":
        if not isinstance(sent, str) or sent not in column.choices:
            raise ValueError(f"must be one of {', '.join(column.choices)}")
        return sent
    if column.kind == "flag":
        if not isinstance(sent, bool) and sent not in (0, 1):
            raise ValueError("must be true or false")
        return float(bool(sent))
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        raise ValueError("must be a number")
    return _in_range(column, sent)


def value_of_text(column: ExtraColumn, text: str) -> Value:
    """Return a value of a file's field; an empty one is not known.

    Raises
    ------
    ValueError
        As for `value_of`.
    """
    text = text.strip()
    if not text:
        return None
    if column.kind == "flag":
        if text.casefold() not in _FLAGS:
            raise ValueError("must be 1 or 0, yes or no, 是 or 否")
        return _FLAGS[text.casefold()]
    if column.kind == "choice":
        return value_of(column, text)
    if not text.isascii() or "_" in text:
        raise ValueError("must be a number")
    try:
        return _in_range(column, float(text))
    except ValueError as error:
        raise ValueError("must be a number" if "could not" in str(error) else str(error)) from None


def _in_range(column: ExtraColumn, sent: float) -> float:
    try:
        value = float(sent)
    except OverflowError:
        raise ValueError(f"must be a number of at most {LARGEST:g} either way") from None
    if not abs(value) <= LARGEST:
        raise ValueError(f"must be a number of at most {LARGEST:g} either way")
    if column.minimum is not None and value < column.minimum:
        raise ValueError(f"must be at least {column.minimum:g}")
    if column.maximum is not None and value > column.maximum:
        raise ValueError(f"must be at most {column.maximum:g}")
    return value + 0.0  # the database has no -0.0

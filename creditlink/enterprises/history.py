"""How a backdated change of the registry carries forward into the entries that followed it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

Entry = Mapping[str, object]


def carry_forward(entries: Sequence[tuple[date, Entry]], changes: Entry, since: date) -> Iterator[tuple[date, Entry]]:
    """Yield the entries valid from `since` on, one for each day on which something changes, the last one current.

    A changed value is valid until the day on which the registry changed it again; other changes since then stay.

    Parameters
    ----------
    entries : the day from which each entry is valid, and its values by name, ascending; one for a day.
    changes : values by name, valid from `since`.
    """
    before = [values for day, values in entries if day <= since]
    current = before[-1] if before else entries[0][1]
    left = dict(changes)
    yield since, {**current, **left}
    for day, values in entries[len(before) :]:
        left = {name: value for name, value in left.items() if values[name] == current[name]}
        current = values
        yield day, {**values, **left}

"""What a change of the registry that holds from an earlier day makes of the entries that followed it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

Entry = Mapping[str, object]


def carry_forward(entries: Sequence[tuple[date, Entry]], changes: Entry, since: date) -> Iterator[tuple[date, Entry]]:
    """Yield what holds from `since` on, a row for each day on which something changes, the last one for now.

    A changed value holds until the day on which the registry had it change to another; what else changed since stays.

    Parameters
    ----------
    entries : from when each entry holds, and its values by name, ascending; one for a day.
    changes : values by name that hold from `since`.
    """
    before = [values for day, values in entries if day <= since]
    current = before[-1] if before else entries[0][1]
    left = dict(changes)
    yield since, {**current, **left}
    for day, values in entries[len(before) :]:
        left = {name: value for name, value in left.items() if values[name] == current[name]}
        current = values
        yield day, {**values, **left}

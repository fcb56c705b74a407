"""What an amendment changes, so that the page can show it (C6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_WIDER_WHEN_MORE = ("history_months", "valid_until", "data_life_days", "pulls_per_month", "pulls_per_day")
_LISTS = ("categories", "actions")


@dataclass(frozen=True)
class ConsentChange:
    """One attribute that differs; `is_wider` if the bank would get more than before."""

    attribute: str
    before: object
    after: object
    is_wider: bool


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> list[ConsentChange]:
    """Return what differs between the details granted before and those asked for now, in the order of the page.

    An instant in `valid_until` compares as text: both are written in UTC by `AuthorizationDetails.to_dict`.
    """
    changes = []
    for name in _LISTS:
        had, wanted = _names(before, name), _names(after, name)
        if set(had) != set(wanted):
            changes.append(ConsentChange(name, had, wanted, bool(set(wanted) - set(had))))
    for name in ("purpose", "access"):
        if before.get(name) != after.get(name):
            changes.append(ConsentChange(name, before.get(name), after.get(name), is_wider=True))
    for name in _WIDER_WHEN_MORE:
        old, new = before.get(name), after.get(name)
        if old != new:
            # No daily limit at all is wider than any.
            wider = new is None or _is_more(new, old)
            changes.append(ConsentChange(name, old, new, wider))
    return changes


def _names(details: Mapping[str, object], member: str) -> list[str]:
    names = details.get(member)
    return list(names) if isinstance(names, list) else []


def _is_more(new: object, old: object) -> bool:
    if isinstance(new, int) and isinstance(old, int):
        return new > old
    return isinstance(new, str) and isinstance(old, str) and new > old

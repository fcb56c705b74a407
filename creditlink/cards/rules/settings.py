"""How long cards and what is shown of them are good: `config/cards.toml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

FILE = "cards.toml"
_MOST = {
    "card_days": 366, "profile_days": 366, "shown_days": 366, "longest_shown_days": 366, "most_shown": 1_000,
    "list_size": 2**24, "ttl_seconds": 86_400, "stale_seconds": 7 * 86_400,
}  # fmt: skip
_LEAST = {"list_size": 8}
"""Statuses are two bits: eight of them fill two bytes."""


class CardSettingsInvalid(ValueError):
    """A line of `cards.toml` is absent, unknown or wrong; the message names field and value."""


@dataclass(frozen=True)
class CardSettings:
    """Days, places and seconds, as the file explains them."""

    card_days: int
    profile_days: int
    shown_days: int
    longest_shown_days: int
    most_shown: int
    list_size: int
    ttl_seconds: int
    stale_seconds: int


def parse(values: Mapping[str, object]) -> CardSettings:
    """Return the settings in a parsed file.

    Raises
    ------
    CardSettingsInvalid
    """
    names = tuple(one.name for one in fields(CardSettings))
    for name in (*sorted(set(values) - {"version", *names}), *(n for n in ("version", *names) if n not in values)):
        said = f"{values[name]!r} is not a field" if name in values else "is absent"
        raise CardSettingsInvalid(f"{name}: {said}")
    numbers = {name: _whole(name, values[name]) for name in names}
    for name, least in (("longest_shown_days", "shown_days"), ("stale_seconds", "ttl_seconds")):
        if numbers[name] < numbers[least]:
            raise CardSettingsInvalid(f"{name}: must be at least {least} ({numbers[least]}), got {numbers[name]}")
    return CardSettings(**numbers)


def _whole(name: str, value: object) -> int:
    least = _LEAST.get(name, 1)
    if type(value) is not int or not least <= value <= _MOST[name]:
        raise CardSettingsInvalid(f"{name}: must be a whole number {least} … {_MOST[name]}, got {value!r}")
    return value

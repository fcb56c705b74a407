"""The platform's usual rates: `config/limits.toml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from creditlink.metering.buckets import Rate

FILE = "limits.toml"
ADDRESSES = ("authorization", "open", "pages", "refused")
_MOST_TOKENS, _MOST_SECONDS = 1_000_000, 86_400


@dataclass(frozen=True)
class Rates:
    """How often who may ask, before any contract."""

    institution: Rate
    client: Rate
    routes: Mapping[str, Rate]  # by scope
    address: Mapping[str, Rate]  # by kind of address

    def times(self, factor: int) -> Rates:
        """Return rates with so many times the tokens."""
        return Rates(
            self.institution.times(factor),
            self.client.times(factor),
            {scope: rate.times(factor) for scope, rate in self.routes.items()},
            {kind: rate.times(factor) for kind, rate in self.address.items()},
        )


def parse(read: Mapping[str, object]) -> Rates:
    """Return the rates of the file.

    Raises
    ------
    ValueError
        A rate is absent, unknown or out of range; the message names it.
    """
    unknown = set(read) - {"institution", "client", "routes", "address"}
    if unknown:
        raise ValueError(f"unknown table {sorted(unknown)[0]!r}")
    address = _table(read, "address")
    if set(address) != set(ADDRESSES):
        raise ValueError(f"address needs exactly {', '.join(ADDRESSES)}")
    return Rates(
        _rate("institution", read.get("institution")),
        _rate("client", read.get("client")),
        {scope: _rate(f"routes.{scope}", rate) for scope, rate in _table(read, "routes").items()},
        {kind: _rate(f"address.{kind}", rate) for kind, rate in address.items()},
    )


def _table(read: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = read.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be a table")
    return found


def _rate(name: str, read: object) -> Rate:
    if not isinstance(read, dict) or set(read) != {"tokens", "seconds"}:
        raise ValueError(f"{name} needs tokens and seconds, and nothing else")
    for key, most in (("tokens", _MOST_TOKENS), ("seconds", _MOST_SECONDS)):
        value = read[key]
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(f"{name}.{key} must be a whole number from 1 to {most}, got {value!r}")
    return Rate(read["tokens"], read["seconds"])

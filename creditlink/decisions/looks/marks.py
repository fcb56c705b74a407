"""What a decision can be found by besides its names: codes that it gives, indicators that moved it; as digests. Pure.

A mark is a digest that only this server can make. Whoever has the database alone learns from it which records share
a mark, and not what the mark says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import cast

from creditlink.decisions.record import DecisionRecord
from creditlink.kit import keyring

CODE, INDICATOR = "code", "indicator"
KINDS = (CODE, INDICATOR)
LEAST_POINTS = 5.0
"""An indicator that moved the score by less is no way to find a decision."""

_PARTS = ("reasons", "strengths", "knock_outs", "human_review")
"""Where a summary gives codes, beside the reason for which there is no score."""

_PURPOSE = "marks of decisions"
_BYTES = 16


def mark_of(kind: str, name: str, secret: keyring.Secret) -> str:
    """Return the mark of a code of the book of reasons, or of an indicator's name."""
    return hashlib.blake2b(f"{kind}:{name}".encode(), key=_key(secret), digest_size=_BYTES).hexdigest()


def marks_of(record: DecisionRecord, secret: keyring.Secret) -> list[str]:
    """Return the marks of a record, in order."""
    return sorted({mark_of(kind, name, secret) for kind, name in found_by(record)})


@lru_cache(maxsize=4)
def _key(secret: keyring.Secret) -> bytes:
    return bytes.fromhex(keyring.fingerprint(secret, _PURPOSE, "key"))


def found_by(record: DecisionRecord) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a record can be found by."""
    summary = cast("Mapping[str, object]", record.profile["summary"])
    unscored = summary.get("not_scorable_reason")
    told = [summary.get(part) for part in _PARTS] + [[unscored] if unscored else None]
    yield from ((CODE, code) for part in told for code in _codes(part))
    explanation = cast("Mapping[str, Mapping[str, tuple[object, object, float]]]", record.profile["explanation"])
    for name, (_, _, points) in explanation.get("indicators", {}).items():
        if abs(points) >= LEAST_POINTS:
            yield INDICATOR, name


def _codes(told: object) -> Iterator[str]:
    for one in cast("Iterable[Mapping[str, object]]", told or ()):
        if code := one.get("code"):
            yield str(code)

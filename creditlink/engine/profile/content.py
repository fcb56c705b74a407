"""What a stored profile's hash covers, so that evidence and a stranger's copy can be checked against it. Pure.

Version 1 is the decision alone: what a replay gives again. Version 2 is the decision's hash and every other column of
the row, coverage among them: a profile that was changed anywhere no longer has the hash that the evidence names.
Version 3 has the policy bundle too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

VERSION = 3
DECISION = ("state", "grade", "points", "pd_12m", "summary", "explanation", "products")
"""Columns that a replay computes again; `matches`, which is bytes, enters as its own hash."""
CIRCUMSTANCES = (
    "id", "consent_id", "enterprise_id", "institution_id", "client_id", "as_of", "created_at", "model_id",
    "model_sha256", "code_version", "asked", "registration", "fact_ids", "inputs_sha256", "coverage", "bundle_sha256",
)  # fmt: skip
"""All other columns. A new column is a new version: the hashes of stored profiles stay as they are."""


_SINCE = {"bundle_sha256": 3}
"""Column -> the first version that covers it."""


def decision_sha256(row: Mapping[str, object]) -> str:
    """Return the hash of what a replay must give again."""
    parts = [*(row[name] for name in DECISION), hashlib.sha256(_matches(row)).hexdigest()]
    return _hash_of(parts)


def content_sha256(row: Mapping[str, object], *, version: int = VERSION, decision: str | None = None) -> str:
    """Return the hash of a whole profile.

    Parameters
    ----------
    row : every column by name, or what `from_json` gives
    decision : the hash of its decision, if already known
    """
    decision = decision or decision_sha256(row)
    if version == 1:
        return decision
    if not 1 < version <= VERSION:
        raise ValueError(f"content_version {version} is not known to this code")
    covered = [name for name in CIRCUMSTANCES if _SINCE.get(name, 1) <= version]
    return _hash_of({"decision": decision, **{name: _plain(row[name]) for name in covered}})


def to_json(row: Mapping[str, object]) -> dict[str, object]:
    """Return a stored profile as JSON: all that is needed to compute its hash again."""
    names = (*DECISION, *CIRCUMSTANCES, "content_version", "content_sha256")
    return {name: _plain(row[name]) for name in names} | {"matches": _matches(row).hex()}


def from_json(document: Mapping[str, object]) -> dict[str, object]:
    """Return what `to_json` wrote as a row; instants and ids stay text, as they are hashed.

    Raises
    ------
    ValueError
        A column is absent, or `matches` is not hexadecimal.
    """
    document = dict.fromkeys(_SINCE) | dict(document)  # what was written before these columns lacks them
    absent = {*DECISION, *CIRCUMSTANCES, "content_version", "content_sha256", "matches"} - set(document)
    if absent:
        raise ValueError(f"not a stored profile: {', '.join(sorted(absent))} absent")
    return document | {"matches": bytes.fromhex(str(document["matches"]))}


def _matches(row: Mapping[str, object]) -> bytes:
    packed = row["matches"]
    if not isinstance(packed, bytes | memoryview):
        raise TypeError(f"matches: bytes are expected, not {type(packed).__name__}")
    return bytes(packed)


def _hash_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value

"""The register of models: who registered, validated and approved which, as a chain of entries that only grows. Pure.

A status is proposed by one operator and approved by another; withdrawing a model takes one, for it may be urgent.
Every entry contains the hash of the one before it, so none can be changed or removed unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

FILE = "registry.json"
"""The register beside the model folders."""

STATUSES = ("candidate", "validated", "shadow", "live", "retired")

NEXT: dict[str, tuple[str, ...]] = {
    "candidate": ("validated", "retired"),
    "validated": ("shadow", "live", "retired"),
    "shadow": ("live", "retired"),
    "live": ("retired",),
    "retired": (),
}
"""Status -> what may follow."""

ACTIONS = ("register", "propose", "approve", "retire")
_START = "0" * 64


class RegistryError(ValueError):
    """A step that the rules forbid, or a register that was tampered with; the message says which and why."""


@dataclass(frozen=True)
class RegisterEntry:
    """One step: `status` was reached (register, approve, retire) or is proposed (propose)."""

    model_id: str
    action: str
    status: str
    by: str
    at: str
    reason: str
    manifest_sha256: str
    purposes: tuple[str, ...]
    owner: str
    previous: str
    hash: str = ""

    def sealed(self) -> RegisterEntry:
        """Return the entry with its hash over everything else."""
        members = {name: value for name, value in asdict(self).items() if name != "hash"}
        text = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return replace(self, hash=hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True)
class ModelStanding:
    """A model's status, and the one proposed for it: (status, by whom), or None."""

    model_id: str
    status: str
    owner: str
    purposes: tuple[str, ...]
    manifest_sha256: str
    since: str
    proposed: tuple[str, str] | None


def standings(entries: Sequence[RegisterEntry]) -> dict[str, ModelStanding]:
    """Return model id -> standing, every entry checked.

    Raises
    ------
    RegistryError
        The chain is broken, or an entry breaks the rules.
    """
    models: dict[str, ModelStanding] = {}
    previous = _START
    for number, entry in enumerate(entries):
        if entry.previous != previous or entry.sealed().hash != entry.hash:
            raise RegistryError(f"entry {number} ({entry.model_id}, {entry.action}): the chain of hashes is broken")
        previous = entry.hash
        _apply(models, entry)
    return models


def register(
    entries: Sequence[RegisterEntry],
    *,
    model_id: str,
    manifest_sha256: str,
    purposes: Sequence[str],
    owner: str,
    by: str,
    at: datetime,
    reason: str,
) -> RegisterEntry:
    """Return the entry that makes a model a candidate."""
    if not purposes:
        raise RegistryError(f"{model_id}: a model without a purpose may be used for nothing")
    entry = RegisterEntry(
        model_id, "register", "candidate", by, _instant(at), reason, manifest_sha256, tuple(purposes), owner,
        _last(entries),
    ).sealed()  # fmt: skip
    standings([*entries, entry])
    return entry


def step(
    entries: Sequence[RegisterEntry], *, model_id: str, action: str, status: str, by: str, at: datetime, reason: str
) -> RegisterEntry:
    """Return the entry of a proposal, an approval or a retirement.

    Raises
    ------
    RegistryError
        The model is not registered, the status may not follow, nothing was proposed, or the operator who approves
        is the one who proposed.
    """
    now = standings(entries).get(model_id)
    if now is None:
        raise RegistryError(f"{model_id}: not registered")
    entry = RegisterEntry(
        model_id, action, status, by, _instant(at), reason, now.manifest_sha256, now.purposes, now.owner, _last(entries)
    ).sealed()
    standings([*entries, entry])
    return entry


def refusal(
    standing: ModelStanding | None, *, manifest_sha256: str, production: bool, purpose: str | None = None
) -> str | None:
    """Return why a model may not score, or None where it may.

    Only production insists on a registered, live model; a retired or a changed one is refused everywhere.
    """
    if standing is None:
        return "is not registered" if production else None
    if standing.manifest_sha256 != manifest_sha256:
        return "is not the one that was registered: its manifest has changed"
    if standing.status == "retired":
        return "is retired"
    if production and standing.status != "live":
        return f"is {standing.status}, not live: two operators must promote it"
    if purpose is not None and purpose not in standing.purposes:
        return f"is registered for {', '.join(standing.purposes)}, not for {purpose}"
    return None


def to_json(entries: Sequence[RegisterEntry]) -> str:
    """Return the text of registry.json."""
    return json.dumps({"entries": [asdict(e) for e in entries]}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[RegisterEntry, ...]:
    """Read registry.json.

    Raises
    ------
    RegistryError
        It is not JSON, or an entry has other members.
    """
    try:
        rows = json.loads(text)["entries"]
        return tuple(RegisterEntry(**(dict(row) | {"purposes": tuple(row["purposes"])})) for row in rows)
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"registry: {error!r}") from error


def _apply(models: dict[str, ModelStanding], entry: RegisterEntry) -> None:
    now = models.get(entry.model_id)
    if entry.action not in ACTIONS or not entry.by.strip() or not entry.reason.strip():
        raise RegistryError(f"{entry.model_id}: {entry.action} needs a known action, an operator and a reason")
    if entry.action == "register":
        if now is not None:
            raise RegistryError(f"{entry.model_id}: registered already; another model needs another name")
        models[entry.model_id] = ModelStanding(
            entry.model_id, "candidate", entry.owner, entry.purposes, entry.manifest_sha256, entry.at, None
        )
        return
    if now is None:
        raise RegistryError(f"{entry.model_id}: not registered")
    if entry.status not in NEXT[now.status]:
        raise RegistryError(f"{entry.model_id}: {entry.status} may not follow {now.status}")
    if entry.action == "propose":
        models[entry.model_id] = replace(now, proposed=(entry.status, entry.by))
        return
    if entry.action == "approve":
        if now.proposed is None or now.proposed[0] != entry.status:
            raise RegistryError(f"{entry.model_id}: nobody proposed {entry.status}")
        if now.proposed[1] == entry.by:
            raise RegistryError(f"{entry.model_id}: {entry.by} proposed {entry.status}; another operator must approve")
        if entry.status == "live":
            _replace_live(models, now, entry)
    elif entry.status != "retired":
        raise RegistryError(f"{entry.model_id}: retire leads to retired, not to {entry.status}")
    models[entry.model_id] = replace(now, status=entry.status, since=entry.at, proposed=None)


def _replace_live(models: dict[str, ModelStanding], now: ModelStanding, entry: RegisterEntry) -> None:
    """Retire the models whose purposes the new live one takes over: one live model a purpose."""
    for model_id, other in list(models.items()):
        if model_id != now.model_id and other.status == "live" and set(other.purposes) & set(now.purposes):
            models[model_id] = replace(other, status="retired", since=entry.at, proposed=None)


def _last(entries: Sequence[RegisterEntry]) -> str:
    return entries[-1].hash if entries else _START


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

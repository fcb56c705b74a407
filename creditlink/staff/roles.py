"""The roles of staff and which go together. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

ROLES: Mapping[str, tuple[str, str]] = {
    "operator": ("运营", "Operator"),
    "risk": ("风控", "Risk"),
    "model_owner": ("模型负责人", "Model owner"),
    "auditor": ("审计", "Auditor"),
}
"""Role -> its label in zh and en."""

STATUSES = ("invited", "active", "locked", "suspended", "ended")

MOVES: Mapping[str, tuple[str, ...]] = {
    "invited": ("ended",),
    "active": ("locked", "suspended", "ended"),
    "locked": ("suspended", "ended"),  # opened again by recovery alone: whatever was lost is replaced
    "suspended": ("active", "ended"),
    "ended": (),
}
"""Status -> what another operator may make of it; an invitation that is taken up makes a person active."""


class RolesRefused(ValueError):
    """Roles that one person may not hold together."""


def checked(roles: Collection[str]) -> list[str]:
    """Return roles that one person may hold, sorted.

    Raises
    ------
    RolesRefused
        None, an unknown one, or an auditor who holds another: nobody audits their own work.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if unknown or not roles:
        raise RolesRefused(f"roles must be some of {', '.join(ROLES)}, got {', '.join(unknown) or 'none'}")
    if "auditor" in roles and len(set(roles)) > 1:
        raise RolesRefused(f"an auditor holds no other role, got {', '.join(sorted(set(roles)))}")
    return sorted(set(roles))

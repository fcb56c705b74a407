"""The roles of people at an institution's desk, and who acts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

ROLES: Mapping[str, tuple[str, str]] = {
    "lender": ("信贷经办", "Lender"),
    "product_editor": ("产品管理", "Product editor"),
    "desk_admin": ("机构管理员", "Administrator"),
}
"""Role -> its label in zh and en."""

MOVES: Mapping[str, tuple[str, ...]] = {
    "invited": ("ended",),
    "active": ("suspended", "ended"),
    "suspended": ("active", "ended"),
    "ended": (),
}
"""Status -> where an administrator may bring a person from there."""


class DeskRolesRefused(Exception):
    """A person cannot have these roles; the message says why."""


@dataclass(frozen=True)
class DeskActor:
    """Who acts at the desk, and for which institution."""

    account_id: UUID
    login: str
    display_name: str
    roles: frozenset[str]
    institution_id: UUID
    institution: str  # its code

    @property
    def name(self) -> str:
        """Return the name in evidence."""
        return f"lender:{self.account_id}"


def checked(roles: Collection[str]) -> list[str]:
    """Return the roles in one order.

    Raises
    ------
    DeskRolesRefused
        There is none, or one is unknown.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise DeskRolesRefused(f"roles must be of {', '.join(ROLES)}, got {unknown[0]!r}")
    if not roles:
        raise DeskRolesRefused("at least one role is needed")
    return [role for role in ROLES if role in roles]

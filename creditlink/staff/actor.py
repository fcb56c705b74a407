"""A member of staff who acts: proven by a session of the pages or by a signature. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID


class RoleMissing(Exception):
    """The person holds none of the roles that an act asks for; the message names both."""


@dataclass(frozen=True)
class StaffActor:
    """Who acts, and how it was proven."""

    account_id: UUID
    login: str
    display_name: str
    roles: frozenset[str]
    proof: str = field(default="session")  # session, key:<thumbprint>, or sandbox: a name alone, never in production

    @property
    def name(self) -> str:
        """Return the name in evidence."""
        return f"staff:{self.account_id}"

    def acting_as(self, *roles: str) -> str:
        """Return the role, the first of `roles` that the person holds, under which the act is recorded.

        Raises
        ------
        RoleMissing
            The person holds none of them.
        """
        for role in roles:
            if role in self.roles:
                return role
        raise RoleMissing(f"{self.login} is {_listed(self.roles)}; this takes {_listed(roles)}")


@dataclass(frozen=True)
class SystemActor:
    """The platform itself, where it acts by a rule that people set: the evidence says so, and nobody's name."""

    account_id: None = None
    login: str = "system"
    name: str = "system"
    proof: str = "rule"

    def acting_as(self, *roles: str) -> str:
        """Return the role under which the act is recorded; the platform holds none of a person's."""
        del roles
        return "system"


def _listed(roles: Collection[str]) -> str:
    return " or ".join(sorted(roles)) or "without a role"

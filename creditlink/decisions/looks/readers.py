"""Who looks at an archived decision: a person in a role, for a purpose."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from creditlink.decisions.classes import RetentionClass
from creditlink.kit.errors import InsufficientRole


@dataclass(frozen=True)
class Reader:
    """Somebody of the platform's staff, as the evidence names them."""

    actor: str  # account or name of the operator
    role: str
    purpose: str
    institution_id: UUID | None = None
    client_id: str | None = None
    request_id: str | None = None

    def check(self, kept: RetentionClass) -> None:
        """Refuse a reader whom the table of classes does not let look.

        Raises
        ------
        InsufficientRole
        """
        if not self.actor.strip():
            raise InsufficientRole("a look at a decision needs the name of who looks")
        if why := kept.refusal(self.role, self.purpose):
            raise InsufficientRole(why)

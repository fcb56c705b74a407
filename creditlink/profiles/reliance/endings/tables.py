"""Why a profile is no longer to be relied on, beside the profile, which nobody changes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from creditlink.engine.profile.validity import ENDS_EARLY
from creditlink.kit.postgres.db import Base
from creditlink.profiles.reliance.endings.events import EndingEvidence


class ProfileEnding(Base):
    """The event that ended a profile early, the first of several; rows are only added, and go with their profile."""

    __tablename__ = "profile_endings"
    __table_args__ = (
        CheckConstraint("event IN ({})".format(", ".join(f"'{event}'" for event in ENDS_EARLY)), name="event"),
    )

    profile_id: Mapped[UUID] = mapped_column(ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    event: Mapped[str]
    ended_at: Mapped[datetime]  # when we learned of the event
    noted_at: Mapped[datetime]  # when the sweep found it
    evidence: Mapped[EndingEvidence] = mapped_column(JSONB)

    def as_json(self) -> dict[str, object]:
        """Return the event as banks read it: what it is about, and no number of ours."""
        zh, en = ENDS_EARLY[self.event]
        about = {name: value for name, value in self.evidence.items() if name != "facts"}
        return {"event": self.event, "text_zh": zh, "text_en": en, **about}

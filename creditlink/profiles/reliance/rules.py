"""What goes with a score: the terms of capacity and validity, and the loans that the asking institution gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import polars as pl
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.capacity import settings as capacity_settings
from creditlink.engine.capacity.debt import LoanHeld
from creditlink.engine.capacity.settings import CapacitySettings
from creditlink.engine.profile import validity
from creditlink.engine.profile.asked import CapacityInputs
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.validity import ValidityInputs, ValiditySettings
from creditlink.kit.settings import Settings
from creditlink.uploads import rules as upload_rules
from creditlink.uploads.rules import UploadRules

LoansOf = Callable[[Session, UUID, UUID, date], list[LoanHeld]]
"""The loans of a firm (first) from an institution (second) as known on a day; `financing` knows them."""


@dataclass(frozen=True)
class ProfileRules:
    """The terms in force, and how loans are read; one part of an application's runtime."""

    capacity: CapacitySettings
    validity: ValiditySettings
    loans_of: LoansOf
    uploads: UploadRules

    def capacity_inputs(
        self, session: Session, consent: Consent, registration: pl.DataFrame, *, as_of: date
    ) -> CapacityInputs:
        """Return what the firm's capacity is derived from besides its facts.

        Loans of other institutions are not read: no consent opens them, and row-level security hides them.
        """
        assert consent.enterprise_id is not None  # noqa: S101 (a live consent names its firm; for the type checker)
        loans = self.loans_of(session, consent.enterprise_id, consent.institution_id, as_of)
        return {"terms": self.capacity.terms_for(registration["industry"][0]), "loans": loans}

    def validity_inputs(self, consent: Consent, live: LiveModel, now: datetime) -> ValidityInputs:
        """Return what bounds the validity of a profile that is made now."""
        made = live.model.manifest.get("created_at")
        return self.validity.inputs(
            purpose=consent.purpose,
            now=now,
            consent_ends=consent.expires_at,
            data_life=timedelta(days=consent.data_life_days),
            model_made=None if made is None else datetime.fromisoformat(made),
        )


def load_rules(settings: Settings, loans_of: LoansOf) -> ProfileRules:
    """Return the rules of the configuration folder.

    Raises
    ------
    SettingError
        `capacity.toml`, `validity.toml` or `uploads.toml` is absent or wrong; the message names it.
    """
    return ProfileRules(
        settings.parsed("capacity.toml", capacity_settings.parse),
        settings.parsed("validity.toml", validity.parse),
        loans_of,
        settings.parsed("uploads.toml", upload_rules.parse),
    )

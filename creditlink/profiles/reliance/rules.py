"""What goes with a score: the terms of capacity and validity, and the loans that the asking institution gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import polars as pl
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.capacity import settings as capacity_settings
from creditlink.engine.capacity.debt import LoanHeld
from creditlink.engine.capacity.derivation import derive_capacity
from creditlink.engine.capacity.evidence import cash_evidence
from creditlink.engine.capacity.settings import CapacitySettings
from creditlink.engine.facts.frames import RecordSet
from creditlink.engine.profile import validity
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.validity import ValidityInputs, ValiditySettings, validity_of
from creditlink.enterprises.relations.told import relations_member
from creditlink.kit.settings import Settings
from creditlink.profiles.tables import CapacityInputs, ProfileInputs
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


def further_members(
    records: RecordSet, features: Mapping[str, float | None], as_of: date, asked: ProfileInputs
) -> dict[str, object]:
    """Return the members of a summary beside the score; a profile made before they were known has none of them."""
    found: dict[str, object] = {}
    capacity = asked.get("capacity")
    if capacity is not None:
        found["capacity"] = derive_capacity(
            cash_evidence(records, features, as_of),
            capacity["terms"],
            loans=capacity["loans"],
            missing=asked["missing"],
            asked_months=asked["term_months"],
        ).to_dict()
    bounds = asked.get("validity")
    if bounds is not None:
        found["validity"] = validity_of(records, bounds, as_of)
    told = asked.get("relations")
    if told is not None:
        found["relations"] = relations_member(
            told,
            paid_in_fen=records.registration["paid_in_capital_fen"][0],
            registered_fen=records.registration["registered_capital_fen"][0],
        )
    return found

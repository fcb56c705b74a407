"""Sealed records for profiles that were stored before there was an archive, each marked as sealed afterwards.

What a record needs besides the profile (every indicator, and the policy) is computed again from the facts while they
live. Where it cannot be, the record keeps the profile as it was given, and says why it cannot be made again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.consents.tables import Consent
from creditlink.decisions.archive import Archive
from creditlink.decisions.classes import DECISION_RECORD
from creditlink.decisions.export import BACKFILL
from creditlink.decisions.policy import store
from creditlink.decisions.record import BackfilledNote
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.profile import content
from creditlink.engine.profile.basis import DecisionBasis
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.snapshot import Snapshot
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit import ids
from creditlink.kit.settings import SettingError, Settings
from creditlink.products.service import book_of
from creditlink.profiles.reliance import again
from creditlink.profiles.serving.live import live_model
from creditlink.profiles.tables import Profile

Outcome = Literal["reproduced", "differs", "not_computed", "over"]
"""What became of a profile: sealed (the first three), or its time was over before it was sealed."""


@dataclass(frozen=True)
class ModelShelf:
    """The models beside the one in use, each loaded once; one that cannot be used is remembered too."""

    live: LiveModel
    settings: Settings
    _held: dict[str, LiveModel | SettingError] = field(default_factory=dict)

    def that_scored(self, profile: Profile) -> LiveModel:
        """Return the model that scored a profile.

        Raises
        ------
        ValueError
            It is not at hand; the message says why.
        """
        name = profile.model_id
        if self.live.scored(name, profile.model_sha256):
            return self.live
        if name not in self._held:
            self._held[name] = self._load(name)
        found = self._held[name]
        if isinstance(found, SettingError):
            raise ValueError(str(found))
        if not found.scored(name, profile.model_sha256):
            raise ValueError(f"model {name} is not at hand: its folder holds another")
        return found

    def _load(self, name: str) -> LiveModel | SettingError:
        rules = self.settings.parsed("score.toml", score_settings.parse)
        folders = {path.name: path for path in self.settings.models_dir.iterdir() if path.is_dir()}
        if name not in folders:
            return SettingError(f"model {name} is not at hand: it has no folder")
        try:
            return live_model(folders[name], rules)
        except SettingError as error:
            return error


def unsealed(session: Session) -> list[UUID]:
    """Return the stored profiles without a record, the oldest first."""
    sealed = exists().where(DecisionRow.id == Profile.id)
    return list(session.scalars(select(Profile.id).where(~sealed).order_by(Profile.created_at, Profile.id)))


def seal_profile(
    session: Session, profile_id: UUID, shelf: ModelShelf, *, kept: Archive, actor: str, now: datetime
) -> Outcome | None:
    """Seal the record of one profile, with the evidence of it; None: it has one, or is purged meanwhile.

    The profile's row is locked: of two who seal it, the second finds the record of the first.
    """
    whole = undefer("*")
    profile = session.scalar(select(Profile).where(Profile.id == profile_id).options(whole).with_for_update())
    if profile is None or session.scalar(select(exists().where(DecisionRow.id == profile_id))):
        return None
    if kept.classes.of(DECISION_RECORD).until(profile.created_at) <= now:
        return "over"
    bundle, basis, why = _made_again(session, profile, shelf, kept, now)
    outcome: Outcome = "reproduced" if why is None else "differs" if bundle is not None else "not_computed"
    note: BackfilledNote = {"at": now.isoformat(), "reproduced": why is None, "why": why}
    consent = session.get_one(Consent, profile.consent_id)
    record = kept.keep(
        session, profile.columns(), basis, purpose=consent.purpose, now=profile.created_at, backfilled=note,
        bundle=bundle or "",
    )  # fmt: skip
    audit.record(
        session,
        action=BACKFILL,
        result="done",
        actor=actor,
        now=now,
        enterprise_id=profile.enterprise_id,
        institution_id=profile.institution_id,
        consent_id=profile.consent_id,
        detail={"profile": ids.external("prf", profile.id), "record": record, "outcome": outcome},
    )
    return outcome


def _made_again(
    session: Session, profile: Profile, shelf: ModelShelf, kept: Archive, now: datetime
) -> tuple[str | None, DecisionBasis, str | None]:
    """Return the bundle that the profile was made again under, what it rests on, and why it is not the same.

    No bundle: it could not be computed, and rests on the indicators that its explanation shows.
    """
    try:
        live = shelf.that_scored(profile)
        approval = again.approval_of(session, profile)
        book = book_of(session, shelf.settings, profile.asked["products"])
        computed, basis = again.from_facts(session, profile, live=live, book=book, approval=approval)
    except (ValueError, LookupError) as error:
        return None, _as_explained(profile), str(error)
    bundle = store.keep(session, kept.policy.of(live).bundle(book, approval), now=now)
    return bundle, basis, _unlike(profile, computed)


def _unlike(profile: Profile, computed: Snapshot) -> str | None:
    if different := again.differences(profile, computed):
        return f"computed again it differs in {', '.join(different)}"
    sha256 = content.content_sha256(profile.columns(), version=profile.content_version, decision=computed.sha256)
    return None if sha256 == profile.content_sha256 else "its content is not the one that its hash names"


def _as_explained(profile: Profile) -> DecisionBasis:
    shown = profile.explanation.get("indicators", {})
    return DecisionBasis(
        registration=dict(profile.registration),
        indicators={name: value for name, (value, *_) in shown.items()},
        cash=None,
        next_filing=None,
        relieved=(),
    )

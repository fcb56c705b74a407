"""`creditlink replay`: compute a stored profile again from the same facts and compare it byte by byte."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace

import click
from sqlalchemy.orm import Session

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.profile import content
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.snapshot import registration_frame
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings
from creditlink.products import approval_store
from creditlink.products.service import book_of
from creditlink.profiles.live import load_live
from creditlink.profiles.reliance.overlaid import overlay_is_the_same
from creditlink.profiles.service import compute_snapshot
from creditlink.profiles.tables import Profile
from creditlink.records.store import read_inputs


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    profile_id: str
    same: bool
    stored_sha256: str
    replayed_sha256: str
    content_hmac: str  # as the institution holds it, from what was computed again
    differences: tuple[str, ...]


def replay_profile(session: Session, profile: Profile, *, live: LiveModel, settings: Settings) -> Replay:
    """Compute `profile` again from the facts, registration and products that it names.

    Raises
    ------
    ValueError
        Another model computed it than the one given, or facts it was computed from are gone (purged).
    """
    if (live.model_id, live.sha256) != (profile.model_id, profile.model_sha256):
        raise ValueError(f"the profile was computed by model {profile.model_id}, given is {live.model_id}")
    facts = read_inputs(
        session,
        [profile.enterprise_id],
        categories=profile.asked["categories"],
        since=profile.as_of,
        as_of=profile.as_of,
        only=profile.fact_ids,
    )
    gone = len(set(profile.fact_ids) - set(facts.fact_ids))
    if gone:
        raise ValueError(f"{gone} of {len(profile.fact_ids)} facts are gone: their data life is over")
    frames = {name: facts.records.frame(name) for name in FRAME_SCHEMAS}
    frames["registration"] = registration_frame(profile.registration)
    inputs = replace(facts, records=RecordSet(**frames))
    named = profile.asked.get("approval_model")
    again = compute_snapshot(
        inputs,
        profile.as_of,
        profile.asked,
        live=live,
        book=book_of(session, settings, profile.asked["products"]),
        approval=None if named is None else approval_store.by_hash(session, named),
    )
    stored: dict[str, object] = {name: getattr(profile, name) for name in ("state", "grade", "points", "pd_12m")}
    stored |= {name: getattr(profile, name) for name in ("summary", "explanation", "products", "matches")}
    salt = session.get_one(Institution, profile.institution_id).pairwise_salt
    different = tuple(name for name, value in stored.items() if _plain(getattr(again, name)) != _plain(value))
    if not overlay_is_the_same(session, profile, again, live.model.scale):
        different = (*different, "overlay")
    sha256 = content.content_sha256(profile.columns(), version=profile.content_version, decision=again.sha256)
    return Replay(
        ids.external("prf", profile.id),
        sha256 == profile.content_sha256 and not different,
        profile.content_sha256,
        sha256,
        ids.pairwise_digest(salt, sha256),
        different,
    )


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else json.dumps(value, sort_keys=True, ensure_ascii=False)


@click.command()
@click.argument("profile_id")
def replay(profile_id: str) -> None:
    """Compute the stored profile PROFILE_ID again; exit status 1 when it is not the same, byte by byte."""
    settings, database = start("owner")
    live = load_live(settings)
    with database.transaction("owner") as session:
        try:
            profile = session.get(Profile, ids.internal("prf", profile_id))
        except NotFound:
            profile = None
        if profile is None:
            raise click.ClickException(f"PROFILE_ID {profile_id}: no such profile")
        try:
            found = replay_profile(session, profile, live=live, settings=settings)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{found.profile_id}: stored {found.stored_sha256}, replayed {found.replayed_sha256}")
    click.echo(f"the institution holds it as content_hmac {found.content_hmac}")
    if not found.same:
        click.echo(f"differs in: {', '.join(found.differences) or 'hash'}")
        sys.exit(1)
    click.echo("the same, byte by byte")

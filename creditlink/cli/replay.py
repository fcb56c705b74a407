"""`creditlink replay`: make a decision again, from its archived record or an exported file, and from the facts too."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy.orm import Session

from creditlink.cli.decisions import READER_OPTIONS, archive_of, reader_from, refusals, write_found
from creditlink.cli.inputs import FILE, read_keys
from creditlink.decisions import export, service
from creditlink.decisions.policy import store
from creditlink.decisions.policy.loading import load
from creditlink.decisions.replay import replay_many
from creditlink.decisions.tables import DecisionRow
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.profile import content
from creditlink.engine.profile.live_model import LiveModel
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.files.textfile import read_file
from creditlink.kit.postgres import db
from creditlink.kit.processes.process import start
from creditlink.kit.settings import Settings
from creditlink.products.service import book_of
from creditlink.profiles.reliance import again
from creditlink.profiles.reliance.backfill import ModelShelf
from creditlink.profiles.reliance.overlaid import overlay_is_the_same
from creditlink.profiles.serving.live import load_first
from creditlink.profiles.tables import Profile


@dataclass(frozen=True)
class Replay:
    """What a replay from the facts found."""

    profile_id: str
    same: bool
    stored_sha256: str
    replayed_sha256: str
    content_hmac: str  # as the institution holds it, from what was computed again
    differences: tuple[str, ...]


def replay_profile(
    session: Session, profile: Profile, *, live: LiveModel, settings: Settings, book: ProductBook | None = None
) -> Replay:
    """Compute `profile` again from the facts, registration and products that it names.

    Parameters
    ----------
    book : the products as they were compiled then; None: by the rules of matching of today.

    Raises
    ------
    ValueError
        Another model computed it than the one given, or facts it was computed from are gone (purged).
    """
    computed, _ = again.from_facts(
        session,
        profile,
        live=live,
        book=book or book_of(session, settings, profile.asked["products"]),
        approval=again.approval_of(session, profile),
    )
    salt = session.get_one(Institution, profile.institution_id).pairwise_salt
    different = again.differences(profile, computed)
    if not overlay_is_the_same(session, profile, computed, live.model.scale):
        different = (*different, "overlay")
    sha256 = content.content_sha256(profile.columns(), version=profile.content_version, decision=computed.sha256)
    return Replay(
        ids.external("prf", profile.id),
        sha256 == profile.content_sha256 and not different,
        profile.content_sha256,
        sha256,
        ids.pairwise_digest(salt, sha256),
        different,
    )


@click.command()
@click.argument("decision")
@click.option("--keys", type=FILE, help="For a file: the JWK set from /v1/receipt-keys, kept from then.")
@READER_OPTIONS
def replay(decision: str, keys: Path | None, who: str | None, role: str, purpose: str) -> None:
    """Make DECISION again and compare; exit status 1 when it is not the same, byte by byte.

    DECISION is its id (`dec_…`, or `prf_…` of its profile), or a file that `decisions export` wrote, which needs no
    database. It is computed from its record by the model, rules and products of its day, whatever became of them; while
    the facts live, from the facts too. The look is in the firm's log, with who and why.
    """
    if not decision.startswith(("dec_", "prf_")):
        _replay_file(Path(decision), keys)
        return
    settings, database = start("owner")
    with database.transaction("owner", db.Viewer(actor="audit")) as session:
        known = _known(decision)
        profile = session.get(Profile, known)
        if profile is not None and profile.bundle_sha256 is None and session.get(DecisionRow, known) is None:
            _replay_old(session, profile, settings)  # made before there was an archive
            return
        with refusals(decision):
            reader = reader_from(session, who, role, purpose)
            (found,) = service.replay(session, [known], reader, kept=archive_of(settings), now=utc_now())
        write_found(found)
        same = found.same
        if profile is not None and profile.bundle_sha256 is not None:
            same = _from_facts(session, profile, profile.bundle_sha256, settings) and same
    if not same:
        sys.exit(1)


def _known(decision: str) -> UUID:
    try:
        return ids.internal(decision[:3], decision)
    except NotFound:
        raise click.ClickException(f"DECISION {decision}: no such decision") from None


def _replay_file(file: Path, keys: Path | None) -> None:
    if not file.exists():
        raise click.ClickException(f"DECISION {file}: neither an id (dec_…, prf_…) nor a file")
    if keys is None:
        raise click.ClickException("a file is verified first: give the keys that signed it (--keys)")
    try:
        opened = export.read(read_file(file).whole(), read_keys(keys))
        (found,) = replay_many([opened.record], lambda _: load(opened.policy))
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    write_found(found)
    if not found.same:
        sys.exit(1)


def _from_facts(session: Session, profile: Profile, bundle: str, settings: Settings) -> bool:
    """Compute the indicators too, as long as the facts live; return whether they give the same."""
    policy = store.loaded(session, bundle)
    try:
        found = replay_profile(session, profile, live=policy.live, settings=settings, book=policy.book)
    except ValueError as error:
        click.echo(f"not from the facts: {error}")
        return True
    click.echo(f"from the facts: {'the same, byte by byte' if found.same else 'differs'}")
    click.echo(f"the institution holds it as content_hmac {found.content_hmac}")
    return found.same


def _replay_old(session: Session, profile: Profile, settings: Settings) -> None:
    try:
        live = ModelShelf(load_first(settings), settings).that_scored(profile)
        found = replay_profile(session, profile, live=live, settings=settings)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{found.profile_id}: stored {found.stored_sha256}, replayed {found.replayed_sha256}")
    click.echo(f"the institution holds it as content_hmac {found.content_hmac}")
    if not found.same:
        click.echo(f"differs in: {', '.join(found.differences) or 'hash'}")
        sys.exit(1)
    click.echo("the same, byte by byte")

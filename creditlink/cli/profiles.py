"""`creditlink profiles …`: what the risk team asks of stored profiles."""

from __future__ import annotations

import click
from sqlalchemy.orm import Session, undefer

from creditlink.audit import service as audit
from creditlink.cli.acting import named, person_for
from creditlink.cli.output import print_json
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, NotFound
from creditlink.kit.processes.process import start
from creditlink.profiles.changes.comparison import compare
from creditlink.profiles.changes.model_source import ModelFolders, PinnedModels
from creditlink.profiles.changes.routes import changes_json
from creditlink.profiles.serving.live import load_first
from creditlink.profiles.tables import Profile


@click.group()
def profiles() -> None:
    """Look into stored profiles; every look is in the firm's evidence."""


@profiles.command()
@click.argument("earlier")
@click.argument("later")
@named
def changes(earlier: str, later: str, who: str | None) -> None:
    """Split the change in points from profile EARLIER to LATER of one firm over data, coverage, model and policy.

    The parts add up to the change to the last bit. Ends with 1 where a model or a rule of the time is not at hand.
    """
    settings, database = start("owner")
    folders = ModelFolders(load_first(settings), settings.models_dir)
    with database.transaction("owner") as session:
        reader = person_for(session, who, "risk", "auditor", now=utc_now())
        before, after = (_profile(session, one) for one in (earlier, later))
        try:
            change = compare(before, after, PinnedModels(session, folders))
        except Conflict as error:
            raise click.ClickException(str(error.detail)) from None
        audit.record(
            session,
            action="profile.changes",
            result="disclosed",
            actor=reader.name,
            now=utc_now(),
            enterprise_id=after.enterprise_id,
            detail={"profiles": [ids.external("prf", one.id) for one in (before, after)]},
        )
    print_json(changes_json(before, after, change))


def _profile(session: Session, named: str) -> Profile:
    try:
        found = session.get(Profile, ids.internal("prf", named), options=[undefer(Profile.explanation)])
    except NotFound:
        found = None
    if found is None:
        raise click.ClickException(f"profile {named}: no such profile")
    return found

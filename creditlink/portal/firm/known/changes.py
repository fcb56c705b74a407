"""What changed between two of the firm's profiles, as steps from the earlier points to the later ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from creditlink.engine.explanation.change.change import Change, ChangedPart
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.kit.errors import NotFound
from creditlink.portal.firm.firms import first_with
from creditlink.portal.site import blueprint, lang, page, signed_in
from creditlink.portal.waterfall import WaterfallStep, waterfall
from creditlink.profiles.changes.comparison import compare
from creditlink.profiles.changes.routes import models_for
from creditlink.profiles.tables import Profile

_MOST_STEPS = 8
"""Indicators that have a step of their own; the rest go in one."""


@blueprint.get("/profile/changes")
@signed_in
def changes(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show what moved the points between two profiles of one of the person's firms, whoever asked for them."""
    named = [ids.internal("prf", flask.request.args.get(name, "")) for name in ("since", "profile")]

    def both(firm: Enterprise) -> list[tuple[Profile, str]] | None:
        label = Institution.name_zh if lang() == "zh" else Institution.name_en
        query = (
            select(Profile, label)
            .join(Institution, Institution.id == Profile.institution_id)
            .where(Profile.enterprise_id == firm.id, Profile.id.in_(named))
            .options(undefer(Profile.explanation))
        )
        found = {row.id: (row, name) for row, name in session.execute(query)}
        return [found[one] for one in named] if set(named) <= set(found) else None

    firm, pair = first_with(session, account, now, both)
    pair.sort(key=lambda one: one[0].created_at)
    (earlier, _), (later, _) = pair
    if earlier is later:
        raise NotFound
    change = compare(earlier, later, models_for(session))
    return page(
        "firm/changes.html", firm=firm, pair=pair, change=change, steps=list(change_steps(earlier, later, change))
    )


def change_steps(earlier: Profile, later: Profile, change: Change) -> Iterator[WaterfallStep]:
    """Yield the bars from the earlier points to the later ones, each as long as what it moved."""
    if earlier.points is None or later.points is None:
        return
    own = 0 if lang() == "zh" else 1
    moved = [(_label(one, own), one.points or 0.0) for one in change.indicators[:_MOST_STEPS]]
    rest = sum(one.points or 0.0 for one in change.indicators[_MOST_STEPS:])
    moved += [(gettext("Other indicators"), rest), *((_label(one, own), one.points or 0.0) for one in change.coverage)]
    moved += [
        (_label(one, own), one.points or 0.0) for one in change.parts if one.name in ("model", "policy", "rounding")
    ]
    first = (gettext("The earlier profile"), float(earlier.points))
    yield from waterfall(first, moved, (gettext("The later profile"), float(later.points)))


def _label(one: ChangedPart, own: int) -> str:
    return (one.label_zh, one.label_en)[own]

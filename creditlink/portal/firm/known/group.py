"""My group: what is public about the firm's ties, its own guarantees, and what each bank sees of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.consents.tables import Consent
from creditlink.engine.profile.ties import way_words
from creditlink.enterprises.relations import words
from creditlink.enterprises.relations.graph import (
    Guarantee,
    NearFirm,
    Neighbourhood,
    Step,
    group_of,
    guarantee_circles,
    steps_beside,
)
from creditlink.enterprises.relations.reading import around_mine
from creditlink.enterprises.relations.told import GUARANTEES, told_of
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of
from creditlink.portal.firm.firms import chosen, firms_of
from creditlink.portal.site import blueprint, lang, page, signed_in


@dataclass(frozen=True)
class MemberShown:
    """A firm of the group, and over what it belongs to it where it is one step away."""

    firm: NearFirm
    ties: list[str]


@dataclass(frozen=True)
class ReaderShown:
    """A bank that may read the group now, and whether it sees guarantees too."""

    institution: str
    sees_guarantees: bool


@dataclass(frozen=True)
class GroupShown:
    """All of the page."""

    members: list[MemberShown]
    beside: list[MemberShown]  # at the same address, and no group
    ways: list[str]
    given: list[tuple[NearFirm, int | None]]
    received: list[tuple[NearFirm, int | None]]
    circles: list[int]
    is_cut: bool
    readers: list[ReaderShown]


@blueprint.get("/group")
@signed_in
def group(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show the group of one of the person's firms, as the register has it today."""
    firms = firms_of(session, account, now)
    firm = chosen(session, firms, flask.request.args.get("enterprise"))
    if firm is None:
        return page("firm/group.html", firms=firms, firm=None, shown=None)
    return page("firm/group.html", firms=firms, firm=firm, shown=_shown(session, firm, now))


def _shown(session: Session, firm: Enterprise, now: datetime) -> GroupShown:
    around = around_mine(session, firm.id, day=day_of(now), known_at=now)
    own = 0 if lang() == "zh" else 1
    ties: dict[str, list[str]] = {}
    for step in steps_beside(around):
        ties.setdefault(step.firm.key, []).append(_tie(step, own))
    members = group_of(around)
    keys = {one.key for one in members}
    told = told_of(around, with_guarantees=True)
    return GroupShown(
        members=[MemberShown(one, ties.get(one.key, [])) for one in members],
        beside=[MemberShown(around.firms[key], said) for key, said in ties.items() if key not in keys],
        ways=[way_words(told["firm"], way)[own] for way in told["ways"]],
        given=[_amount(around.firms, one, one.debtor) for one in _of(around, given=True)],
        received=[_amount(around.firms, one, one.guarantor) for one in _of(around, given=False)],
        circles=[len(circle) for circle in guarantee_circles(around)],
        is_cut=around.is_cut,
        readers=_readers(session, firm, now),
    )


def _tie(step: Step, own: int) -> str:
    return " ".join(filter(None, (words.KINDS[step.kind][own], words.through_of(step))))


def _of(around: Neighbourhood, *, given: bool) -> list[Guarantee]:
    """Return the firm's own guarantees, or those of others for it."""
    return [one for one in around.guarantees if (one.guarantor if given else one.debtor) == around.start]


def _amount(firms: Mapping[str, NearFirm], one: Guarantee, other: str) -> tuple[NearFirm, int | None]:
    return firms[other], one.amount_fen


def _readers(session: Session, firm: Enterprise, now: datetime) -> list[ReaderShown]:
    """Return the banks with a live consent, by name; of several consents of one bank the widest counts."""
    label = Institution.name_zh if lang() == "zh" else Institution.name_en
    live = (
        select(label, Consent.categories)
        .select_from(Consent)
        .join(Institution, Institution.id == Consent.institution_id)
        .where(Consent.enterprise_id == firm.id, Consent.state == "ACTIVE", Consent.expires_at > now)
    )
    found: dict[str, bool] = {}
    for name, categories in session.execute(live):
        found[name] = found.get(name, False) or GUARANTEES in categories
    return [ReaderShown(name, sees) for name, sees in sorted(found.items())]

"""What offices say of the firm, month by month: charts, tables, who sees it, and where to say that it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from creditlink.consents import own
from creditlink.consents.agreement.categories import label_of
from creditlink.consents.agreement.limits import OWN
from creditlink.engine.facts.catalogue import CATEGORIES as CATALOGUE
from creditlink.engine.facts.catalogue_items import ITEMS, Item
from creditlink.enterprises.service import outside_limits, represented_by
from creditlink.enterprises.tables import Account
from creditlink.kit.clock import day_of
from creditlink.kit.errors import NotFound
from creditlink.portal.firm.firms import chosen_with_right
from creditlink.portal.firm.known.own import check_right, fetched_of
from creditlink.portal.firm.records.disputes.register import entries_of
from creditlink.portal.firm.records.series import DrawnSeries, series_of
from creditlink.portal.firm.records.wording import code_text, frame_label, period_text
from creditlink.portal.sheets.filling import export_of, of_rows, status_of
from creditlink.portal.sheets.sheet import Kind, Sheet, SheetColumn, Value
from creditlink.portal.site import blueprint, lang, page, signed_in
from creditlink.profiles.lineage.months import KnownFact, LenderView, known_facts, readable
from creditlink.records.pulls import pull

LATE = "late"
"""The part of the page that gathers what was filed or paid late, of every kind of data."""

_KINDS: dict[str, Kind] = {"fen": "money", "day": "day", "share": "share", "code": "text", "flag": "text"}
_SAID = {("meter_months", "kind")}  # by the page's own name
_DIGITS = {"kWh_or_m3": 1, "tonnes": 1}


@dataclass(frozen=True)
class PartShown:
    """One table with its drawings."""

    frame: str
    label: str
    drawings: list[DrawnSeries]
    table: Sheet[KnownFact]


@blueprint.get("/own/records")
@signed_in
def own_records(session: Session, account: Account, now: datetime) -> ResponseReturnValue:
    """Show one kind of the firm's records under its consent to itself; that it was shown is in the evidence."""
    firms = represented_by(session, account, now)
    if not firms:
        return page("firm/records.html", firms=[], firm=None, consent=None)
    firm, right = chosen_with_right(session, firms, flask.request.args.get("enterprise"))
    names = [one for one, _ in firms]
    consent = own.alive(session, firm.id, now)
    if consent is None or consent.state != "ACTIVE":
        entries = entries_of(session, firm, now)
        return page("firm/records.html", firms=names, firm=firm, consent=consent, parts=None, registered=entries)
    kinds = [
        one for one in readable(consent) if outside_limits(right, purpose=OWN, categories=[one], runs_days=0) is None
    ]
    if not kinds:
        check_right(right, consent)
    asked = flask.request.args.get("category") or kinds[0]
    if asked not in (*kinds, LATE):
        raise NotFound
    wanted = kinds if asked == LATE else [asked]
    facts, views = known_facts(session, own.access_of(session, consent, account), wanted, now=now)
    parts = list(_parts(facts, asked, day_of(now)))
    return export_of(*(part.table for part in parts), name=f"records-{asked}") or page(
        "firm/records.html",
        status=status_of(*(part.table for part in parts)),
        firms=names,
        firm=firm,
        consent=consent,
        kinds=[(one, label_of(one, lang())) for one in kinds] + [(LATE, gettext("Late filings and payments"))],
        asked=asked,
        parts=parts,
        answer=fetched_of([asked], pull.state_now(session, consent, now))[0] if asked != LATE else None,
        office="" if asked == LATE else _own(CATALOGUE[asked].owner_zh, CATALOGUE[asked].owner_en),
        registered=entries_of(session, firm, now),
        lenders=[(_name(one), one.since) for one in views if asked == LATE or asked in one.categories],
    )


def _parts(facts: Sequence[KnownFact], asked: str, today: date) -> Iterator[PartShown]:
    if asked == LATE:
        late = [fact for fact in facts if fact.late_days(today)]
        columns = (_month(), _what(), *_clocks(["due_on", "filed_on", "paid_on"]), _late(today), *_marks(), *_about())
        table = of_rows(
            late, columns, label=gettext("Late filings and payments"), first="-period", prefix="late.",
            empty=gettext("Nothing was filed or paid late."),
        )  # fmt: skip
        yield PartShown(LATE, gettext("Late filings and payments"), [], table)
        return
    held = {fact.frame for fact in facts}
    for frame in (one for one in ITEMS if one in held):
        rows = [fact for fact in facts if fact.frame == frame]
        label = frame_label(frame)
        items = [one for one in ITEMS[frame] if (frame, one.name) not in _SAID and _is_known(rows, one.name)]
        is_due = any(one.name == "due_on" for one in items)
        late_days = [_late(today)] if is_due else []
        columns = (_month(), *_marks(), *map(_column, items), *late_days, *_about())
        table = of_rows(rows, columns, label=label, first="-period", prefix=f"{frame}.", per_page=12)
        yield PartShown(frame, label, series_of(frame, rows), table)


def _month() -> SheetColumn[KnownFact]:
    return SheetColumn("period", gettext("Period"), lambda one: one.period, "day", text=period_text)


def _what() -> SheetColumn[KnownFact]:
    return SheetColumn(
        "what", gettext("What"), lambda one: frame_label(one.frame), note=lambda one: label_of(one.category, lang())
    )


def _column(item: Item) -> SheetColumn[KnownFact]:
    name = item.name
    value, text = _reading(item)
    unit = gettext("yuan") if item.unit == "fen" else ""
    return SheetColumn(
        name, _own(item.label_zh, item.label_en), value, _KINDS.get(item.unit, "number"), text=text, unit=unit,
        digits=_DIGITS.get(item.unit, 2 if item.unit == "share" else 0),
    )  # fmt: skip


def _reading(item: Item) -> tuple[Callable[[KnownFact], Value], Callable[[KnownFact], str] | None]:
    """Return what a column sorts by, and what it shows where that is not the same."""
    name = item.name
    if item.unit == "day":
        return lambda one: one.day_of(name), None
    if item.unit in ("code", "flag"):
        return lambda one: _plain(one.value_of(name)), lambda one: code_text(name, one.value_of(name))

    def number(one: KnownFact) -> Value:
        found = one.value_of(name)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    return number, None


def _plain(value: object) -> str | None:
    return None if value is None else str(value)


def _clocks(names: Sequence[str]) -> list[SheetColumn[KnownFact]]:
    labels = {"due_on": gettext("Due on"), "filed_on": gettext("Filed on"), "paid_on": gettext("Paid on")}
    return [SheetColumn(name, labels[name], _day(name), "day") for name in names]


def _day(name: str) -> Callable[[KnownFact], Value]:
    return lambda one: one.day_of(name)


def _late(today: date) -> SheetColumn[KnownFact]:
    return SheetColumn(
        "late", gettext("Days late"), lambda one: one.late_days(today), "number",
        tone=lambda one: "bad" if one.late_days(today) else "idle",
    )  # fmt: skip


def _is_known(rows: Sequence[KnownFact], name: str) -> bool:
    return any(row.value_of(name) is not None for row in rows)


def _about() -> list[SheetColumn[KnownFact]]:
    return [
        SheetColumn("known", gettext("Known since"), lambda one: one.known_on, "day"),
        SheetColumn(
            "source", gettext("Source"),
            lambda one: _own(CATALOGUE[one.category].owner_zh, CATALOGUE[one.category].owner_en), sorts=False,
        ),
    ]  # fmt: skip


def _marks() -> list[SheetColumn[KnownFact]]:
    """Return what stands beside the period: who sees the row, and where to say that it is wrong."""
    between = "、" if lang() == "zh" else ", "
    return [
        SheetColumn(
            "seen", gettext("Banks that can see it"), lambda one: between.join(map(_name, one.seen_by)),
            text=lambda one: between.join(dict.fromkeys(map(_name, one.seen_by))) or gettext("none"), sorts=False,
        ),
        SheetColumn("wrong", gettext("Wrong?"), lambda one: str(one.datum), "own", sorts=False),
    ]  # fmt: skip


def _name(view: LenderView) -> str:
    return _own(view.name_zh, view.name_en)


def _own(zh: str, en: str) -> str:
    return zh if lang() == "zh" else en

"""What the registry delivered, and the codes that cannot be right, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import flask
from flask_babel import gettext
from sqlalchemy import select, true
from sqlalchemy.orm import Session

from creditlink.enterprises.registry import clearing
from creditlink.enterprises.registry.tables import RegistryLoad, RegistryRow, UsccClearing
from creditlink.kit.clock import start_of_day
from creditlink.portal.sheets.filling import of_query
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter, as_day

_ALL = "all"


@dataclass(frozen=True)
class ListedLoad:
    """One delivery, and whether rows of it were kept aside; how many is on its own page: counting takes long."""

    row: RegistryLoad
    has_refused: bool


@dataclass(frozen=True)
class ListedCode:
    """One code that cannot be right: its entry, its state today, and its row of the registrar's file."""

    item: UsccClearing
    state: str
    said: dict[str, object]


def loads_of(session: Session) -> Sheet[ListedLoad]:
    """Return the registry's deliveries, the latest first."""
    kept = select(RegistryRow.load_id).where(RegistryRow.load_id == RegistryLoad.id, RegistryRow.state == "refused")
    kinds, states = _load_kinds(), _load_states()
    tones = {"done": "active", "ready": "paused", "open": "paused"}
    columns: Sequence[SheetColumn[ListedLoad]] = (
        SheetColumn(
            "when", gettext("When"), lambda one: one.row.began_at, "instant",
            link=lambda one: flask.url_for("portal.operator_load", load_id=one.row.wire_id),
        ),
        SheetColumn("source", gettext("Registrar"), lambda one: one.row.source),
        SheetColumn(
            "kind", gettext("Kind"), lambda one: one.row.kind, text=lambda one: kinds[one.row.kind],
            note=lambda one: one.row.region, note_label=gettext("Region"),
        ),
        SheetColumn(
            "state", gettext("State"), lambda one: one.row.state, text=lambda one: states[one.row.state],
            tone=lambda one: tones[one.row.state],
        ),
        SheetColumn("ended", gettext("Finished"), lambda one: one.row.ended_at, "instant"),
        SheetColumn(
            "refused", gettext("Rows kept aside"), lambda one: "some" if one.has_refused else "none",
            text=lambda one: gettext("some") if one.has_refused else gettext("none"), sorts=False,
        ),
    )  # fmt: skip
    return of_query(
        session, select(RegistryLoad, kept.exists()), columns, (
            SheetFilter("source", gettext("Registrar")),
            SheetFilter("kind", gettext("Kind"), "choice", list(kinds.items())),
            SheetFilter("state", gettext("State"), "choice", list(states.items())),
            SheetFilter("since", gettext("From day"), "day"),
            SheetFilter("until", gettext("Last day"), "day"),
        ),
        make=lambda row: ListedLoad(row[0], row[1]),
        by={
            "when": RegistryLoad.began_at, "source": RegistryLoad.source, "kind": RegistryLoad.kind,
            "state": RegistryLoad.state, "ended": RegistryLoad.ended_at,
        },
        where={
            "source": lambda words: RegistryLoad.source.icontains(str(words), autoescape=True),
            "kind": lambda kind: RegistryLoad.kind == kind,
            "state": lambda state: RegistryLoad.state == state,
            "since": lambda day: RegistryLoad.began_at >= start_of_day(as_day(day)),
            "until": lambda day: RegistryLoad.began_at < start_of_day(as_day(day) + timedelta(days=1)),
        },
        then=RegistryLoad.id, label=gettext("Registry"), first="-when",
        empty=gettext("The registry has delivered nothing yet: creditlink registry load."),
    )  # fmt: skip


def codes_of(session: Session, *, today: date) -> Sheet[ListedCode]:
    """Return the codes to be cleared, the newest first; without a choice, those that are not settled."""
    wanted = select(UsccClearing)
    if not flask.request.args.get("state", "").strip():
        wanted = wanted.where(clearing.in_state("open", today))
    words, names = _why_words(), _code_states()
    states = [*names.items(), (_ALL, gettext("any"))]
    return of_query(
        session, wanted, _code_columns(words, names), (
            SheetFilter("state", gettext("State"), "choice", states, blank=names["open"]),
            SheetFilter("kind", gettext("What is wrong"), "choice", list(words.items())),
            SheetFilter("owner", gettext("Who clears it")),
        ),
        make=lambda row: ListedCode(
            row[0], clearing.state_of(row[0], today), clearing.as_row(row[0], today=today)
        ),
        by={
            "opened": UsccClearing.opened_at, "code": UsccClearing.uscc, "kind": UsccClearing.kind,
            "owner": UsccClearing.owner,
        },
        where={
            "state": lambda state: true() if state == _ALL else clearing.in_state(str(state), today),
            "kind": lambda kind: UsccClearing.kind == kind,
            "owner": lambda words: UsccClearing.owner.icontains(str(words), autoescape=True),
        },
        then=UsccClearing.id, label=gettext("Codes to be cleared"), first="-opened",
        empty=gettext("No code is in this state."),
    )  # fmt: skip


def _code_columns(words: dict[str, str], names: dict[str, str]) -> Sequence[SheetColumn[ListedCode]]:
    return (
        SheetColumn(
            "code", gettext("Credit code"), lambda one: one.item.uscc, note=lambda one: one.item.other_uscc,
            note_label=gettext("The other code"),
        ),
        SheetColumn(
            "firm", gettext("Firm"), lambda one: str(one.said["name"] or ""), sorts=False,
            note=lambda one: str(one.said["other_name"] or ""), note_label=gettext("The other firm"),
        ),
        SheetColumn("kind", gettext("What is wrong"), lambda one: one.item.kind, text=lambda one: words[one.item.kind]),
        SheetColumn(
            "state", gettext("State"), lambda one: one.state, text=lambda one: names[one.state], note=_state_note,
            tone=lambda one: {"open": "requested", "exception": "paused", "corrected": "active"}[one.state],
            note_label=gettext("Reason given"), sorts=False,
        ),
        SheetColumn("owner", gettext("Who clears it"), lambda one: one.item.owner),
        SheetColumn("opened", gettext("Since"), lambda one: one.item.opened_at, "instant"),
        SheetColumn("acts", gettext("Acts"), lambda one: one.item.wire_id, "own", sorts=False),
    )  # fmt: skip


def _state_note(one: ListedCode) -> str:
    if one.state == "exception":
        return f"{gettext('until')} {one.item.exception_ends_on}: {one.item.exception_evidence}"
    return one.item.resolution or ""


def _why_words() -> dict[str, str]:
    return {
        "wrong": gettext("fails its check"),
        "duplicate": gettext("two firms have it"),
        "near_duplicate": gettext("a slip away from another's"),
    }


def _code_states() -> dict[str, str]:
    return {"open": gettext("Not settled"), "exception": gettext("Exception"), "corrected": gettext("Corrected")}


def _load_kinds() -> dict[str, str]:
    return {"full": gettext("whole list"), "incremental": gettext("changes")}


def _load_states() -> dict[str, str]:
    return {"open": gettext("Rows come in"), "ready": gettext("Waits for a worker"), "done": gettext("Taken")}

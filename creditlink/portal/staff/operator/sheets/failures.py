"""Work that failed, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import flask
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from creditlink.kit.clock import SHANGHAI
from creditlink.kit.jobs import dead_letters
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.portal.sheets.filling import of_query
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter


def sheet_of(session: Session) -> Sheet[DeadLetter]:
    """Return what failed and is not settled, the last failure first; or, if that is chosen, what was closed."""
    is_open = flask.request.args.get("closed", "").strip() != "yes"
    wanted = select(DeadLetter).where(
        DeadLetter.resolved_at.is_(None) if is_open else DeadLetter.resolved_at.is_not(None)
    )
    tasks = [(name, f"{name} ({count})") for name, count in sorted(dead_letters.count_open(session).items())]
    return of_query(
        session, wanted, _columns(is_open=is_open), (
            SheetFilter("task", gettext("Task"), "choice", tasks),
            SheetFilter(
                "closed", gettext("State"), "choice", [("yes", gettext("Closed"))], blank=gettext("Not settled")
            ),
            SheetFilter("item", gettext("Item")),
        ),
        make=lambda row: row[0],
        by={
            "last": DeadLetter.last_failed_at, "task": DeadLetter.task,
            "failures": DeadLetter.failures, "next": DeadLetter.next_try_at if is_open else DeadLetter.resolved_at,
        },
        where={
            "task": lambda task: DeadLetter.task == task,
            "closed": lambda _yes: DeadLetter.resolved_at.is_not(None),
            "item": lambda item: DeadLetter.item == str(item),
        },
        then=DeadLetter.id, label=gettext("Jobs"), first="-last",
        empty=gettext("Nothing failed.") if is_open else gettext("Nothing was closed."),
    )  # fmt: skip


def _columns(*, is_open: bool) -> Sequence[SheetColumn[DeadLetter]]:
    columns: list[SheetColumn[DeadLetter]] = [
        SheetColumn(
            "last",
            gettext("Last failure"),
            lambda one: one.last_failed_at,
            "instant",
            note=lambda one: f"{gettext('first')} {clock_text(one.first_failed_at)}",
            note_label=gettext("First failure"),
        ),
        SheetColumn(
            "task", gettext("Task"), lambda one: one.task, note=lambda one: one.item, note_label=gettext("Item")
        ),
        SheetColumn("error", gettext("What went wrong"), lambda one: one.error, sorts=False),
        SheetColumn("failures", gettext("Failures"), lambda one: one.failures, "number"),
    ]
    if is_open:
        columns += [
            SheetColumn("next", gettext("Next try"), lambda one: one.next_try_at, "own"),
            SheetColumn("acts", gettext("Acts"), lambda one: one.wire_id, "own", sorts=False),
        ]
    else:
        columns += [SheetColumn("next", gettext("How it ended"), lambda one: one.resolution, "own")]
    return columns


def clock_text(instant: datetime | None) -> str:
    """Return an instant on the clock of Beijing, as a second line under a cell; empty where there is none."""
    return "" if instant is None else instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")

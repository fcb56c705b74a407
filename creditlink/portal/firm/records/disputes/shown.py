"""Disputes and the rows that they are about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext

from creditlink.disputes.rules.datum import FRAMES, Datum, columns_of
from creditlink.disputes.tables import Dispute, DisputeEvent
from creditlink.kit.clock import day_of
from creditlink.kit.money import grouped_yuan
from creditlink.portal.firm.records.wording import code_text
from creditlink.portal.site import lang
from creditlink.records.pulls.delivery import FactValue
from creditlink.records.tables import FactRow


@dataclass(frozen=True)
class ColumnShown:
    """One column of a row: what it said, what it should say, what it says now."""

    name: str
    label: str
    said: str
    wanted: str | None
    now: str | None


@dataclass(frozen=True)
class RowShown:
    """One row of the firm's records, and how a dispute about it is begun."""

    record: str
    what: str
    period: str
    known_on: str
    columns: list[ColumnShown]


def own(words: tuple[str, str]) -> str:
    """Return the word of the page's language."""
    return words[0 if lang() == "zh" else 1]


def what_of(datum: Datum) -> str:
    """Return what a datum is, with its kind where its frame has several."""
    return own(FRAMES[datum.frame]) + (f" · {code_text('kind', datum.kind)}" if datum.kind else "")


def row_of(fact: FactRow) -> RowShown:
    """Return a stored row as its firm reads it."""
    datum = Datum(fact.frame, fact.period, fact.subkey)
    return RowShown(
        record=str(datum), what=what_of(datum), period=f"{fact.period:%Y-%m}",
        known_on=day_of(fact.known_at).isoformat(), columns=columns(fact.frame, fact.values),
    )  # fmt: skip


def of_dispute(dispute: Dispute) -> list[ColumnShown]:
    """Return what is disputed: as it was said, as the firm wants it, as it is now."""
    return columns(dispute.frame, dispute.said, dispute.wanted, dispute.now_said)


def columns(
    frame: str,
    said: Mapping[str, FactValue],
    wanted: Mapping[str, FactValue] | None = None,
    now: Mapping[str, FactValue] | None = None,
) -> list[ColumnShown]:
    """Return a row's columns in the catalogue's order."""
    place = 0 if lang() == "zh" else 1
    return [
        ColumnShown(
            name, labels[place], value(name, said.get(name)),
            value(name, wanted[name]) if wanted and name in wanted else None,
            value(name, now.get(name)) if now is not None and now.get(name) != said.get(name) else None,
        )
        for name, labels in columns_of(frame).items()
        if name in said
    ]  # fmt: skip


def value(name: str, stored: FactValue) -> str:
    """Return a stored value as people read it."""
    if stored is None:
        return "–"
    if isinstance(stored, bool):
        return str(gettext("yes") if stored else gettext("no"))
    if isinstance(stored, float):
        return f"{stored:,.4f}".rstrip("0").rstrip(".")
    return f"¥{grouped_yuan(int(stored))}" if name.endswith("_fen") else code_text(name, stored)


def step_of(event: DisputeEvent) -> str:
    """Return what happened, in words."""
    words = {
        "file": gettext("Filed"), "send": gettext("The source was told"),
        "promise": gettext("The source answers: corrected"), "uphold": gettext("The source stands by its record"),
        "see": gettext("The corrected row has arrived"), "trust": gettext("Corrected, on the source's word"),
        "doubt": gettext("The source said it corrected the row, and sends it as before"),
        "withdraw": gettext("Withdrawn"), "appeal": gettext("Appealed"),
        "overdue": gettext("The source did not answer in time"),
        "read": gettext("Looked at by our own staff"), "file_read": gettext("Evidence handed out to our own staff"),
    }  # fmt: skip
    return str(words.get(event.step, event.step))

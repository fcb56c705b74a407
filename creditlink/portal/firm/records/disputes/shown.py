"""Disputes and the rows that they are about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext

from creditlink.disputes.rules import registration
from creditlink.disputes.rules.datum import Datum, columns_of
from creditlink.disputes.tables import Dispute, DisputeEvent
from creditlink.disputes.versions import DatumVersion
from creditlink.engine.vocabulary import REGISTRATION_LABELS
from creditlink.kit.clock import day_of
from creditlink.kit.money import grouped_yuan
from creditlink.portal.firm.records.wording import code_text
from creditlink.portal.site import lang
from creditlink.records.pulls.delivery import FactValue


@dataclass(frozen=True)
class ColumnShown:
    """One column of a row: what it said, what it should say, what it says now."""

    name: str
    label: str
    said: str
    wanted: str | None
    now: str | None
    form: str = "text"  # how it is written; of the register also choice and list
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RowShown:
    """One row of the firm's records, and how a dispute about it is begun."""

    record: str
    what: str
    period: str | None
    known_on: str
    columns: list[ColumnShown]


def own(words: tuple[str, str]) -> str:
    """Return the word of the page's language."""
    return words[0 if lang() == "zh" else 1]


def what_of(datum: Datum) -> str:
    """Return what a datum is, with its kind where its frame has several."""
    return own(datum.labels) + (f" · {code_text('kind', datum.kind)}" if datum.kind else "")


def row_of(version: DatumVersion) -> RowShown:
    """Return a row of the records, or an entry of the register, as its firm reads it."""
    datum = version.datum
    return RowShown(
        record=str(datum), what=what_of(datum), period=datum.month, known_on=day_of(version.known_at).isoformat(),
        columns=columns(datum.frame, version.values),
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
    reads = entry_value if frame == registration.FRAME else value
    return [
        ColumnShown(
            name, labels[place], reads(name, said.get(name)),
            reads(name, wanted[name]) if wanted and name in wanted else None,
            reads(name, now.get(name)) if now is not None and now.get(name) != said.get(name) else None,
            labels[2] if frame == registration.FRAME else "text",
            tuple((one, own(REGISTRATION_LABELS[one])) for one in choices_of(frame, name)),
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


def choices_of(frame: str, name: str) -> tuple[str, ...]:
    """Return the values from which one is chosen; none where it is written."""
    return registration.ENTRIES[name].choices if frame == registration.FRAME else ()


def entry_value(name: str, stored: FactValue) -> str:
    """Return an entry of the register as people read it, whole; a list with its lines one after the other."""
    if stored is None:
        return "–"
    if registration.ENTRIES[name].choices:
        return own(REGISTRATION_LABELS.get(str(stored), (str(stored), str(stored))))
    text = f"¥{grouped_yuan(int(stored))}" if name.endswith("_fen") else str(stored)
    return ("；" if lang() == "zh" else "; ").join(text.splitlines())


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

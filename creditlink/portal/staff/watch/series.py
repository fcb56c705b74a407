"""Every series of a model on one day, as a table: how far it moved, what chance explains, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flask
from flask_babel import gettext, ngettext
from markupsafe import Markup

from creditlink.portal.sheets.filling import of_rows
from creditlink.portal.sheets.sheet import Sheet, SheetColumn, SheetFilter
from creditlink.portal.site import lang
from creditlink.watch.counting import WatchedModel
from creditlink.watch.tables import SeriesFinding

_LEVELS = ("shifted", "moved", "stable", "few")
_TONES = {"stable": "active", "moved": "paused", "shifted": "revoked"}


@dataclass(frozen=True)
class FoundSeries:
    """What was found of one series, and its name."""

    row: SeriesFinding
    name: str


def sheet_of(
    rows: Sequence[FoundSeries], model: WatchedModel, *, part: str, label: str, per_page: int
) -> Sheet[FoundSeries]:
    """Return the series of one part of a model's card, what moved most first."""
    return of_rows(
        rows, _columns(model), (
            SheetFilter(
                "words", gettext("Series"), meets=lambda one, words: str(words).casefold() in one.name.casefold()
            ),
            SheetFilter(
                "level", gettext("Level"), "choice", [(name, _words("level", name)) for name in _LEVELS],
                meets=lambda one, level: one.row.level == level,
            ),
        ),
        label=label, first="-psi", prefix=f"{model.purpose}-{part}-", per_page=per_page,
    )  # fmt: skip


def _columns(model: WatchedModel) -> Sequence[SheetColumn[FoundSeries]]:
    return (
        SheetColumn(
            "series", gettext("Series"), lambda one: one.name,
            link=lambda one: flask.url_for(
                "portal.staff_watched_series", purpose=model.purpose, model_id=model.model_id, series=one.row.series
            ),
        ),
        SheetColumn("psi", "PSI", lambda one: one.row.index, "number", digits=3),
        SheetColumn("chance", gettext("By chance at most"), lambda one: one.row.chance, "number", digits=3),
        SheetColumn("firms", gettext("Firms"), lambda one: one.row.firms, "number"),
        SheetColumn(
            "against", gettext("Held against"), lambda one: _words("against", one.row.against),
            note=lambda one: str(ngettext("%(num)d day", "%(num)d days", one.row.window_days)),
            note_label=gettext("Days"),
        ),
        SheetColumn(
            "level", gettext("Level"), lambda one: one.row.level, text=lambda one: _words("level", one.row.level),
            tone=lambda one: _TONES.get(one.row.level, "expired"),
        ),
    )  # fmt: skip


def name_in(name: object) -> str:
    """Return a series' name in the language of the page."""
    return str(getattr(name, "zh" if lang() == "zh" else "en"))


def _words(macro: str, code: str) -> str:
    """Return the words that the page has for a code."""
    shown = flask.get_template_attribute("portal/staff/watch/parts.html", macro)(code)
    return Markup(shown).striptags()  # noqa: S704 (a template's own)

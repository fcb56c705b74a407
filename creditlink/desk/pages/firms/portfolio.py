"""Firms: whom the institution asked, who agreed, and how each consent stands; no more is read of them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from creditlink.desk import asking
from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.sending import DeskApi, api_of, items_of
from creditlink.desk.wire.software import ApiRefused
from creditlink.portal.sheets.filling import export_of, of_rows, status_of
from creditlink.portal.sheets.sheet import SheetColumn, SheetFilter

_MOST = 1_000
"""Requests that are listed: the latest."""
_MOST_LOOKED = 3
"""So many waiting requests are looked after by one page: each look is a request to the platform."""


@dataclass(frozen=True)
class FirmLine:
    """One line of the list: a request, and its consent as the API tells it."""

    request: DeskRequest
    label: str
    consent: Mapping[str, object] | None

    @property
    def state(self) -> str:
        """Return how the consent stands; empty: there is none."""
        return "" if self.consent is None else str(self.consent["state"])

    @property
    def until(self) -> datetime | None:
        """Return when the consent ends, or when the request does that waits."""
        if self.consent is not None and self.consent.get("expires_at"):
            return datetime.fromisoformat(str(self.consent["expires_at"]))
        return self.request.expires_at if self.request.state == "waiting" else None

    @property
    def uses_left(self) -> int | None:
        """Return how many profiles may still be computed."""
        uses = self.consent.get("uses") if self.consent is not None else None
        return min((int(one["left"]) for one in uses), default=None) if isinstance(uses, list) else None


@blueprint.get("/firms")
@at_desk("lender")
def firms(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the institution's requests, the latest first."""
    api = api_of(here.actor)
    held = asking.page_of(here.actor, most=_MOST)
    for one in [one for one in held if one.state == "waiting"][:_MOST_LOOKED]:
        asking.look(api.software, one, now)
    consents = _consents(api, held)
    lines = [FirmLine(one, asking.label_of(one), consents.get(one.consent or "")) for one in held]
    found = of_rows(
        lines, _columns(), _filters(), label=gettext("Firms"), first="-asked",
        empty=gettext("Your institution has not asked any firm yet."),
    )  # fmt: skip
    return export_of(found, name="firms") or show(
        "firms/list.html", status=status_of(found), institution=here.institution_name, found=found
    )


def _columns() -> Sequence[SheetColumn[FirmLine]]:
    return (
        SheetColumn(
            "label", gettext("Firm"), lambda one: one.label,
            link=lambda one: flask.url_for("portal.bank.firm", request_id=one.request.wire_id),
        ),
        SheetColumn("asked", gettext("Asked"), lambda one: one.request.asked_at, "instant"),
        SheetColumn("channel", gettext("Asked by"), lambda one: one.request.channel, text=_channel),
        SheetColumn("answer", gettext("Answer"), lambda one: one.request.state, "own", text=_answer),
        SheetColumn("consent", gettext("Consent"), lambda one: one.state, "own", text=_consent),
        SheetColumn("until", gettext("Until"), lambda one: one.until, "instant"),
        SheetColumn("left", gettext("Profiles left"), lambda one: one.uses_left, "number"),
    )  # fmt: skip


def _filters() -> Sequence[SheetFilter[FirmLine]]:
    answers = [(state, _words("answer", state)) for state in ("waiting", "granted", "declined", "expired", "over")]
    return (
        SheetFilter(
            "words", gettext("Firm"), meets=lambda one, words: str(words).casefold() in one.label.casefold()
        ),
        SheetFilter(
            "answer", gettext("Answer"), "choice", answers, meets=lambda one, state: one.request.state == state
        ),
    )  # fmt: skip


def _channel(one: FirmLine) -> str:
    return _words("channel", one.request.channel)


def _answer(one: FirmLine) -> str:
    return _words("answer", one.request.state)


def _consent(one: FirmLine) -> str:
    return _words("state", one.state, "portal/parts.html") if one.state else ""


def _words(macro: str, code: str, where: str = "portal/bank/words.html") -> str:
    """Return the words that pages have for a code."""
    return Markup(flask.get_template_attribute(where, macro)(code)).striptags()  # noqa: S704 (a template's own)


def _consents(api: DeskApi, held: Sequence[DeskRequest]) -> dict[str, Mapping[str, object]]:
    """Return how the consents stand now; those that the API's newest lack are asked for one by one."""
    wanted = {one.consent for one in held if one.consent}
    found: dict[str, Mapping[str, object]] = {}
    params = {"limit": "100"}
    while wanted - set(found):
        page = api.own("GET", "/v1/consents", params=params)
        found |= {str(one["id"]): one for one in items_of(page) if one["id"] in wanted}
        if not page.get("next_cursor"):
            break
        params["cursor"] = str(page["next_cursor"])
    for lacking in wanted - set(found):
        try:
            found[lacking] = api.own("GET", f"/v1/consents/{lacking}", noted=False)
        except ApiRefused as refused:
            if refused.status != 404:
                raise
    return found

"""Firms: whom the institution asked, who agreed, and how each consent stands; no more is read of them here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask
from flask.typing import ResponseReturnValue

from creditlink.desk import asking
from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.sending import DeskApi, api_of, items_of
from creditlink.desk.wire.software import ApiRefused

PAGE = 20
_MOST_LOOKED = 3
"""So many waiting requests are looked after by one page: each look is a request to the platform."""


@dataclass(frozen=True)
class FirmLine:
    """One line of the list: a request, and its consent as the API tells it."""

    request: DeskRequest
    label: str
    consent: Mapping[str, object] | None


@blueprint.get("/firms")
@at_desk("lender")
def firms(here: LenderHere, now: datetime) -> ResponseReturnValue:
    """Show the institution's requests, the latest first."""
    api = api_of(here.actor)
    place = flask.request.args.get("page", "1")
    number = min(int(place), 10_000) if place.isascii() and place.isdigit() and len(place) < 6 else 1
    number = max(number, 1)
    held = asking.page_of(here.actor, most=PAGE + 1, skip=(number - 1) * PAGE)
    waiting = [one for one in held if one.state == "waiting"]
    for one in waiting[:_MOST_LOOKED]:
        asking.look(api.software, one, now)
    consents = _consents(api, held[:PAGE])
    lines = [FirmLine(one, asking.label_of(one), consents.get(one.consent or "")) for one in held[:PAGE]]
    return show(
        "firms/list.html", institution=here.institution_name, lines=lines, number=number,
        has_more=len(held) > PAGE,
    )  # fmt: skip


def _consents(api: DeskApi, held: list[DeskRequest]) -> dict[str, Mapping[str, object]]:
    """Return how the consents stand now; those that the newest hundred lack are asked for one by one."""
    wanted = {one.consent for one in held if one.consent}
    if not wanted:
        return {}
    newest = items_of(api.own("GET", "/v1/consents", params={"limit": "100"}))
    found = {str(one["id"]): one for one in newest if one["id"] in wanted}
    for lacking in wanted - set(found):
        try:
            found[lacking] = api.own("GET", f"/v1/consents/{lacking}", noted=False)
        except ApiRefused as refused:
            if refused.status != 404:
                raise
    return found

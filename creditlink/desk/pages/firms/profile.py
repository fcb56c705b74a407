"""One firm that was asked: how the request stands, and once it agreed its profile, read from the API each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from creditlink.desk import asking
from creditlink.desk.site import LenderHere, at_desk, blueprint, show
from creditlink.desk.tables import DeskRequest
from creditlink.desk.wire.sending import DeskApi, api_of, items_of
from creditlink.desk.wire.software import Answer
from creditlink.engine.facts.catalogue import CATEGORIES
from creditlink.kit.files import qr
from creditlink.portal.site import lang, see_other, settings
from creditlink.portal.waterfall import WaterfallStep, waterfall

_LISTED = 10


@dataclass(frozen=True)
class FirmFile:
    """What the API says of a firm under its consent."""

    profile: Answer | None = None
    earlier: Sequence[Mapping[str, object]] = ()
    registration: Mapping[str, object] = field(default_factory=dict)
    indicators: Sequence[Answer] = ()
    steps: Sequence[WaterfallStep] = ()
    matches: Answer = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Return what each category of data is called."""
        return {name: one.label_zh if lang() == "zh" else one.label_en for name, one in CATEGORIES.items()}


@blueprint.get("/firms/<request_id>")
@at_desk("lender")
def firm(here: LenderHere, now: datetime, request_id: str) -> ResponseReturnValue:
    """Show one firm; a profile is read only where it agreed, and only while its consent lives."""
    request = asking.request_of(here.actor, request_id)
    api = api_of(here.actor)
    asking.look(api.software, request, now)
    if request.state != "granted":
        return _waiting(request)
    wanted = flask.request.args.get("profile")
    token = asking.token_of(api, request, now)
    read = read_file(api, token, wanted)
    return show(
        "firms/firm.html", request_id=request.wire_id, label=asking.label_of(request), file=read,
        labels=read.labels,
        application=request.application, pending=flask.request.args.get("pending") is not None,
    )  # fmt: skip


@blueprint.post("/firms/<request_id>/profile")
@at_desk("lender")
def compute(here: LenderHere, now: datetime, request_id: str) -> ResponseReturnValue:
    """Have a profile computed; it takes one of the uses that the firm agreed to."""
    request = asking.request_of(here.actor, request_id)
    api = api_of(here.actor)
    token = asking.token_of(api, request, now)
    body = {"overlay": True} if flask.request.form.get("overlay") else {}
    made = api.under(token, "POST", "/v1/profiles", json=body)
    if made.get("pending"):
        return see_other(flask.url_for("portal.bank.firm", request_id=request.wire_id, pending="1"))
    return see_other(flask.url_for("portal.bank.firm", request_id=request.wire_id, profile=str(made["id"])))


def read_file(api: DeskApi, token: str, wanted: str | None) -> FirmFile:
    """Read what the page of a firm shows, under its consent.

    Raises
    ------
    ApiRefused
        The consent is over, or there is no such profile under it.
    """
    listed = items_of(api.under(token, "GET", "/v1/profiles", params={"limit": str(_LISTED)}))
    if not listed:
        return FirmFile()
    chosen = wanted or str(listed[0]["id"])
    path = f"/v1/profiles/{_plain(chosen)}"
    profile = api.under(token, "GET", path)
    registration = api.under(token, "GET", f"{path}/registration")
    if profile["state"] != "scored":
        return FirmFile(profile, listed, registration)
    told = api.under(token, "GET", f"{path}/explanation")
    indicators = list[Answer](told["indicators"])
    moving = sorted(indicators, key=lambda one: (-abs(one["points_contribution"]), one["name"]))
    matches = api.under(token, "GET", f"{path}/matches", params={"limit": str(_LISTED)})
    return FirmFile(profile, listed, registration, moving, _steps(profile, told), matches)


def _plain(profile_id: str) -> str:
    """Return an id that goes into an address: of another form there is none."""
    return profile_id if profile_id.isascii() and profile_id.replace("_", "").isalnum() else "none"


def _steps(profile: Answer, told: Answer) -> tuple[WaterfallStep, ...]:
    own = lang()
    moved = [(str(row[f"label_{own}"]), float(row["points_contribution"])) for row in profile["dimensions"]]
    numbers = cast("Mapping[str, float]", told)
    return tuple(
        waterfall(
            (gettext("A firm of which nothing is known"), numbers["points_base"]),
            [*moved, (gettext("Calibration"), numbers["points_calibration"])],
            (gettext("Score"), numbers["points_exact"]),
        )
    )


def _waiting(request: DeskRequest) -> ResponseReturnValue:
    held = asking.opened(request)
    address = None
    if request.channel == "code" and request.state == "waiting":
        address = settings().issuer + flask.url_for(
            "portal.bank.scanned", code=held["institution"], secret=held["secret"]
        )
    return show(
        "firms/waiting.html", request=request, asked=held["asked"], address=address,
        picture=qr.picture_of(address) if address else None,
    )  # fmt: skip

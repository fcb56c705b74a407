"""`/v1/staff/login`: how a command line signs in with a browser's help (RFC 8628)."""

from __future__ import annotations

import flask

from creditlink.kit.clock import utc_now
from creditlink.kit.errors import InvalidRequest, TooManyRequests
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.staff import login
from creditlink.staff.schemas import StaffLoginRequestSchema, StaffLoginSchema, StaffPollRequestSchema, StaffPollSchema

blueprint = Blueprint(
    "staff", __name__, url_prefix="/v1/staff", description="Signing in of the platform's own staff at a command line"
)
_DESK = "/portal/staff/"


@blueprint.route("/login", methods=["POST"])
@public
@blueprint.arguments(StaffLoginRequestSchema)
@blueprint.response(200, StaffLoginSchema)
@blueprint.problems(InvalidRequest, TooManyRequests)
def begin_login(body: dict[str, dict[str, object]]) -> dict[str, object]:
    """Ask that a key may sign in somebody's name; the person approves it at their desk, with a code."""
    now = utc_now()
    with db.transaction() as session:
        codes = login.ask(session, body["jwk"], address=flask.request.remote_addr or "", now=now)
    desk = runtime.part(Settings).issuer + _DESK
    return {
        "device_code": codes.device_code,
        "user_code": codes.user_code,
        "verification_uri": desk,
        "verification_uri_complete": f"{desk}?code={codes.user_code}",
        "expires_in": int((codes.expires_at - now).total_seconds()),
        "interval": login.INTERVAL_SECONDS,
    }


@blueprint.route("/login/poll", methods=["POST"])
@public
@blueprint.arguments(StaffPollRequestSchema)
@blueprint.response(200, StaffPollSchema)
@blueprint.problems(InvalidRequest)
def poll_login(body: dict[str, str]) -> dict[str, object]:
    """Ask whether the person has approved; told once."""
    with db.transaction() as session:
        state, name = login.poll(session, body["device_code"], now=utc_now())
    return {"state": state, "login": name}

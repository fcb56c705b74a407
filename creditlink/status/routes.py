"""`/v1/status`: open to everybody."""

from __future__ import annotations

from creditlink.kit.clock import utc_now
from creditlink.kit.http.api import Blueprint, public
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.status import service
from creditlink.status.recorder import Recorder
from creditlink.status.schemas import StatusSchema

blueprint = Blueprint("status", __name__, url_prefix="/v1/status", description="How the platform is doing")


@blueprint.route("", methods=["GET"])
@public
@blueprint.response(200, StatusSchema)
def show_status() -> dict[str, object]:
    """Say how each step and each source is doing: state, success rate, median time, last failure."""
    return current_status()


def current_status() -> dict[str, object]:
    """Return the status, with what this process has counted up to now."""
    now = utc_now()
    runtime.part(Recorder).write(now, at_once=True)
    with db.transaction() as session:
        return service.status(session, now)

"""The status as a page, for everybody: nobody has to sign in."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from creditlink.portal.site import blueprint, page
from creditlink.status.routes import current_status


@blueprint.get("/status")
def status() -> ResponseReturnValue:
    """Show how each step and each source is doing."""
    return page("status.html", report=current_status())

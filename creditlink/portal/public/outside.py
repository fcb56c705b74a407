"""Pages for browsers at an address outside the pages: the root, and addresses that do not exist."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from creditlink.portal import site

# These are for programs, whatever types they accept.
_OF_PROGRAMS = ("/v1/", "/oauth/", "/health/", "/metrics", "/.well-known/", "/openapi.json")


def is_browser(request: flask.Request) -> bool:
    """Return whether a person with a browser is asking, outside the addresses of programs."""
    if request.path.startswith(_OF_PROGRAMS):
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def root() -> ResponseReturnValue:
    """Send a browser from the bare address to the pages."""
    return flask.redirect(flask.url_for("portal.home"), 303)


def error_page(error: HTTPException) -> ResponseReturnValue:
    """Return the page that says what is wrong, with the headers of every page."""
    return site.harden(flask.make_response(site.show_http_error(error)))

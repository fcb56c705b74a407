"""`/.well-known/security.txt`: whom to tell of a weakness, and until when that holds. Source: RFC 9116."""

from __future__ import annotations

from datetime import timedelta

import flask

from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.errors import NotFound
from creditlink.kit.http.api import public
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings

PATH = "/.well-known/security.txt"

blueprint = flask.Blueprint("security", __name__)


@blueprint.get(PATH)
@public
def security_txt() -> flask.Response:
    """Say whom to tell.

    Raises
    ------
    NotFound
        Nobody is named, or what is said holds no more: a contact that may have changed leads a report astray.
    """
    settings = runtime.part(Settings)
    last = settings.security_expires
    if not settings.security_contact or last is None or last < day_of(utc_now()):
        raise NotFound
    expires = start_of_day(last + timedelta(days=1))
    lines = (
        f"Contact: {settings.security_contact}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: zh, en",
        f"Canonical: {settings.issuer}{PATH}",
    )
    return flask.Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")

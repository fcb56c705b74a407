"""Why a request was refused, noted where it is known: for the log of whoever sent it, never for the answer.

What goes over the wire stays as the standards say. A slice that keeps a log for its owner reads the note when the
answer is ready; where nobody keeps one, a note costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import flask

_KEY = "creditlink.why"


@dataclass
class Why:
    """What is known of one request's refusal.

    `check` names what failed (`aud`, `kid`, `htu` …), `reason` says it in our words, and `client_id` is whose request
    it claims to be: not proven, so it may decide whose log it goes to and nothing else.
    """

    check: str | None = None
    reason: str | None = None
    client_id: str | None = None


def of_request() -> Why:
    """Return the note of the current request; outside of one, a note that nobody reads."""
    if not flask.has_request_context():
        return Why()
    noted: Why = flask.request.environ.setdefault(_KEY, Why())
    return noted


def note(reason: str, check: str | None = None) -> None:
    """Note a reason; the first one stays, as it is the nearest to the cause."""
    why = of_request()
    if why.reason is None:
        why.reason, why.check = reason, check


def claim(client_id: object) -> None:
    """Note whose request it claims to be."""
    if isinstance(client_id, str) and client_id:
        of_request().client_id = client_id

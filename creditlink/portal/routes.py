"""Joins the pages to the application."""

from __future__ import annotations

import flask

from creditlink.kit.settings import Settings
from creditlink.portal import site, status  # noqa: F401 (each of these adds its views to the blueprint)
from creditlink.portal.firm.financing import accept, answers, lenders, requests  # noqa: F401
from creditlink.portal.person import security, signin  # noqa: F401
from creditlink.portal.person.sessions import StoredSessions


def register(app: flask.Flask, settings: Settings) -> None:
    """Join the pages, their sessions and languages."""
    app.session_interface = StoredSessions(secure=settings.issuer.startswith("https"), secret=settings.secret_key)
    site.configure(app)
    app.register_blueprint(site.blueprint)

"""Joins the pages to the application."""

from __future__ import annotations

import flask

from creditlink.config import Settings
from creditlink.portal import (  # noqa: F401 (each adds its views to the blueprint)
    acts,
    authorize,
    counting,
    deletions,
    financing,
    financing_accept,
    financing_answers,
    financing_lenders,
    home,
    inbox,
    profile,
    representatives,
    security,
    signin,
    site,
    status,
)
from creditlink.portal.sessions import StoredSessions


def register(app: flask.Flask, settings: Settings) -> None:
    """Join the pages, their sessions and languages."""
    app.session_interface = StoredSessions(secure=settings.issuer.startswith("https"), secret=settings.secret_key)
    site.configure(app)
    app.register_blueprint(site.blueprint)

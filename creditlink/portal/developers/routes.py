"""Joins the developers' pages and the log of their requests to an application that is not production's."""

from __future__ import annotations

import flask

from creditlink.portal.developers import recording
from creditlink.portal.developers.pages import bench, entry, keys, requests, site, webhook

PAGES = (bench, entry, keys, requests, webhook)
"""Each adds its views to the blueprint when it is imported."""


def register(app: flask.Flask) -> None:
    """Join the pages and the log."""
    app.register_blueprint(site.blueprint)
    app.after_request(recording.note_request)

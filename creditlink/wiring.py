"""Which slices take part: blueprints, pages and the things loaded once per process."""

from __future__ import annotations

import flask

from creditlink.api import Api
from creditlink.config import Settings
from creditlink.consents.limits import fair_use_from
from creditlink.oauth import routes as oauth_routes
from creditlink.portal import routes as portal_routes
from creditlink.records import routes as records_routes


def register_slices(app: flask.Flask, api: Api, settings: Settings) -> None:
    """Join every slice to the application; the order is the order in the API's reference."""
    app.extensions["fair_use"] = fair_use_from(settings.read_toml("purposes.toml"))
    oauth_routes.register(app, settings)
    portal_routes.register(app, settings)
    api.register_blueprint(records_routes.blueprint)

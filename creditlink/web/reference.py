"""The API's reference: OpenAPI options, and pages of our own that are made of the document. They run no script."""

from __future__ import annotations

import json
from collections.abc import Mapping

import flask
from flask.typing import ResponseReturnValue

from creditlink.kit.settings import Settings
from creditlink.portal import site
from creditlink.web.contract import security
from creditlink.web.manual import SectionShown, paragraphs, sections_of

blueprint = flask.Blueprint("reference", __name__)
_SECTIONS = "creditlink.reference"

_DESCRIPTION = """Credit profiles of small firms for banks that the firm has authorised.

A firm authorises a bank through OAuth (pushed authorization request, PKCE, `private_key_jwt`). The bank then
creates **profiles**: PD, points, grade, exact contributions, reason codes, coverage and matched loan products.
Every error is an RFC 9457 problem document."""


def openapi_options(settings: Settings) -> dict[str, object]:
    """Return what the OpenAPI document says besides the routes."""
    return {
        "info": {"description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "components": {"securitySchemes": security.schemes()},
    }


@blueprint.get("/reference")
def page() -> ResponseReturnValue:
    """Return the reference's first page: every operation, by section."""
    return _finished(site.page("reference/index.html", about=paragraphs(_DESCRIPTION), sections=_sections().values()))


@blueprint.get("/reference/<name>")
def section(name: str) -> ResponseReturnValue:
    """Return one section: its operations in full, and the bodies that they speak of."""
    found = _sections().get(name)
    if found is None:
        flask.abort(404)  # as anywhere: a page for a browser, a problem for a program
    return _finished(site.page("reference/section.html", section=found))


def prepare(app: flask.Flask) -> None:
    """Make what the first view would have to wait for: the document, its sections, the templates."""
    with app.test_request_context("/reference"):
        _sections()
        for name in ("index", "section"):
            app.jinja_env.get_template(f"portal/reference/{name}.html")


def _finished(page: ResponseReturnValue) -> ResponseReturnValue:
    shown = site.harden(flask.make_response(page))
    shown.headers["Cache-Control"] = "private, max-age=300"  # the same for everybody, but for the language
    shown.headers["Vary"] = "Accept-Language, Cookie"
    return shown


def _sections() -> Mapping[str, SectionShown]:
    """Return the sections of this application's own document, read once."""
    known = flask.current_app.extensions
    if _SECTIONS not in known:
        served = flask.current_app.view_functions["api-docs.openapi_json"]
        known[_SECTIONS] = sections_of(json.loads(flask.make_response(served()).get_data()))
    found: Mapping[str, SectionShown] = known[_SECTIONS]
    return found

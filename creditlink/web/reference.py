"""The API's reference: OpenAPI options and a page that works offline."""

from __future__ import annotations

import flask

from creditlink.kit.settings import Settings

blueprint = flask.Blueprint("reference", __name__)

_DESCRIPTION = """Credit profiles of small firms for banks that the firm has authorised.

A firm authorises a bank through OAuth (pushed authorization request, PKCE, `private_key_jwt`). The bank then
creates **profiles**: PD, points, grade, exact contributions, reason codes, coverage and matched loan products.
Every error is an RFC 9457 problem document."""


def openapi_options(settings: Settings) -> dict[str, object]:
    """Return what the OpenAPI document says besides the routes."""
    return {
        "info": {"description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "components": {
            "securitySchemes": {
                "oauth2": {
                    "type": "oauth2",
                    "flows": {
                        "authorizationCode": {
                            "authorizationUrl": "/oauth/authorize",
                            "tokenUrl": "/oauth/token",
                            "scopes": {
                                "profile:create": "Compute a profile of a firm that agreed",
                                "profile:read": "Read profiles computed for you",
                            },
                        }
                    },
                }
            }
        },
    }


@blueprint.get("/reference")
def page() -> flask.Response:
    """Return the browsable reference; its script and styles are served from here."""
    response = flask.make_response(flask.render_template("reference.html"))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; frame-ancestors 'none'"
    )
    return response

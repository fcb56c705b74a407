"""Requests as the endpoints read them: form or query, never merged; every parameter once."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import flask
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from werkzeug.datastructures import Headers, MultiDict

from creditlink.access.binding import Binding
from creditlink.access.errors import InvalidRequestError, OAuth2Error, WrongMediaType
from creditlink.enterprises.tables import Account
from creditlink.oauth.tables import PushedRequest

_FORM = "application/x-www-form-urlencoded"
_MOST_PARAMETERS = 50


class FormRequest(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """Authlib's request over checked parameters.

    Its Flask integration reads `request.values`, in which a query parameter fills in for one that is absent
    from the form; here the parameters are what was read by `read_form`, or a stored row, and nothing else.
    """

    def __init__(self, *, method: str, uri: str, form: Mapping[str, str], headers: Headers) -> None:
        super().__init__(method, uri, headers=headers)
        self._parameters = dict(form)
        self.payload = BasicOAuth2Payload(self._parameters)
        # What the endpoints establish along the way.
        self.binding = Binding()
        self.pushed: PushedRequest | None = None
        self.account: Account | None = None
        self.denial: OAuth2Error | None = None
        self.origin_id: UUID | None = None
        self.details: list[dict[str, object]] | None = None

    @property
    def form(self) -> dict[str, str]:
        """Return the parameters."""
        return self._parameters

    @property
    def args(self) -> dict[str, str]:
        """Return the parameters."""
        return self._parameters


def read_form(request: flask.Request) -> dict[str, str]:
    """Return the form's parameters.

    Raises
    ------
    WrongMediaType, InvalidRequestError
        Not a form; a parameter appears twice; too many parameters.
    """
    if request.mimetype != _FORM:
        raise WrongMediaType
    return single_values(request.form)


def single_values(parameters: MultiDict[str, str]) -> dict[str, str]:
    """Return each parameter's one value.

    Raises
    ------
    InvalidRequestError
        A parameter appears twice, or there are too many.
    """
    single = {}
    for name, values in parameters.lists():
        if len(values) > 1:
            raise InvalidRequestError("a parameter appears more than once")
        # RFC 6749 section 3.1: a parameter without a value is treated as if it were absent.
        if values[0]:
            single[name] = values[0]
    if len(single) > _MOST_PARAMETERS:
        raise InvalidRequestError("too many parameters")
    return single

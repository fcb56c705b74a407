"""An institution's client as the desk runs it: signs, proves its key, gets tokens, calls. Nothing else reads data."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from joserfc import jwk, jwt
from joserfc.jwk import ECKey

_ALGORITHM = "ES256"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Answer = Mapping[str, Any]
"""An object of JSON, as the API answers it; read by whoever knows its schema."""


class ApiRefused(Exception):
    """The API said no; `status` and `body` are those of its answer."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body: Mapping[str, object] = body if isinstance(body, dict) else {}

    @property
    def code(self) -> str:
        """Return the error of an OAuth endpoint, or the reason of a problem; empty where there is neither."""
        return str(self.body.get("error") or self.body.get("reason") or "")

    @property
    def detail(self) -> str:
        """Return what the answer says in words."""
        found = self.body.get("detail") or self.body.get("error_description") or self.body.get("title")
        return str(found or "")

    @property
    def errors(self) -> list[Mapping[str, object]]:
        """Return what is wrong, each with `pointer` and `detail`."""
        found = self.body.get("errors")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


@dataclass(frozen=True)
class DeskKeys:
    """The two private keys of a client: one signs who it is, one its tokens are bound to."""

    signing: ECKey = field(repr=False)
    proving: ECKey = field(repr=False)

    @classmethod
    def new(cls) -> DeskKeys:
        """Return fresh ones."""
        return cls(_new_key(), _new_key())

    @classmethod
    def from_json(cls, text: str) -> DeskKeys:
        """Return the keys that `as_json` wrote."""
        read = json.loads(text)
        return cls(cast(ECKey, jwk.import_key(read["signing"])), cast(ECKey, jwk.import_key(read["proving"])))

    def as_json(self) -> str:
        """Return both with their private members: for the sealed box alone."""
        return json.dumps(
            {"signing": self.signing.as_dict(private=True), "proving": self.proving.as_dict(private=True)}
        )

    def public_jwks(self) -> dict[str, object]:
        """Return the JWK Set to register."""
        return {"keys": [self.signing.as_dict(private=False)]}


@dataclass(frozen=True)
class ApiCall:
    """One request of the desk to the API.

    `content` and `content_type` go as they are, `json` as JSON; `request_id` is in the evidence of both sides.
    """

    method: str
    path: str
    params: Mapping[str, str] | None = None
    json: object = None
    content: bytes | None = None
    content_type: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class SentFile:
    """A file as the API sends it, with the headers that say what it is and what it is called."""

    content: bytes
    content_type: str
    disposition: str


class DeskSoftware:
    """A registered client at the platform's HTTP interface."""

    def __init__(self, *, client_id: str, redirect_uri: str, issuer: str, keys: DeskKeys, http: httpx.Client) -> None:
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self._issuer = issuer
        self._keys = keys
        self._http = http
        self._nonce: str | None = None

    def form(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Post a form to an OAuth endpoint as this client and return its answer.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        for _ in range(2):
            response = self._http.post(
                path, data={**self._who(), **fields}, headers={"DPoP": self._proof("POST", path, None)}
            )
            if not self._new_nonce(response):
                break
        return _body(response)

    def call(self, token: str, call: ApiCall) -> Answer:
        """Call the API with an access token and return its answer; `status` 202 is one too, with `pending` true.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        response = self._response(token, call)
        body = _body(response)
        return {**body, "pending": True} if response.status_code == 202 else body

    def file(self, token: str, call: ApiCall) -> SentFile:
        """Call the API with an access token and return the file that it sends.

        Raises
        ------
        ApiRefused
            The answer is an error.
        """
        response = self._response(token, call)
        if response.status_code != 200:
            _body(response)
            raise ApiRefused(response.status_code, {})
        headers = response.headers
        return SentFile(response.content, headers.get("Content-Type", ""), headers.get("Content-Disposition", ""))

    def _response(self, token: str, call: ApiCall) -> httpx.Response:
        for _ in range(2):
            headers = {"Authorization": f"DPoP {token}", "DPoP": self._proof(call.method, call.path, token)}
            if call.content_type is not None:
                headers["Content-Type"] = call.content_type
            if call.request_id is not None:
                headers["X-Request-ID"] = call.request_id
            response = self._http.request(
                call.method, call.path, params=call.params, headers=headers, content=call.content,
                **({} if call.json is None else {"json": call.json}),  # type: ignore[arg-type]  # of one member
            )  # fmt: skip
            if not self._new_nonce(response):
                break
        return response

    def authorize_url(self, request_uri: str) -> str:
        """Return the address at which the firm's browser goes on."""
        return f"/oauth/authorize?{httpx.QueryParams({'client_id': self.client_id, 'request_uri': request_uri})}"

    def _who(self) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": self._issuer, "jti": secrets.token_urlsafe(16),
            "iat": now, "nbf": now, "exp": now + 60,
        }  # fmt: skip
        header = {"alg": _ALGORITHM, "kid": self._keys.signing.kid}
        signed = jwt.encode(header, claims, self._keys.signing, algorithms=[_ALGORITHM])
        return {"client_id": self.client_id, "client_assertion_type": _ASSERTION, "client_assertion": signed}

    def _proof(self, method: str, path: str, token: str | None) -> str:
        claims: dict[str, object] = {
            "jti": secrets.token_urlsafe(16), "htm": method, "htu": self._issuer + path, "iat": int(time.time()),
        }  # fmt: skip
        if token is not None:
            claims["ath"] = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        public = {name: self._keys.proving.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        header = {"typ": "dpop+jwt", "alg": _ALGORITHM, "jwk": public}
        return jwt.encode(header, claims, self._keys.proving, algorithms=[_ALGORITHM])

    def _new_nonce(self, response: httpx.Response) -> bool:
        """Keep the server's nonce; return whether the request must be sent again with it."""
        offered = response.headers.get("DPoP-Nonce")
        if offered is None or offered == self._nonce:
            return False
        self._nonce = offered
        return response.status_code in (400, 401) and "use_dpop_nonce" in (
            response.text + response.headers.get("WWW-Authenticate", "")
        )


def _new_key() -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": secrets.token_hex(8)}, private=True)


def _body(response: httpx.Response) -> Answer:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = {}
    if response.is_error:
        raise ApiRefused(response.status_code, body)
    return body if isinstance(body, dict) else {}

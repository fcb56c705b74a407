"""What every request of a bank carries: who the bank is, and proof that it owns the token's key."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import httpx

from creditlink.sandbox.banks.keys import SigningKey, algorithm_of, base64url, new_key, sign

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BankError(Exception):
    """The platform refused; `status` and `body` are those of its answer."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def code(self) -> str | None:
        """The OAuth error, where it is one."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error if isinstance(error, str) else None


class CallOptions(TypedDict, total=False):
    """What a call may carry, as httpx takes it."""

    headers: Mapping[str, str]
    json: object
    content: bytes | str
    timeout: float


@dataclass(kw_only=True)
class Tokens:
    """The tokens that a bank has once a firm has agreed."""

    access_token: str | None = None
    refresh_token: str | None = None
    answer: Mapping[str, object] = field(default_factory=dict)  # of the token endpoint, as it came

    @property
    def grant_id(self) -> str:
        """The consent's id."""
        return str(self.answer["grant_id"])


class BankWire:
    """A registered client at the platform's back channel.

    Parameters
    ----------
    client_id, redirect_uri : as registered
    issuer : the platform's address, exactly as its metadata says
    http : a client whose requests reach the platform; by default one that connects to `issuer`
    """

    def __init__(
        self,
        *,
        client_id: str,
        redirect_uri: str,
        issuer: str,
        key: SigningKey,
        dpop_key: SigningKey | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.issuer = issuer
        self.key = key
        self.dpop_key = dpop_key or new_key("ES256")
        self.http = http or httpx.Client(base_url=issuer, timeout=30)
        self._nonce: str | None = None

    def assertion(self, **claims: object) -> str:
        """Return a fresh `private_key_jwt` assertion (RFC 7523); `claims` replace the usual ones."""
        now = int(time.time())
        body: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "nbf": now,
            "exp": now + 60,
        }
        return sign({"alg": algorithm_of(self.key), "kid": self.key.kid}, body | claims, self.key)

    def client_parameters(self) -> dict[str, str]:
        """Return the form parameters that authenticate the client."""
        return {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }

    def proof(self, method: str, path: str, token: str | None = None, **claims: object) -> str:
        """Return a fresh DPoP proof (RFC 9449); `claims` replace the usual ones."""
        body: dict[str, object] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": self.issuer + path,
            "iat": int(time.time()),
        }
        if token is not None:
            body["ath"] = base64url(hashlib.sha256(token.encode()).digest())
        if self._nonce is not None:
            body["nonce"] = self._nonce
        public = {k: v for k, v in self.dpop_key.as_dict(private=False).items() if k not in ("use", "alg", "kid")}
        header = {"typ": "dpop+jwt", "alg": algorithm_of(self.dpop_key), "jwk": public}
        return sign(header, body | claims, self.dpop_key)

    def call(self, method: str, path: str, authorization: Tokens, **options: Unpack[CallOptions]) -> httpx.Response:
        """Call a resource with the access token and a proof; return the answer, whatever it is."""
        token = authorization.access_token or ""
        headers = options.get("headers", {})
        bare = path.partition("?")[0]
        for _ in range(2):
            proof = {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, bare, token)}
            options["headers"] = {**headers, **proof}
            response = self.http.request(method, path, **options)
            if not self._new_nonce(response):
                break
        return response

    def post(self, path: str, form: Mapping[str, str], *, dpop: bool = False) -> Any:
        """Post a form and return the JSON answer, an object.

        Raises
        ------
        BankError
            The answer is an error.
        """
        response = self.send(path, form, dpop=dpop)
        body = response.json() if response.content else {}
        if response.is_error:
            raise BankError(response.status_code, body)
        return body

    def send(self, path: str, form: Mapping[str, str], *, dpop: bool = False) -> httpx.Response:
        """Post a form and return the answer, whatever it is; a demanded nonce is supplied once."""
        response = self.http.post(path, data=dict(form), headers={"DPoP": self.proof("POST", path)} if dpop else {})
        if dpop and self._new_nonce(response):
            again = dict(form) | ({"client_assertion": self.assertion()} if "client_assertion" in form else {})
            response = self.http.post(path, data=again, headers={"DPoP": self.proof("POST", path)})
        return response

    def _new_nonce(self, response: httpx.Response) -> bool:
        """Keep the server's nonce; return whether the request must be sent again with it."""
        offered = response.headers.get("DPoP-Nonce")
        if offered is None or offered == self._nonce:
            return False
        self._nonce = offered
        return response.status_code in (400, 401) and "use_dpop_nonce" in (
            response.text + response.headers.get("WWW-Authenticate", "")
        )

"""A bank's side of the wire, over public HTTP only: what a bank's developer would write.

It imports nothing of the platform. The demo and the tests use it, and docs/integrate.md explains it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwk, jws, jwt
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey

SigningKey = ECKey | RSAKey | OKPKey
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Registry(jws.JWSRegistry):
    """Signs with PS256 and EdDSA too, which joserfc does not offer by default."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


class BankError(Exception):
    """The platform refused; `status` and `body` are what it said."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body

    @property
    def code(self) -> str | None:
        """The OAuth error, where it is one."""
        return self.body.get("error") if isinstance(self.body, dict) else None


def new_key(algorithm: str = "ES256", kid: str | None = None) -> SigningKey:
    """Return a new private key for `ES256`, `PS256` or `EdDSA`."""
    parameters: KeyParameters = {"use": "sig", "alg": algorithm, "kid": kid or secrets.token_hex(4)}
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters=parameters, private=True)
    if algorithm == "PS256":
        return RSAKey.generate_key(2048, parameters=parameters, private=True)
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", parameters=parameters, private=True)
    raise ValueError(f"algorithm {algorithm!r} is none of ES256, PS256, EdDSA")


def public_jwks(*keys: SigningKey) -> dict[str, Any]:
    """Return the JWK Set to register."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


@dataclass(kw_only=True)
class Tokens:
    """What a bank holds once a firm has agreed."""

    access_token: str | None = None
    refresh_token: str | None = None
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def grant_id(self) -> str:
        """The consent's id."""
        return str(self.answer["grant_id"])


@dataclass
class Authorization(Tokens):
    """One authorization through the firm's browser, from the push to its tokens."""

    request_uri: str
    state: str
    verifier: str
    redirect_uri: str


@dataclass
class Waiting(Tokens):
    """One request in the firm's inbox, from the asking to its tokens."""

    auth_req_id: str
    expires_in: int
    interval: int


class DemoBank:
    """An OAuth client: keys, the flow, and calls with proof of possession.

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

    # What every request of the back channel carries.

    def assertion(self, **claims: Any) -> str:
        """Return a fresh `private_key_jwt` assertion (RFC 7523); `claims` replace the usual ones."""
        now = int(time.time())
        body = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "nbf": now,
            "exp": now + 60,
        }
        return _signed({"alg": _algorithm(self.key), "kid": self.key.kid}, body | claims, self.key)

    def client_parameters(self) -> dict[str, str]:
        """Return the form parameters that authenticate the client."""
        return {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }

    def proof(self, method: str, path: str, token: str | None = None, **claims: Any) -> str:
        """Return a fresh DPoP proof (RFC 9449); `claims` replace the usual ones."""
        body: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": self.issuer + path,
            "iat": int(time.time()),
        }
        if token is not None:
            body["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        if self._nonce is not None:
            body["nonce"] = self._nonce
        public = {k: v for k, v in self.dpop_key.as_dict(private=False).items() if k not in ("use", "alg", "kid")}
        header = {"typ": "dpop+jwt", "alg": _algorithm(self.dpop_key), "jwk": public}
        return _signed(header, body | claims, self.dpop_key)

    # The flow.

    def push(
        self, authorization_details: list[dict[str, Any]], *, scope: str, state: str | None = None, **more: str
    ) -> Authorization:
        """Push an authorization request; `more` adds parameters or replaces the usual ones."""
        verifier = secrets.token_urlsafe(48)
        state = state or secrets.token_urlsafe(16)
        form = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": _base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps(authorization_details, ensure_ascii=False),
        }
        answer = self.post("/oauth/par", self.client_parameters() | form | more, dpop=True)
        return Authorization(answer["request_uri"], state, verifier, (form | more)["redirect_uri"])

    def authorize_url(self, authorization: Authorization) -> str:
        """Return the address to which the bank sends the firm's browser."""
        query = urlencode({"client_id": self.client_id, "request_uri": authorization.request_uri})
        return f"{self.issuer}/oauth/authorize?{query}"

    def code_from(self, callback: str, authorization: Authorization) -> str:
        """Return the code that came back to the redirect address.

        Raises
        ------
        BankError
            The firm declined, or the answer is not for this request or not of this server (mix-up).
        """
        answer = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        if answer.get("iss") != self.issuer or answer.get("state") != authorization.state:
            raise BankError(0, "the answer belongs to another request or another server")
        if "code" not in answer:
            raise BankError(0, answer)
        return answer["code"]

    def exchange(self, code: str, authorization: Authorization, **more: str) -> dict[str, Any]:
        """Exchange the code for tokens bound to the bank's DPoP key."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": authorization.redirect_uri,
            "code_verifier": authorization.verifier,
        }
        return self._keep(authorization, self.post("/oauth/token", self.client_parameters() | form | more, dpop=True))

    def ask_in_inbox(
        self, authorization_details: list[dict[str, Any]], *, scope: str, login_hint: str, **more: str
    ) -> Waiting:
        """Lay a request into the firm's inbox (CIBA); `more` adds e.g. `binding_message` or `requested_expiry`."""
        form = {
            "scope": scope,
            "login_hint": login_hint,
            "authorization_details": json.dumps(authorization_details, ensure_ascii=False),
        }
        answer = self.post("/oauth/bc-authorize", self.client_parameters() | form | more, dpop=True)
        return Waiting(answer["auth_req_id"], answer["expires_in"], answer["interval"])

    def poll(self, waiting: Waiting, **more: str) -> bool:
        """Ask once whether the firm has answered; True with its tokens, False while it has not.

        Ask again after `waiting.interval` seconds, which grows when the platform says `slow_down`.

        Raises
        ------
        BankError
            The firm declined (`access_denied`), did not answer (`expired_token`), or the request is used up.
        """
        form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id}
        try:
            answer = self.post("/oauth/token", self.client_parameters() | form | more, dpop=True)
        except BankError as error:
            if error.code == "slow_down":
                waiting.interval += 5
            if error.code in ("authorization_pending", "slow_down"):
                return False
            raise
        self._keep(waiting, answer)
        return True

    def refresh(self, authorization: Tokens, **more: str) -> dict[str, Any]:
        """Get a new access token under the same consent."""
        form = {"grant_type": "refresh_token", "refresh_token": authorization.refresh_token or ""}
        return self._keep(authorization, self.post("/oauth/token", self.client_parameters() | form | more, dpop=True))

    def in_own_name(self, *, scope: str) -> Authorization:
        """Get a token for what needs no firm's consent: the bank's products, requests addressed to it."""
        own = Authorization(request_uri="", state="", verifier="", redirect_uri="")
        form = {"grant_type": "client_credentials", "scope": scope}
        self._keep(own, self.post("/oauth/token", self.client_parameters() | form, dpop=True))
        return own

    def introspect(self, token: str) -> dict[str, Any]:
        """Ask what a token is good for."""
        return self.post("/oauth/introspect", self.client_parameters() | {"token": token})

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self.post("/oauth/revoke", self.client_parameters() | {"token": token})

    def call(self, method: str, path: str, authorization: Tokens, **kwargs: Any) -> httpx.Response:
        """Call a resource with the access token and a proof; the answer is returned whatever it is."""
        token = authorization.access_token or ""
        headers = dict(kwargs.pop("headers", {}))
        bare = path.partition("?")[0]
        for _ in range(2):
            headers |= {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, bare, token)}
            response = self.http.request(method, path, headers=headers, **kwargs)
            if not self._new_nonce(response):
                break
        return response

    def post(self, path: str, form: Mapping[str, str], *, dpop: bool = False) -> dict[str, Any]:
        """Post a form and return the JSON answer.

        Raises
        ------
        BankError
            The answer is an error.
        """
        response = self.send(path, form, dpop=dpop)
        body = response.json() if response.content else {}
        if response.is_error:
            raise BankError(response.status_code, body)
        answer: dict[str, Any] = body
        return answer

    def send(self, path: str, form: Mapping[str, str], *, dpop: bool = False) -> httpx.Response:
        """Post a form and return the answer, whatever it is; a demanded nonce is supplied once."""
        response = self.http.post(path, data=dict(form), headers={"DPoP": self.proof("POST", path)} if dpop else {})
        if dpop and self._new_nonce(response):
            again = dict(form) | ({"client_assertion": self.assertion()} if "client_assertion" in form else {})
            response = self.http.post(path, data=again, headers={"DPoP": self.proof("POST", path)})
        return response

    def _new_nonce(self, response: httpx.Response) -> bool:
        """Keep the server's nonce; whether the request must be repeated with it."""
        offered = response.headers.get("DPoP-Nonce")
        if offered is None or offered == self._nonce:
            return False
        self._nonce = offered
        return response.status_code in (400, 401) and "use_dpop_nonce" in (
            response.text + response.headers.get("WWW-Authenticate", "")
        )

    @staticmethod
    def _keep(authorization: Tokens, answer: dict[str, Any]) -> dict[str, Any]:
        authorization.access_token = answer["access_token"]
        authorization.refresh_token = answer.get("refresh_token", authorization.refresh_token)
        authorization.answer = answer
        return answer


def verified_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float, tolerance: float = 300.0
) -> dict[str, Any]:
    """Return the event in a webhook whose signature holds (Standard Webhooks).

    Raises
    ------
    BankError
        It is not signed with `secret`, or more than `tolerance` seconds old: an old one sent again.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = sent.get("webhook-id", ""), sent.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > tolerance:
        raise BankError(0, "the webhook is not of now")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    given = [part.removeprefix("v1,") for part in sent.get("webhook-signature", "").split() if part.startswith("v1,")]
    if not any(hmac.compare_digest(base64.b64encode(expected).decode(), signature) for signature in given):
        raise BankError(0, "the webhook is not signed with our secret")
    event: dict[str, Any] = json.loads(body)
    return event


def load_key(text: str) -> SigningKey:
    """Return the private key of a JWK in JSON."""
    key = jwk.import_key(json.loads(text))
    if not isinstance(key, ECKey | RSAKey | OKPKey) or not key.is_private:
        raise ValueError("not a private EC, RSA or OKP key")
    return key


def _algorithm(key: SigningKey) -> str:
    return {"EC": "ES256", "RSA": "PS256", "OKP": "EdDSA"}[key.key_type]


def _signed(header: dict[str, Any], claims: dict[str, Any], key: SigningKey) -> str:
    return jwt.encode(header, claims, key, registry=_REGISTRY, default_type=None)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""A provider of identity by OpenID Connect: authorization code with PKCE (S256) and nonce, through Authlib.

Mix-up: an answer is taken by the provider that was asked and by none other. Its `iss`, where it says one, and that of
the identity token must be this provider's, and the code goes to this provider's own endpoint.

Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core.claims import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from creditlink.enterprises.identity.providers import (
    BegunProof,
    IdentityRefused,
    OidcSettings,
    ProvenIdentity,
    ProviderAway,
)
from creditlink.kit import uscc as uscc_rules
from creditlink.kit.files import text

ALGORITHMS = ["RS256", "PS256", "ES256"]
_SECONDS = 3.0
_REMEMBERED_SECONDS = 600.0
_LARGEST = 65_536
_LEEWAY = 30
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class OidcProvider:
    """One issuer."""

    settings: OidcSettings
    # What it says of itself, and until when that is remembered: a provider that is away holds up no sign-in page.
    _remembered: dict[str, tuple[float, dict[str, object]]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        """Its name in addresses and evidence."""
        return self.settings.name

    @property
    def label(self) -> tuple[str, str]:
        """What people call it, zh and en."""
        return self.settings.label

    def begin(self, back: str) -> BegunProof:
        """Return where to send the browser; raises `ProviderAway`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client() as client:
            endpoint = self._metadata(client)["authorization_endpoint"]
        address = prepare_grant_uri(
            endpoint, self.settings.client_id, "code", redirect_uri=back, scope=self.settings.scope, state=state,
            nonce=nonce, code_challenge=create_s256_code_challenge(verifier), code_challenge_method="S256",
        )  # fmt: skip
        return BegunProof(str(address), state, nonce, verifier)

    def finish(self, begun: BegunProof, answer: Mapping[str, str], back: str) -> ProvenIdentity:
        """Return what the provider says; raises `IdentityRefused` or `ProviderAway`."""
        if not hmac.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise IdentityRefused("another state")
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise IdentityRefused("the answer is another issuer's")
        if "error" in answer or not answer.get("code"):
            raise IdentityRefused(f"no code: {text.printable(answer.get('error', ''))[:80]}")
        with self._client() as client:
            metadata = self._metadata(client)
            if metadata.get("authorization_response_iss_parameter_supported") is True and "iss" not in answer:
                raise IdentityRefused("the answer does not say whose it is")
            tokens = self._tokens(client, str(metadata["token_endpoint"]), answer["code"], begun, back)
            keys = self._ask(client, "GET", str(metadata["jwks_uri"]))
        return self._read(tokens, keys, begun)

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=_SECONDS, trust_env=False, follow_redirects=False)

    def _metadata(self, client: httpx.Client) -> dict[str, object]:
        until, known = self._remembered.get(self.settings.issuer, (0.0, {}))
        if time.monotonic() < until:
            return known
        found = self._ask(client, "GET", f"{self.settings.issuer}/.well-known/openid-configuration")
        if found.get("issuer") != self.settings.issuer:
            raise ProviderAway("the metadata is another issuer's")
        mine = urlsplit(self.settings.issuer).scheme
        if any(urlsplit(str(found.get(name, ""))).scheme != mine for name in _ENDPOINTS):
            raise ProviderAway("the metadata lacks an endpoint, or names one of another scheme")
        self._remembered[self.settings.issuer] = (time.monotonic() + _REMEMBERED_SECONDS, found)
        return found

    def _tokens(
        self, client: httpx.Client, endpoint: str, code: str, begun: BegunProof, back: str
    ) -> dict[str, object]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": begun.verifier}
        auth = ClientAuth(self.settings.client_id, self.settings.client_secret, "client_secret_basic")
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        uri, headers, body = auth.prepare("POST", endpoint, headers, urlencode(form))
        return self._ask(client, "POST", uri, headers=headers, content=body)

    def _ask(
        self, client: httpx.Client, method: str, uri: str, *, headers: dict[str, str] | None = None, content: str = ""
    ) -> dict[str, object]:
        """Return the JSON object that an address answers; raises `ProviderAway`, or `IdentityRefused` for a 400."""
        try:
            answer = client.request(method, uri, headers=headers, content=content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderAway(type(error).__name__) from None
        if answer.status_code == 400 and method == "POST":
            raise IdentityRefused("the code was not taken")
        if answer.status_code != 200 or len(answer.content) > _LARGEST:
            raise ProviderAway(f"status {answer.status_code}, {len(answer.content)} bytes")
        try:
            found = answer.json()
        except (ValueError, RecursionError):
            raise ProviderAway("no JSON") from None
        if not isinstance(found, dict):
            raise ProviderAway("no JSON object")
        return found

    def _read(self, tokens: Mapping[str, object], keys: dict[str, object], begun: BegunProof) -> ProvenIdentity:
        token = tokens.get("id_token")
        if not isinstance(token, str) or len(token) > _LARGEST:
            raise IdentityRefused("no identity token")
        try:
            signed = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
            claims = CodeIDToken(
                signed.claims, signed.header,
                {"iss": {"essential": True, "value": self.settings.issuer},
                 "aud": {"essential": True, "value": self.settings.client_id}},
                {"nonce": begun.nonce, "client_id": self.settings.client_id,
                 "access_token": tokens.get("access_token")},
            )  # fmt: skip
            claims.validate(leeway=_LEEWAY)
        except JoseError as error:
            raise IdentityRefused(f"{type(error).__name__}: {error}") from None
        except Exception as error:  # Authlib's own, and those of Python for a member of another type
            raise IdentityRefused(type(error).__name__) from None
        return self._proven(cast(Mapping[str, object], claims))

    def _proven(self, claims: Mapping[str, object]) -> ProvenIdentity:
        names = self.settings.claims
        said = {key: claims.get(names[key]) for key in names} | {"sub": claims.get("sub")}
        for key, value in said.items():
            if not isinstance(value, str) or not 1 <= len(value) <= 255 or text.flaw(value):
                raise IdentityRefused(f"the claim for {key} is absent, or no text")
        checked = uscc_rules.check(str(said["uscc"]))
        if not checked.well_formed or not re.sub(r"\s", "", str(said["name"])):
            raise IdentityRefused("no code of a firm, or no name")
        return ProvenIdentity(
            self.name, str(said["sub"]), " ".join(str(said["name"]).split()), checked.uscc,
            str(said["role"]) in self.settings.legal,
        )  # fmt: skip

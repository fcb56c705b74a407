"""A bank's program over the client that openapi-python-client generates: from a key to a profile.

What the generator does not make are the assertion and the proof: an httpx auth hook, as a bank would write it.
"""

import base64
import hashlib
import json
import os
import pathlib
import secrets
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx
from credit_link_client import AuthenticatedClient, Client
from credit_link_client.api.oauth import ask_in_inbox, issue_token
from credit_link_client.api.profiles import create_profile, read_matches
from credit_link_client.api.purposes import list_purposes
from credit_link_client.models import (
    BackchannelForm,
    BackchannelFormClientAssertionType,
    Problem,
    ProfileRequest,
    TokenForm,
    TokenFormClientAssertionType,
    TokenFormGrantType,
)
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER, CLIENT_ID = os.environ["CREDITLINK_ISSUER"], os.environ["CREDITLINK_CLIENT_ID"]
KEY = ECKey.import_key(pathlib.Path(os.environ["CREDITLINK_KEY"]).read_text())


class Proven(httpx.Auth):
    """Signs every request with the key that the token is bound to."""

    def auth_flow(self, request):
        claims = {
            "jti": secrets.token_urlsafe(16), "htm": request.method, "htu": str(request.url).partition("?")[0],
            "iat": int(time.time()),
        }  # fmt: skip
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if token:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        public = {name: KEY.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public}
        request.headers["DPoP"] = jwt.encode(header, claims, KEY, default_type=None)
        yield request


def assertion():
    now = int(time.time())
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": ISSUER, "jti": secrets.token_urlsafe(16), "iat": now}
    return jwt.encode({"alg": "ES256", "kid": os.environ["CREDITLINK_KID"]}, claims | {"exp": now + 60}, KEY)


anybody = Client(base_url=ISSUER, httpx_args={"auth": Proven()})
purposes = {one.purpose: one for one in list_purposes.sync(client=anybody).items}
details = {
    "type": "enterprise_credit_profile", "uscc": os.environ["CREDITLINK_USCC"], "categories": ["tax"],
    "purpose": "underwriting", "history_months": purposes["underwriting"].history_months,
    "valid_until": (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds"),
    "actions": ["profile", "match"],
}  # fmt: skip
asked = ask_in_inbox.sync(
    client=anybody,
    body=BackchannelForm(
        scope="profile:create profile:read", login_hint=details["uscc"], authorization_details=json.dumps([details]),
        client_id=CLIENT_ID, client_assertion=assertion(),
        client_assertion_type=BackchannelFormClientAssertionType.URNIETFPARAMSOAUTHCLIENT_ASSERTION_TYPEJWT_BEARER,
    ),
)  # fmt: skip
while True:
    token = issue_token.sync(
        client=anybody,
        body=TokenForm(
            grant_type=TokenFormGrantType.URNOPENIDPARAMSGRANT_TYPECIBA, auth_req_id=asked.auth_req_id,
            client_id=CLIENT_ID, client_assertion=assertion(),
            client_assertion_type=TokenFormClientAssertionType.URNIETFPARAMSOAUTHCLIENT_ASSERTION_TYPEJWT_BEARER,
        ),
    )  # fmt: skip
    if getattr(token, "error", None) not in ("authorization_pending", "slow_down"):
        break
    time.sleep(asked.interval)
bank = AuthenticatedClient(base_url=ISSUER, token=token.access_token, prefix="DPoP", httpx_args={"auth": Proven()})
refused = create_profile.sync(client=bank, body=ProfileRequest(amount_fen=1))
assert isinstance(refused, Problem), refused
assert (refused.type_, refused.errors[0].pointer) == ("/problems/invalid-request", "/amount_fen")
made = create_profile.sync_detailed(
    client=bank,
    body=ProfileRequest(amount_fen=100_000_000),
    prefer="wait=20",
    idempotency_key=secrets.token_urlsafe(16),
)
while made.status_code == 202:
    time.sleep(1)
    made = create_profile.sync_detailed(client=bank, body=ProfileRequest(amount_fen=100_000_000))
matches = read_matches.sync(made.parsed.id, client=bank, limit=2)
told = {"id": made.parsed.id, "grade": made.parsed.grade, "matches": len(matches.products)}
sys.stdout.write(json.dumps(told))

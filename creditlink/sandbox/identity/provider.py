"""A small OpenID provider for the sandbox: two issuers in one process, each with the claims of the one it plays.

It asks for nothing but who one wants to be. All else is as a real one does it: authorization code good once for a
minute, PKCE S256, client authentication, nonce, signed identity tokens, `iss` in the answer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus, urlencode

import flask
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask.typing import ResponseReturnValue
from joserfc import jwt
from joserfc.jwk import ECKey

NAMES = {"one_pass": "法人一证通（沙箱）", "e_licence": "电子营业执照（沙箱）"}
PORT = 7010
CLIENT = ("creditlink", "sandbox-identity-secret")
_CODE_SECONDS = 60
_PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title></head><body>
<main><h1>{{ title }}</h1><p>沙箱：不核验任何身份。 Sandbox: nobody is checked.</p><form method="post">
{% for name, value in asked.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<p><label>姓名 Name <input name="person" required></label></p>
<p><label>统一社会信用代码 USCC <input name="uscc" required></label></p>
<p><label>身份 Role <select name="role"><option value="legal">法定代表人 legal representative</option>
<option value="agent">经办人 agent</option></select></label></p>
<p><button name="doing" value="confirm">确认 Confirm</button>
<button name="doing" value="cancel" formnovalidate>取消 Cancel</button></p></form></main></body></html>"""


@dataclass(frozen=True)
class IssuedCode:
    """What a code stands for, until it is redeemed."""

    issuer: str
    redirect_uri: str
    challenge: str
    claims: Mapping[str, object]
    expires_at: float


@dataclass
class IdentityDesk:
    """The two issuers' common memory."""

    base: str
    client: tuple[str, str] = CLIENT
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    codes: dict[str, IssuedCode] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def issuer(self, name: str) -> str:
        """Return an issuer's address, or answer 404."""
        if name not in NAMES:
            flask.abort(404)
        return f"{self.base}/{name}"

    def application(self) -> flask.Flask:
        """Return the web application."""
        app = flask.Flask("creditlink.sandbox.identity")
        app.add_url_rule("/health", view_func=lambda: {"status": "ok"})
        app.add_url_rule("/<name>/.well-known/openid-configuration", view_func=self.metadata)
        app.add_url_rule("/<name>/authorize", view_func=self.ask, methods=["GET"])
        app.add_url_rule("/<name>/authorize", view_func=self.answer, methods=["POST"])
        app.add_url_rule("/<name>/token", view_func=self.token, methods=["POST"])
        app.add_url_rule("/<name>/jwks", view_func=self.jwks)
        return app

    def metadata(self, name: str) -> ResponseReturnValue:
        """Say where everything is."""
        issuer = self.issuer(name)
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self, name: str) -> ResponseReturnValue:
        """Give the key that verifies identity tokens."""
        self.issuer(name)
        return {"keys": [self.key.as_dict(private=False)]}

    def ask(self, name: str) -> ResponseReturnValue:
        """Ask who one wants to be."""
        self.issuer(name)
        asked = flask.request.args.to_dict()
        return flask.render_template_string(_PAGE, title=NAMES[name], asked=asked)

    def answer(self, name: str) -> ResponseReturnValue:
        """Send the browser back with a code, or with a refusal."""
        issuer, form = self.issuer(name), flask.request.form
        back = form.get("redirect_uri", "")
        if form.get("client_id") != self.client[0] or not back.startswith(("http://127.0.0.1:", "http://localhost:")):
            flask.abort(400)
        if form.get("code_challenge_method") != "S256" or form.get("response_type") != "code":
            flask.abort(400)
        answer = {"state": form.get("state", ""), "iss": issuer}
        if form.get("doing") != "confirm":
            return flask.redirect(f"{back}?{urlencode(answer | {'error': 'access_denied'})}", 303)
        code = secrets.token_urlsafe(24)
        with self.lock:
            now = time.monotonic()
            self.codes = {one: held for one, held in self.codes.items() if held.expires_at > now}
            self.codes[code] = IssuedCode(
                issuer, back, form.get("code_challenge", ""), self._claims(name, form), now + _CODE_SECONDS
            )
        return flask.redirect(f"{back}?{urlencode(answer | {'code': code})}", 303)

    def _claims(self, name: str, form: Mapping[str, str]) -> dict[str, object]:
        person, uscc = form.get("person", "").strip(), form.get("uscc", "").strip()
        is_legal = form.get("role") == "legal"
        subject = hashlib.sha256(f"{name} {person} {uscc}".encode()).hexdigest()[:32]
        said: dict[str, object] = {"sub": subject, "nonce": form.get("nonce", "")}
        if name == "one_pass":
            return said | {"uscc": uscc, "name": person, "holder_role": "legal_representative" if is_legal else "agent"}
        return said | {"unisc_id": uscc, "holder_name": person, "holder_type": "FDDBR" if is_legal else "BLR"}

    def token(self, name: str) -> ResponseReturnValue:
        """Redeem a code, once."""
        issuer, form = self.issuer(name), flask.request.form
        if not self._is_client():
            return {"error": "invalid_client"}, 401
        with self.lock:
            held = self.codes.pop(form.get("code", ""), None)
        challenge = create_s256_code_challenge(form.get("code_verifier", ""))
        if (
            held is None
            or held.issuer != issuer
            or held.redirect_uri != form.get("redirect_uri")
            or held.expires_at < time.monotonic()
            or not hmac.compare_digest(str(challenge), held.challenge)
        ):
            return {"error": "invalid_grant"}, 400
        now = int(time.time())
        claims = {"iss": issuer, "aud": self.client[0], "iat": now, "exp": now + 300, "auth_time": now, **held.claims}
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)
        return {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def _is_client(self) -> bool:
        kind, _, value = flask.request.headers.get("Authorization", "").partition(" ")
        try:
            login, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        sent, known = (unquote_plus(login), unquote_plus(password)), self.client
        return kind == "Basic" and hmac.compare_digest("\0".join(sent).encode(), "\0".join(known).encode())

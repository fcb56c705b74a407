"""What is off by default: nonces, mutual TLS behind a proxy; and keys at a jwks_uri."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from creditlink.access.context import OAuthContext
from creditlink.access.settings import load_oauth_settings
from creditlink.institutions import jwks
from creditlink.institutions.targets import TargetRefused
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import SettingError, load_settings
from creditlink.sandbox.banks.bank import BankError, new_key, public_jwks
from tests import serving
from tests.oauth.flow import SCOPE, details


def change(app, **values) -> None:
    oauth = runtime.of_app(app).of(OAuthContext)
    runtime.of_app(app).put(replace(oauth, settings=replace(oauth.settings, **values)))


class TestNonce:
    def test_is_handed_out_and_demanded_everywhere(self, app, bank, authorized):
        change(app, dpop_nonce=True)
        authorization = authorized(bank)
        assert bank._nonce is not None
        assert bank.call("GET", "/v1/resource", authorization).status_code == 200
        assert bank.refresh(authorization)["access_token"]

    def test_a_proof_without_one_is_refused_and_told_which(self, app, bank, authorized):
        authorization = authorized(bank)
        change(app, dpop_nonce=True)
        token = authorization.access_token
        headers = {"Authorization": f"DPoP {token}", "DPoP": bank.proof("GET", "/v1/resource", token)}
        answer = bank.http.get("/v1/resource", headers=headers)
        assert answer.status_code == 401
        assert 'error="use_dpop_nonce"' in answer.headers["WWW-Authenticate"]
        stale = bank.proof("GET", "/v1/resource", token, nonce="x" * 24)
        assert bank.http.get("/v1/resource", headers=headers | {"DPoP": stale}).status_code == 401
        fresh = bank.proof("GET", "/v1/resource", token, nonce=answer.headers["DPoP-Nonce"])
        assert bank.http.get("/v1/resource", headers=headers | {"DPoP": fresh}).status_code == 200

    def test_the_one_before_is_still_good_and_an_older_one_not(self, app, bank, authorized, clock):
        change(app, dpop_nonce=True)
        authorization = authorized(bank)
        token, nonce = authorization.access_token, bank._nonce
        life = runtime.of_app(app).of(OAuthContext).settings.dpop_nonce_life
        bucket = datetime.fromtimestamp(datetime.now(UTC).timestamp() // life * life, UTC)
        for buckets, status in ((1, 200), (2, 401)):
            clock(bucket + timedelta(seconds=buckets * life))
            headers = {"Authorization": f"DPoP {token}", "DPoP": bank.proof("GET", "/v1/resource", token, nonce=nonce)}
            _prolong_tokens()
            assert bank.http.get("/v1/resource", headers=headers).status_code == status


def _prolong_tokens() -> None:
    """Let an access token outlive the nonces of this test."""
    with db.transaction("owner") as session:
        session.execute(text("UPDATE access_tokens SET expires_at = expires_at + interval '1 day'"))


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.bank.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return quote(made.public_bytes(serialization.Encoding.PEM).decode())


class TestMutualTls:
    HEADER = "X-Client-Certificate"

    @pytest.fixture
    def held(self, app, bank, approve):
        """An access token bound to a certificate."""
        change(app, mtls_header=self.HEADER)
        seen = certificate()
        form = {"grant_type": "authorization_code", **_pushed(bank, approve)}
        answer = bank.http.post(
            "/oauth/token", data=bank.client_parameters() | form, headers={self.HEADER: seen}
        ).json()
        assert answer["token_type"] == "Bearer"
        return answer["access_token"], seen

    def test_bound_token(self, bank, held):
        token, seen = held
        headers = {"Authorization": f"Bearer {token}", self.HEADER: seen}
        assert bank.http.get("/v1/resource", headers=headers).status_code == 200
        assert list(bank.introspect(token)["cnf"]) == ["x5t#S256"]

    @pytest.mark.parametrize("other", [None, "", "nonsense", "%00", "another"])
    def test_stolen_token(self, bank, held, other):
        token, _ = held
        seen = certificate() if other == "another" else other
        headers = {"Authorization": f"Bearer {token}"} | ({} if seen is None else {self.HEADER: seen})
        assert bank.http.get("/v1/resource", headers=headers).status_code == 401

    def test_bound_token_with_a_proof_instead(self, bank, held):
        token, seen = held
        headers = {
            "Authorization": f"DPoP {token}",
            "DPoP": bank.proof("GET", "/v1/resource", token),
            self.HEADER: seen,
        }
        assert bank.http.get("/v1/resource", headers=headers).status_code == 401

    def test_the_header_means_nothing_where_it_is_not_configured(self, bank, approve):
        form = {"grant_type": "authorization_code", **_pushed(bank, approve)}
        answer = bank.http.post(
            "/oauth/token", data=bank.client_parameters() | form, headers={self.HEADER: certificate()}
        )
        assert answer.json()["error"] == "invalid_dpop_proof"


def _pushed(bank, approve) -> dict[str, str]:
    asked = bank.push(details(), scope=SCOPE)
    # A bank whose gateway holds the key pushes without a proof.
    form = {
        "response_type": "code",
        "redirect_uri": bank.redirect_uri,
        "scope": SCOPE,
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "state": "s",
        "authorization_details": json.dumps(details()),
    }
    asked.request_uri = bank.post("/oauth/par", bank.client_parameters() | form)["request_uri"]
    asked.state = "s"
    # The pair of RFC 7636 appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    code = bank.code_from(approve(bank, asked), asked)
    return {"code": code, "redirect_uri": bank.redirect_uri, "code_verifier": verifier}


class TestJwksUri:
    URI = "https://bank.example/jwks"

    @pytest.fixture
    def published(self, monkeypatch):
        """What the bank publishes; fetching counts."""
        state = {"jwks": None, "calls": 0}

        def fetch_json(_uri):
            state["calls"] += 1
            if state["jwks"] is None:
                raise TargetRefused("down")
            return state["jwks"]

        monkeypatch.setattr(jwks, "fetch_json", fetch_json)
        return state

    def test_keys_are_fetched_once_and_again_when_they_change(self, make_bank, published, clock):
        key = new_key()
        bank = make_bank(key=key, jwks=None, jwks_uri=self.URI)
        published["jwks"] = public_jwks(key)
        assert bank.introspect("x") == {"active": False}
        assert bank.introspect("x") == {"active": False}
        assert published["calls"] == 1
        bank.key = new_key()
        published["jwks"] = public_jwks(bank.key)
        clock(datetime.now(UTC) + timedelta(seconds=31))
        assert bank.introspect("x") == {"active": False}
        assert published["calls"] == 2

    @pytest.mark.parametrize("jwks", [None, {}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AA"}]}])
    def test_no_keys_is_no_authentication(self, make_bank, published, jwks):
        bank = make_bank(jwks=None, jwks_uri=self.URI)
        published["jwks"] = jwks
        with pytest.raises(BankError) as refused:
            bank.introspect("x")
        assert (refused.value.status, refused.value.body["error"]) == (401, "invalid_client")

    def test_a_private_address_is_never_called(self, make_bank):
        bank = make_bank(jwks=None, jwks_uri="https://169.254.169.254/latest/meta-data")
        with pytest.raises(BankError) as refused:
            bank.introspect("x")
        assert refused.value.status == 401


class TestSettings:
    @pytest.fixture
    def load(self, tmp_path, settings):
        """Load the settings with one line of oauth.toml replaced."""

        def run(line, new, **environment):
            config = tmp_path / "config"
            shutil.copytree(serving.ROOT / "config", config)
            path = config / "oauth.toml"
            text = path.read_text()
            assert line in text
            path.write_text(text.replace(line, new))
            env = {
                "CREDITLINK_CONFIG_DIR": str(config),
                "CREDITLINK_ENVIRONMENT": "test",
                "CREDITLINK_SECRET_KEY": serving.SECRET_KEY,
            }
            return load_oauth_settings(load_settings(env | environment))

        return run

    @pytest.mark.parametrize(
        ("line", "new", "named"),
        [
            ("code = 60", "code = 61", "lifetimes.code"),
            ("code = 60", "code = '60'", "lifetimes.code"),
            ("code = 60", "", "lifetimes.code"),
            ("request_uri = 300", "request_uri = 600", "lifetimes.request_uri"),
            ("access_token = 300", "access_token = 601", "lifetimes.access_token"),
            ("ahead = 30", "ahead = 61", "clock.ahead"),
            ("ahead = 30", "ahead = 9", "clock.ahead"),
            ("nonce = false", "nonce = 'no'", "dpop.nonce"),
            ("backchannel = 86400", "backchannel = 60", "lifetimes.backchannel"),
        ],
    )
    def test_what_fapi_forbids_cannot_be_configured(self, load, line, new, named):
        with pytest.raises(SettingError, match=named):
            load(line, new)

    @pytest.mark.parametrize(("header", "named"), [("X Client", "mtls_header"), ("X-Client-Cert", "trusted_proxies")])
    def test_a_header_that_is_none_or_that_anybody_could_send(self, load, header, named):
        with pytest.raises(SettingError, match=named):
            load("code = 60", "code = 60", CREDITLINK_MTLS_HEADER=header)

    def test_the_issuer_is_https_or_loopback(self, load):
        with pytest.raises(SettingError, match="issuer"):
            load("code = 60", "code = 60", CREDITLINK_ISSUER="http://bank.example")

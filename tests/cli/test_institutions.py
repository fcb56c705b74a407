"""Onboarding by the operator."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select, text

from creditlink.cli import institutions as commands
from creditlink.institutions import service
from creditlink.institutions.service import RegistrationRefused, check_redirect_uri
from creditlink.institutions.tables import Institution
from creditlink.kit.settings import ROOT
from creditlink.metering.buckets import Charge
from creditlink.metering.postgres import charge_alone
from creditlink.sandbox.banks.bank import new_key, public_jwks

REDIRECT_URI = "https://bank.example/callback"


@pytest.fixture
def run(empty_database, monkeypatch):
    """Run a command on the tests' database; return its exit code and output."""

    def invoke(group, *arguments):
        monkeypatch.setattr(commands, "start", lambda _role: (None, empty_database))
        result = CliRunner().invoke(group, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def institution(run):
    result = run(
        commands.institutions,
        "add",
        "--code",
        "FSRCB",
        "--name-zh",
        "佛山农商银行",
        "--name-en",
        "FSRCB",
        "--kind",
        "bank",
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.fixture
def jwks_file(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(public_jwks(new_key("ES256", kid="k1"), new_key("PS256", kid="k2"))))
    return str(path)


def register(run, jwks_file, *more):
    return run(
        commands.clients,
        *("register", "--institution", "FSRCB", "--name", "Lending desk", "--jwks", jwks_file),
        *("--redirect-uri", REDIRECT_URI, *more),
    )


class TestTheIntegrationGuide:
    def test_its_commands_register_two_clients_of_two_institutions(self, run, tmp_path, monkeypatch):
        """Each line as a reader would paste it, with the files that the page names."""
        monkeypatch.chdir(tmp_path)
        for algorithm in ("ES256", "PS256"):
            Path(f"{algorithm.lower()}.jwks.json").write_text(json.dumps(public_jwks(new_key(algorithm))))
        guide = (ROOT / "docs" / "integrate.md").read_text().split("## Register")[1]
        lines = re.search(r"```\n(.*?)```", guide, re.DOTALL).group(1).replace("\\\n", " ").splitlines()
        printed = []
        for line in lines:
            program, group, *arguments = shlex.split(line)
            assert program == "creditlink"
            done = run({"institutions": commands.institutions, "clients": commands.clients}[group], *arguments)
            assert done.exit_code == 0, f"{line}\n{done.output}"
            printed.append(json.loads(done.output))
        assert [p["kind"] for p in printed[:2]] == ["bank", "leasing"]
        assert len({p["client_id"] for p in printed[2:]}) == 2
        assert printed[2]["redirect_uris"] == ["https://127.0.0.1:9443/callback"]
        assert printed[3]["categories"] == ["registration", "tax"]


class TestClients:
    def test_register_prints_json_with_the_client_id(self, run, institution, jwks_file):
        result = register(run, jwks_file, "--scope", "profile:create profile:read", "--categories", "tax,electricity")
        assert result.exit_code == 0, result.output
        body = json.loads(result.output)
        assert body["client_id"].startswith("fsrcb-")
        assert body["scopes"] == ["profile:create", "profile:read"]
        assert body["categories"] == ["electricity", "tax"]
        assert body["kids"] == ["k1", "k2"]
        assert "BEGIN" not in result.output

    def test_rotate_suspend_resume_list(self, run, institution, jwks_file, tmp_path):
        client_id = json.loads(register(run, jwks_file).output)["client_id"]
        fresh = tmp_path / "fresh.json"
        fresh.write_text(json.dumps(public_jwks(new_key(kid="k9"))))
        rotated = json.loads(run(commands.clients, "rotate-keys", client_id, "--jwks", str(fresh)).output)
        assert rotated["kids"] == ["k9"]
        assert json.loads(run(commands.clients, "suspend", client_id).output)["status"] == "suspended"
        assert json.loads(run(commands.clients, "resume", client_id).output)["status"] == "active"
        listed = json.loads(run(commands.clients, "list", "--institution", "FSRCB").output)
        assert [c["client_id"] for c in listed] == [client_id]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--scope", "screening:read"], "scope 'screening:read': only for an operator, FSRCB is a bank"),
            (["--scope", "everything"], "scope 'everything'"),
            (["--categories", "gossip"], "category 'gossip'"),
            (["--redirect-uri", "http://bank.example/"], "http is only for loopback"),
            (["--redirect-uri", REDIRECT_URI], "given twice"),
            (["--jwks-uri", "https://127.0.0.1/jwks"], "exactly one of jwks and jwks_uri"),
        ],
    )
    def test_refusals_name_field_and_value(self, run, institution, jwks_file, arguments, said):
        result = register(run, jwks_file, *arguments)
        assert result.exit_code == 1
        assert said in result.output

    def test_jwks_uri_into_the_own_network(self, run, institution):
        result = run(
            commands.clients,
            *("register", "--institution", "FSRCB", "--name", "x", "--redirect-uri", REDIRECT_URI),
            *("--jwks-uri", "https://169.254.169.254/jwks"),
        )
        assert result.exit_code == 1
        assert "not on the public internet" in result.output

    def test_unknown_institution_and_client(self, run, institution, jwks_file):
        result = run(
            commands.clients,
            *("register", "--institution", "NONE", "--name", "x", "--jwks", jwks_file, "--redirect-uri", REDIRECT_URI),
        )
        assert "there is no institution 'NONE'" in result.output
        assert "there is no client 'x'" in run(commands.clients, "suspend", "x").output

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            ("x", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ("[]", "array keys"),
            ('{"keys": []}', "array keys"),
            ('{"keys": [7]}', "keys[0]: a key must be an object"),
            ('{"keys": [{"kty": "oct", "k": "AAAA"}]}', "keys[0]: kty must be"),
            ('{"keys": [{"kty": "EC"}]}', "keys[0]: not a valid JWK"),
            ('{"keys": [{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}]}', "keys[0]: not a valid JWK"),
            ('{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}', "2048 to 8192 bits"),
        ],
    )
    def test_wrong_keys_are_refused_one_by_one(self, run, institution, tmp_path, keys, said):
        path = tmp_path / "keys.json"
        path.write_text(keys)
        result = register(run, str(path))
        assert result.exit_code == 1
        assert said in result.output

    def test_private_and_weak_keys(self, run, institution, tmp_path):
        wrong = {
            "private members": new_key().as_dict(private=True),
            "P-256": ECKey.generate_key("P-384", private=True).as_dict(private=False),
            "use must be sig": new_key().as_dict(private=False) | {"use": "enc"},
            "alg of a RSA key": RSAKey.generate_key(2048, private=True).as_dict(private=False) | {"alg": "RS256"},
        }
        for said, key in wrong.items():
            path = tmp_path / "keys.json"
            path.write_text(json.dumps({"keys": [key]}))
            assert said in register(run, str(path)).output

    def test_keys_that_are_none_of_ours_stay_in_the_set_and_are_passed_over(self, run, institution, tmp_path):
        path = tmp_path / "keys.json"
        tomorrow = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-65", "pub": "AA"}
        path.write_text(json.dumps({"keys": [tomorrow, 7, *public_jwks(new_key(kid="k1"))["keys"]]}))
        assert json.loads(register(run, str(path)).output)["kids"] == ["pq", "k1"]

    def test_a_private_key_beside_a_good_one_and_what_cannot_be_stored(self, run, institution, tmp_path):
        path, good = tmp_path / "keys.json", new_key().as_dict(private=False)
        for said, other in {"private members": new_key().as_dict(private=True), "U+0000": {"kid": "a\0"}}.items():
            path.write_text(json.dumps({"keys": [good, other]}))
            assert said in register(run, str(path)).output

    def test_two_keys_with_one_kid(self, run, institution, tmp_path):
        path = tmp_path / "keys.json"
        path.write_text(json.dumps(public_jwks(new_key(kid="k"), new_key(kid="k"))))
        assert "share a kid" in register(run, str(path)).output


class TestInstitutions:
    def test_add_suspend_resume_list(self, run, institution):
        assert institution["status"] == "active"
        assert json.loads(run(commands.institutions, "suspend", "FSRCB").output)["status"] == "suspended"
        assert json.loads(run(commands.institutions, "resume", "FSRCB").output)["status"] == "active"
        assert [i["code"] for i in json.loads(run(commands.institutions, "list").output)] == ["FSRCB"]

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"--code": "FSRCB"}, "is taken"),
            ({"--code": "lower"}, "code 'lower'"),
            ({"--name-zh": "  "}, "name_zh needs"),
            ({"--name-en": "x\x00y"}, "name_en needs"),
            ({"--name-en": "x" * 201}, "name_en needs"),
        ],
    )
    def test_refusals(self, run, institution, changed, said):
        options = {"--code": "OTHER", "--name-zh": "银行", "--name-en": "Bank", "--kind": "bank"} | changed
        result = run(commands.institutions, "add", *[text for pair in options.items() for text in pair])
        assert result.exit_code == 1
        assert said in result.output
        assert len(json.loads(run(commands.institutions, "list").output)) == 1

    def test_every_change_is_evidence(self, run, institution, jwks_file, empty_database):
        from sqlalchemy import text

        client_id = json.loads(register(run, jwks_file).output)["client_id"]
        run(commands.clients, "suspend", client_id)
        run(commands.institutions, "suspend", "FSRCB")
        with empty_database.transaction("owner") as session:
            actions = session.scalars(text("SELECT action FROM audit_entries ORDER BY seq")).all()
        assert actions == ["client.register", "client.suspend", "institution.suspend"]


@pytest.mark.pure
@pytest.mark.parametrize(
    "address",
    [
        "https://bank.example/callback",
        "https://bank.example:8443/callback?tenant=7",
        "http://127.0.0.1:9000/callback",
        "http://[::1]:9000/callback",
        "http://localhost:9000/callback",
    ],
)
def test_redirect_addresses_that_are_accepted(address):
    check_redirect_uri(address)


@pytest.mark.pure
@pytest.mark.parametrize(
    "address",
    [
        "",
        "bank.example/callback",
        "/callback",
        "javascript:alert(1)",
        "myapp://callback",
        "http://bank.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost.evil.example/",
        "https://bank.example/callback#fragment",
        "https://user@bank.example/callback",
        "https://bank.example/a/../callback",
        "https://bank.example/a/%2e%2e/callback",
        "https://bank.example/a/%2E%2E/callback",
        "https://bank.example/callback\r\n",
        'https://bank.example/"callback',
        "https://b\u0430nk.example/callback",
        "https://bank.example/" + "x" * 2000,
        "https://*.example/callback",
    ],
)
def test_redirect_uri_tricks_are_not_even_registered(address):
    with pytest.raises(RegistrationRefused, match="redirect_uri"):
        check_redirect_uri(address)


@pytest.mark.pure
def test_service_refuses_without_a_key_source():
    with pytest.raises(RegistrationRefused, match="exactly one"):
        service._key_source(None, None)


class TestContracts:
    def test_is_set_as_a_whole_shown_with_its_use_and_kept_in_evidence(self, run, institution, empty_database):
        shown = json.loads(run(commands.institutions, "contract", "FSRCB").output)
        assert (shown["calls_a_day"], shown["weight"], shown["calls_today"]) == (None, 1, 0)
        given = ("--set", "--calls-a-day", "500", "--profiles-a-month", "20", "--weight", "2")
        shown = json.loads(run(commands.institutions, "contract", "FSRCB", *given).output)
        assert (shown["calls_a_day"], shown["profiles_a_month"], shown["weight"]) == (500, 20, 2)
        shown = json.loads(run(commands.institutions, "contract", "FSRCB", "--set", "--calls-a-day", "9").output)
        assert (shown["calls_a_day"], shown["profiles_a_month"], shown["weight"]) == (9, None, 1)
        with empty_database.transaction("owner") as session:
            entries = session.execute(
                text("SELECT count(*) FROM audit_entries WHERE action = 'institution.contract'")
            ).scalar_one()
        assert entries == 2

    @pytest.mark.parametrize(
        "given",
        [
            ("--set", "--calls-a-day", "0"),
            ("--set", "--calls-a-month", "-5"),
            ("--set", "--weight", "11"),
            ("--set", "--profiles-a-month", str(10**18)),
            ("--calls-a-day", "5"),
            ("--set", "--calls-a-day", "many"),
        ],
    )
    def test_what_cannot_be_is_refused_with_one_line(self, run, institution, given):
        result = run(commands.institutions, "contract", "FSRCB", *given)
        assert result.exit_code != 0
        assert json.loads(run(commands.institutions, "contract", "FSRCB").output)["calls_a_day"] is None

    def test_a_statement_is_printed_as_json_and_csv(self, run, institution, empty_database):
        charge_alone(Charge(_id_of(empty_database, "FSRCB"), "bank-1", date(2026, 12, 1), "call", "profile:read"))
        told = json.loads(run(commands.institutions, "statement", "FSRCB", "2026-12").output)
        assert (told["calls"], told["profiles"]) == (1, 0)
        csv = run(commands.institutions, "statement", "FSRCB", "2026-12", "--csv").output
        assert csv.splitlines() == ["day,client_id,unit,what,units", "2026-12-01,bank-1,call,profile:read,1"]
        assert run(commands.institutions, "statement", "FSRCB", "12-2026").exit_code == 2


def _id_of(database, code):
    with database.transaction("owner") as session:
        return session.scalar(select(Institution.id).where(Institution.code == code))

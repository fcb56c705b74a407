"""The doctor names everything at once: each finding provoked for real, and a well installation has none."""

import http.server
import json
import secrets
import ssl
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from creditlink.cli.doctor import findings
from creditlink.cli.main import cli
from creditlink.enterprises import accounts
from creditlink.kit import clock
from creditlink.kit.keyring import keyfile
from creditlink.kit.postgres import db
from creditlink.kit.settings import load_settings, survey
from tests.certificates import Authority
from tests.factories import make_account

SECRET = "Zq8v-3kP_x7Lw2RtY6uNb0HsE9mJcVdAf1GiKoT5"
NOBODY_LISTENS = "https://127.0.0.1:9"


@pytest.fixture
def env(settings, empty_database, tmp_path, monkeypatch):
    """The environment of an installation of tests; what else a machine has set does not count."""
    for name in ("DATABASE_API_URL", "TEST_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return {
        "CREDITLINK_ENVIRONMENT": "test",
        "CREDITLINK_VAR_DIR": str(tmp_path / "var"),
        "CREDITLINK_SECRET_KEY": SECRET,
        "DATABASE_URL": db.conninfo(empty_database.url),
    }


def production(env, **more):
    return env | {"CREDITLINK_ENVIRONMENT": "production", "CREDITLINK_ISSUER": NOBODY_LISTENS} | more


def examine(env, *options):
    answer = CliRunner().invoke(cli, ["doctor", "--json", *options], env=env)
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    said = json.loads(answer.stdout)
    ill = any(one["level"] == "error" for one in said["findings"])
    assert (answer.exit_code, said["status"]) == ((1, "ill") if ill else (0, "well"))
    assert all(one["mend"] for one in said["findings"])
    return said["findings"]


def codes(env, *options):
    return {one["code"] for one in examine(env, *options)}


def told(env, code, *options):
    return [one for one in examine(env, *options) if one["code"] == code]


@contextmanager
def changed(database, change, back):
    """Run a statement of the owner's, and another afterwards."""
    with database.engine("owner").connect() as connection:
        run = connection.execution_options(isolation_level="AUTOCOMMIT").execute
        run(text(change))
        try:
            yield
        finally:
            run(text("SET default_transaction_read_only = off"))
            run(text(back))


@pytest.fixture
def with_worker(empty_database):
    with empty_database.transaction("owner") as session:
        session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))


def test_a_well_installation_has_no_findings(env, with_worker):
    assert examine(env) == []
    answer = CliRunner().invoke(cli, ["doctor"], env=env)
    assert (answer.stdout, answer.exit_code) == ("all is well\n", 0)


def test_everything_that_is_wrong_is_told_at_once(env):
    wrong = production(
        env, CREDITLINK_POOL_SIZE="many", CREDITLINK_LOG_FORMAT="xml", CREDITLINK_SECRET_KEY="short",
        CREDITLINK_ISSUER="http://bank.example", CREDITLINK_POOLSIZE="3", CREDITLINK_CLAMD="nowhere",
    )  # fmt: skip
    said = {one["what"]: one["mend"] for one in examine(wrong)}
    for part in ("pool_size", "log_format", "secret_key", "issuer", "POOLSIZE", "clamd", "DATABASE_API_URL",
                 "TAX_SECRET", "HOUSING_FUND_APP_KEY", "trusted_proxies", "mail_url", "no model is live"):  # fmt: skip
        assert [what for what in said if part in what], part
    assert said["setting pool_size must be a whole number, got 'many'"] == (
        "set CREDITLINK_POOL_SIZE, or pool_size in a file of the configuration folder"
    )
    unknown = next(what for what in said if "POOLSIZE" in what)
    assert said[unknown].startswith("remove CREDITLINK_POOLSIZE")
    answer = CliRunner().invoke(cli, ["doctor"], env=wrong)
    assert answer.exit_code == 1
    assert "errors, " in answer.stdout.splitlines()[-1]


def test_without_a_file_of_settings_there_is_one_line(tmp_path):
    answer = CliRunner().invoke(cli, ["doctor"], env={"CREDITLINK_CONFIG_DIR": str(tmp_path)})
    assert answer.exit_code != 0
    assert "default.toml" in str(answer.exception)


class TestWritten:
    def test_the_survey_finds_what_the_start_refuses(self, env):
        assert survey(env) == (load_settings(env), [])

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"CREDITLINK_SECRET_KEY": "k" * 40}, "secret_weak"),
            ({"CREDITLINK_METRICS_TOKEN": "change me " * 4}, "secret_weak"),
            ({"CREDITLINK_METRICS_TOKEN": SECRET}, "secret_shared"),
            ({}, "metrics_off"),
            ({}, "mail_off"),
            ({}, "scanner_off"),
            ({}, "stamps_off"),
            ({}, "anchors_here"),
            ({}, "security_txt"),
            (
                {"CREDITLINK_SECURITY_CONTACT": "mailto:a@b.example", "CREDITLINK_SECURITY_EXPIRES": "2026-01-01"},
                "security_txt",
            ),
            ({"CREDITLINK_SECURITY_CONTACT": "call me"}, "setting"),
            ({}, "proxies"),
            ({"CREDITLINK_LOG_LEVEL": "DEBUG"}, "log_level"),
            ({"CREDITLINK_LOG_LEVEL": "ERROR"}, "log_level"),
            ({"CREDITLINK_LOG_FORMAT": "console"}, "log_format"),
            ({"CREDITLINK_MODEL": "none-such"}, "file"),
        ],
    )
    def test_a_weak_setting_of_production(self, env, more, code):
        assert code in codes(production(env, **more))

    def test_what_was_set_or_accepted_is_not_told(self, env, tmp_path):
        ready = production(
            env, CREDITLINK_METRICS_TOKEN=SECRET[::-1], CREDITLINK_CLAMD="tcp://scan.example:3310",
            CREDITLINK_MAIL_URL="smtps://mail.example", CREDITLINK_MAIL_FROM="notices@credit.example",
            CREDITLINK_ANCHORS=str(tmp_path / "elsewhere"), CREDITLINK_TRUSTED_PROXIES="1",
        )  # fmt: skip
        found = codes(ready, "--accept", "stamps_off", "--accept", "setting")
        assert not found & {"metrics_off", "scanner_off", "mail_off", "anchors_here", "proxies", "secret_weak",
                            "stamps_off"}  # fmt: skip
        assert "setting" in found, "an error cannot be accepted"

    def test_the_secret_of_a_sandbox(self, env, tmp_path):
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "secret_key").write_text(SECRET)
        assert "secret_of_sandbox" in codes(production(env))

    def test_a_file_of_keys_that_others_read_or_that_lies_with_the_data(self, env, tmp_path):
        path = tmp_path / "var" / "keys.json"
        path.parent.mkdir()
        keyfile.add_key(
            path, SECRET, keyfile.new_key(clock.utc_now(), signs_from=clock.utc_now(), signs="ES256", seals="Fernet")
        )
        assert "keys_with_data" in codes(production(env))
        assert "keys_open" not in codes(production(env))
        path.chmod(0o640)
        assert "keys_open" in codes(production(env))
        apart = path.rename(tmp_path / "keys.json")
        apart.chmod(0o600)
        found = codes(production(env, CREDITLINK_KEYS_FILE=str(apart)))
        assert not found & {"keys_open", "keys_with_data"}

    def test_a_folder_into_which_nothing_can_be_written(self, env, tmp_path):
        (tmp_path / "file").write_text("")
        assert "var_dir" in codes(env | {"CREDITLINK_VAR_DIR": str(tmp_path / "file" / "var")})

    def test_offices_of_the_sandbox_and_without_tls(self, env):
        names = ("TAX_APP_ID", "TAX_SECRET", "SOCIAL_SECURITY_API_KEY", "PUBLIC_CREDIT_TOKEN", "CONTRACT_ACCOUNT",
                 "CONTRACT_PASSWORD", "INTELLECTUAL_PROPERTY_TOKEN", "LOGISTICS_PARTNER_ID", "LOGISTICS_PARTNER_KEY",
                 "IMPORT_EXPORT_USER", "IMPORT_EXPORT_PASSWORD", "HOUSING_FUND_APP_KEY", "HOUSING_FUND_SECRET",
                 "ELECTRICITY_USER", "ELECTRICITY_PASSWORD", "WATER_USER", "WATER_PASSWORD", "GAS_USER",
                 "GAS_PASSWORD")  # fmt: skip
        credentials = {f"CREDITLINK_BUREAU_{name}": "x" * 20 for name in names}
        found = examine(production(env, CREDITLINK_BUREAU_TAX_URL="http://tax.example", **credentials))
        assert [one["what"] for one in found if one["code"] == "office_plain"] == ["source tax is asked without TLS"]
        assert len([one for one in found if one["code"] == "office"]) == 10
        assert "identity_off" in {one["code"] for one in found}


class TestStored:
    def test_a_database_that_is_away(self, env):
        (one,) = told(env | {"DATABASE_URL": "postgresql://127.0.0.1:9/nowhere"}, "database")
        assert "nowhere" in one["what"]

    def test_an_address_that_is_none_shows_no_password(self, env):
        (one,) = told(env | {"DATABASE_URL": "mysql://x:geheim@y/z"}, "database")
        assert "geheim" not in one["what"]

    def test_no_database_yet(self, env):
        assert "there is no database yet" in told(env | {"DATABASE_URL": ""}, "database")[0]["what"]

    def test_another_environments(self, env):
        assert "is marked sandbox" in told(production(env), "purpose")[0]["what"]

    @pytest.mark.parametrize(("at", "mend"), [("0030", "creditlink db upgrade"), ("9999", "install the release")])
    def test_a_schema_that_is_behind_or_ahead(self, env, empty_database, at, mend):
        head = "(SELECT max(version_num) FROM alembic_version)"
        with empty_database.engine("owner").connect() as connection:
            before = connection.scalar(text(f"SELECT {head}"))
            mark = connection.scalar(text("SELECT obj_description('alembic_version'::regclass, 'pg_class')"))
        with (
            changed(empty_database, f"UPDATE alembic_version SET version_num = '{at}'",
                    f"UPDATE alembic_version SET version_num = '{before}'"),
            changed(empty_database, "COMMENT ON TABLE alembic_version IS 'serves 9999'",
                    f"COMMENT ON TABLE alembic_version IS '{mark}'"),
        ):  # fmt: skip
            (one,) = told(env, "migrations")
        assert one["mend"].startswith(mend)

    def test_row_security_that_is_off(self, env, empty_database):
        off, on = (f"ALTER TABLE facts {way} ROW LEVEL SECURITY" for way in ("DISABLE", "ENABLE"))
        with changed(empty_database, off, on):
            (one,) = told(env, "row_security")
        assert one["mend"] == on
        assert "row_security" not in codes(env)

    def test_a_role_that_passes_row_security(self, env, empty_database):
        with changed(
            empty_database, "ALTER ROLE creditlink_worker BYPASSRLS", "ALTER ROLE creditlink_worker NOBYPASSRLS"
        ):
            (one,) = told(env, "roles")
        assert one["mend"] == "ALTER ROLE creditlink_worker NOSUPERUSER NOBYPASSRLS"

    def test_the_owners_login_for_the_api(self, env):
        (one,) = told(env | {"DATABASE_API_URL": env["DATABASE_URL"]}, "api_login")
        assert "is a superuser" in one["what"]

    def test_pools_beyond_what_the_server_takes(self, env):
        (one,) = told(env, "connections", "--api-processes", "100", "--workers", "9")
        assert "100 API processes and 9 workers" in one["what"]
        assert "connections" not in codes(env)

    def test_durability_and_archiving_of_production(self, env, empty_database):
        with changed(empty_database, "ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM RESET full_page_writes"):
            with empty_database.transaction("owner") as session:
                session.execute(text("SELECT pg_reload_conf()"))
            found = codes(production(env))
        with empty_database.transaction("owner") as session:
            session.execute(text("SELECT pg_reload_conf()"))
        assert {"durability", "archiving", "owner_superuser"} <= found

    def test_no_model_of_production(self, env):
        assert "no model is live" in told(production(env), "model")[0]["what"]

    def test_a_registered_model_whose_folder_is_another(self, env, empty_database):
        with empty_database.transaction("owner") as session:
            session.execute(text(
                "INSERT INTO registered_models (model_id, manifest_sha256, owner, tier, intended_use, limits, inputs,"
                " registered_at) VALUES ('city-2026f', 'other', 'o', '1', 'u', 'l', '{}', now());"
                "INSERT INTO model_standings (model_id, purpose, status, since_at)"
                " VALUES ('city-2026f', 'underwriting', 'live', now())"
            ))  # fmt: skip
        assert "its manifest has changed" in told(env, "model")[0]["what"]

    def test_a_key_that_opens_nothing(self, env, empty_database):
        with empty_database.transaction("owner") as session:
            account = make_account(session)
            accounts.enroll_totp(account, accounts.new_totp_secret(), key="another" * 8)
        assert "secret_key does not open" in told(env, "sealed")[0]["what"]
        with empty_database.transaction("owner") as session:
            accounts.enroll_totp(session.merge(account), accounts.new_totp_secret(), key=SECRET)
        assert "sealed" not in codes(env)

    def test_nobody_works(self, env):
        assert {"worker"} == codes(env)
        assert "staff" in codes(production(env))

    def test_a_lane_that_starves_and_letters_that_are_dead(self, env, empty_database, with_worker):
        with empty_database.transaction("owner") as session:
            session.execute(text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)"
                " VALUES ('pulls', 'records.retry_pull', '{}', now() - interval '10 minutes');"
                "UPDATE procrastinate_events SET at = now() - interval '10 minutes';"
                "INSERT INTO dead_letters (id, kind, task, item, failures, first_failed_at, last_failed_at)"
                " VALUES (gen_random_uuid(), 'job', 'records.retry_pull', '1', 3, now(), now())"
            ))  # fmt: skip
        assert codes(env) == {"lane", "dead_letters"}

    def test_a_clock_that_is_off(self, env, monkeypatch, with_worker):
        true = clock.wall_clock
        monkeypatch.setattr(clock, "wall_clock", lambda: true() + timedelta(minutes=10))
        monkeypatch.setattr(clock, "_ahead", timedelta(0))
        assert "+600." in told(env, "clock")[0]["what"]

    def test_a_database_that_only_reads(self, env, empty_database, with_worker):
        name = empty_database.url.database
        with changed(empty_database, f"ALTER DATABASE {name} SET default_transaction_read_only = on",
                     f"ALTER DATABASE {name} RESET default_transaction_read_only"):  # fmt: skip
            assert "read_only" in codes(env)


class Proxy(http.server.BaseHTTPRequestHandler):
    """Stands for the proxy in front: `headers_sent` and what it answers at /metrics are the server's."""

    def do_GET(self):
        self.send_response(self.server.metrics if self.path == "/metrics" else 200)
        for name, value in self.server.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class TestFromOutside:
    @contextmanager
    def proxy(self, authority, *, days=60, headers=None, metrics=404):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        server.headers_sent, server.metrics = headers or {}, metrics
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("proxy", days=days))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # a handshake that the doctor broke off
        running = threading.Thread(target=server.serve_forever, args=(0.05,))
        running.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            running.join()
            server.server_close()

    def found(self, env, issuer, authority):
        seen = examine(env | {"CREDITLINK_ISSUER": issuer, "SSL_CERT_FILE": str(authority.root)})
        return {one["code"]: one["what"] for one in seen}

    def test_all_is_well(self, env, tmp_path, with_worker):
        authority = Authority(tmp_path)
        with self.proxy(authority, headers={"Strict-Transport-Security": "max-age=1"}) as issuer:
            assert self.found(env, issuer, authority) == {}

    def test_a_proxy_that_does_not_do_its_part(self, env, tmp_path, with_worker):
        authority = Authority(tmp_path)
        with self.proxy(authority, days=5, metrics=200) as issuer:
            found = self.found(env, issuer, authority)
        assert set(found) == {"certificate", "hsts", "metrics_outside"}
        assert "ends in 4 days" in found["certificate"]

    @pytest.mark.parametrize("days", [-1, 60])
    def test_a_certificate_that_is_over_or_nobodys(self, env, tmp_path, with_worker, days):
        authority, other = Authority(tmp_path), Authority(tmp_path / "other")
        with self.proxy(authority, days=days) as issuer:
            found = self.found(env, issuer, authority if days < 0 else other)
        assert set(found) == {"certificate"}
        assert ("expired" in found["certificate"]) == (days < 0)

    def test_an_address_at_which_nobody_listens(self, env, with_worker):
        assert codes(env | {"CREDITLINK_ISSUER": NOBODY_LISTENS}) == {"issuer_unseen"}


@pytest.mark.pure
class TestSecrets:
    @pytest.mark.parametrize("weak", ["", "a" * 64, "ab" * 40, "changeme" * 4, "password1234"])
    def test_a_text_that_is_guessed(self, weak):
        assert findings.weakness_of(weak)

    def test_texts_that_the_command_makes_are_strong(self):
        assert [one for one in (secrets.token_urlsafe(48) for _ in range(300)) if findings.weakness_of(one)] == []

"""The configuration of the offices: wrong settings are named; the sandbox's credentials stay in the sandbox."""

from dataclasses import replace
from datetime import timedelta

import pytest

from creditlink.kit.clock import utc_now
from creditlink.kit.settings import ROOT, SettingError
from creditlink.records.offices import circuit as circuits
from creditlink.records.offices.circuit import Circuit
from creditlink.records.sources import load_sources

pytestmark = pytest.mark.pure

SHIPPED = (ROOT / "config" / "sources.toml").read_text()


@pytest.fixture
def edited(shipped, tmp_path):
    def write(old, new):
        assert old in SHIPPED
        (tmp_path / "sources.toml").write_text(SHIPPED.replace(old, new, 1))
        return replace(shipped, config_dir=tmp_path)

    return write


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("read_seconds = 8.0", "read_seconds = 0", "limits.read_seconds"),
        ("read_seconds = 8.0", "reed_seconds = 8", "limits.reed_seconds"),
        ("failures = 5", 'failures = "5"', "circuit.failures"),
        ("soon_seconds = 15", "", "retry.soon_seconds"),
        ("[sources.water]", "[sources.gossip]", "sources.gossip"),
        ("fresh_hours = 168", "fresh_hours = -1", "sources.social_security.fresh_hours"),
        ("http://127.0.0.1:7003", "ftp://127.0.0.1", "sources.electricity.base_url"),
        ('api_key = "sandbox-social-security-key"', 'api_key = ""', "sources.social_security.credentials.api_key"),
    ],
)
def test_a_wrong_setting_is_named(edited, old, new, named):
    with pytest.raises(SettingError, match=named):
        load_sources(edited(old, new), {})


def test_the_environment_overrides_and_secrets_stay_out_of_texts(shipped):
    env = {"CREDITLINK_BUREAU_TAX_URL": "http://127.0.0.1:9", "CREDITLINK_BUREAU_TAX_SECRET": "other-secret"}
    tax = load_sources(shipped, env).sources["tax"]
    assert tax.base_url == "http://127.0.0.1:9"
    assert tax.credentials["secret"] == "other-secret"
    assert "other-secret" not in repr(tax)


def test_production_refuses_the_sandboxs_credentials(shipped):
    with pytest.raises(SettingError, match="CREDITLINK_BUREAU_TAX_APP_ID"):
        load_sources(replace(shipped, environment="production"), {})


def test_a_circuit_opens_after_failures_in_a_row_and_closes_on_a_success():
    circuit, now = Circuit("x", failures=2, reset_seconds=60), utc_now()
    for firm, ok in (("a", False), ("b", True), ("c", False)):
        circuit.report(ok=ok, firm=firm)
    assert not circuit.is_open(now)
    circuit.report(ok=False, firm="d")
    assert circuit.is_open(now)
    assert not circuit.is_open(now + timedelta(seconds=61))


def test_one_firm_never_opens_a_circuit_for_the_others():
    circuit, now = Circuit("x", failures=2, reset_seconds=60), utc_now()
    for _ in range(10):
        circuit.report(ok=False, firm="a")
    assert not circuit.is_open(now)
    circuit.report(ok=False, firm="b")
    assert circuit.is_open(now)


def test_after_its_rest_it_takes_several_firms_again(monkeypatch):
    circuit = Circuit("x", failures=2, reset_seconds=60)
    for firm in "ab":
        circuit.report(ok=False, firm=firm)
    monkeypatch.setattr(circuits, "utc_now", lambda: utc_now() + timedelta(seconds=61))
    for _ in range(5):
        circuit.report(ok=False, firm="a")
    assert not circuit.is_open(utc_now())
    circuit.report(ok=False, firm="b")
    assert circuit.is_open(utc_now())

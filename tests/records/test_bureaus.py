"""The three bureaus as processes of their own: what they hold arrives unchanged, and each fault has its status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from sqlalchemy import func, select

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_KEYS, as_known
from creditlink.engine.vocabulary import SUPPLIES, evidence_of
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.records import coverage, sources, store
from creditlink.records.connectors.wire import TimeLimits
from creditlink.records.pulls import fetching
from creditlink.records.sources import Sources, load_sources
from creditlink.records.tables import PullPart, RejectedRow
from creditlink.sandbox.city import write_city
from creditlink.sandbox.platform.services import Services, free_port
from creditlink.sandbox.platform.stack import source_addresses
from tests import factories as make
from tests.months import last_recorded_month
from tests.records.conftest import config_for

BUREAUS = ("tax", "social_security", "utility")
NAMES = ("tax", "social_security", "electricity")  # the sources that a consent opens here
EVER = date(2015, 1, 1)
PATIENT = TimeLimits(
    connect_seconds=2, read_seconds=4.0, attempts=2, wait_seconds=0.01, wait_max_seconds=0.05, jitter_seconds=0
)


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bureaus") / "city"
    write_city(folder, firms=120, months=30, seed=5, until=last_recorded_month())
    return folder


@pytest.fixture(scope="module")
def bureaus(city, tmp_path_factory) -> Iterator[dict[str, str]]:
    """Three processes; bureau -> address."""
    with Services(tmp_path_factory.mktemp("logs")) as running:
        urls = {}
        for name in BUREAUS:
            port = free_port()
            running.start(name, ["sandbox", "bureau", name, "--city", str(city), "--port", str(port)])
            urls[name] = f"http://127.0.0.1:{port}"
        for name, url in urls.items():
            running.wait_ready(name, f"{url}/health")
        yield urls


@pytest.fixture
def offices(bureaus, shipped) -> Iterator[Sources]:
    """The shipped configuration of what the bureaus play, at their addresses, a little less patient."""
    held = load_sources(shipped, source_addresses(bureaus)).sources
    played = {name: held[name] for name in ("tax", "social_security", *SUPPLIES)}
    opened = Sources(config_for("http://127.0.0.1:1", limits=PATIENT, sources=played))
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)
    for url in bureaus.values():
        httpx.delete(f"{url}/_faults", trust_env=False)


@pytest.fixture(scope="module")
def known(city) -> pl.DataFrame:
    """Firms that all three offices know, with several invoices a month at least in some months."""
    firms = pl.read_parquet(city / "firms" / "*.parquet")
    for name in ("vat_declarations", "invoice_months", "payroll_months", "meter_months"):
        rows = pl.read_parquet(city / name / "*.parquet")
        held = rows.filter(**({"kind": "electricity"} if name == "meter_months" else {}))["firm"].unique()
        firms = firms.filter(pl.col("firm").is_in(held.implode()))
    return firms.sort("firm")


def consent_of(uscc):
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session, uscc=uscc)
        return make.make_consent(session, now=utc_now() - timedelta(minutes=1), enterprise=firm, history_months=36)


def spoil(url, mode, **more):
    response = httpx.post(f"{url}/_faults", json={"uscc": "*", "mode": mode, "times": 0} | more, trust_env=False)
    assert response.status_code == 201, response.text


def pull(consent, offices):
    fetching.run_pull(consent.id, offices, utc_now)
    with db.transaction("worker") as session:
        return {part.source: part for part in session.scalars(select(PullPart))}


def in_order(frame, name):
    """Without the firm's number, in one order of rows and columns; floats as the wire carries them."""
    keys = [k for k in FRAME_KEYS[name] if k != "firm"]
    return frame.drop("firm").with_columns(pl.col(pl.Float64).round(6)).sort(keys).select(sorted(frame.columns[1:]))


def assert_as_in(city, firm, consent, as_of):
    """Hold the store against what the city says was known of the firm on a day."""
    with db.transaction("worker") as session:
        got = store.record_sets(session, [consent.enterprise_id], categories=NAMES, since=EVER, as_of=as_of)
    for name in (n for category in NAMES for n in CATEGORY_FRAMES[evidence_of(category)]):
        granted = {"kind": "electricity"} if name == "meter_months" else {}
        truth = as_known(pl.read_parquet(city / name / "*.parquet").filter(firm=firm, **granted), name, as_of)
        assert in_order(got.frame(name), name).equals(in_order(truth, name)), (name, as_of)


@pytest.mark.parametrize("place", [0, 3])
def test_what_the_city_holds_arrives_unchanged(empty_database, offices, city, known, place):
    firm, uscc = known.select("firm", "uscc").row(place)
    consent = consent_of(uscc)
    parts = pull(consent, offices)
    assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, "DELIVERED")
    assert all(part.rejected == 0 and part.rows == part.total for part in parts.values())
    today = day_of(utc_now())
    for as_of in (today, today - timedelta(days=200)):
        assert_as_in(city, firm, consent, as_of)


class TestFaults:
    @pytest.mark.parametrize(
        ("mode", "status", "shown"),
        [
            ("http500", "DOWN", "source_down"),
            ("timeout", "TIMEOUT", "timeout"),
            ("no_record", "NO_RECORD", "no_record"),
            ("partial", "PARTIAL", "partial"),
            ("malformed", "DELIVERED", "delivered"),
            ("latency", "DELIVERED", "delivered"),
        ],
    )
    def test_each_fault_has_its_status_and_nothing_is_lost_for_good(
        self, empty_database, offices, bureaus, city, known, mode, status, shown
    ):
        firm, uscc = known.select("firm", "uscc").row(1)
        consent = consent_of(uscc)
        for url in bureaus.values():
            spoil(url, mode, seconds=0.1)
        parts = pull(consent, offices)
        assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, status)
        with db.transaction("worker") as session:
            covered = coverage.coverage(session, consent, as_of=day_of(utc_now()), now=utc_now())
            aside = session.scalar(select(func.count()).select_from(RejectedRow))
        assert {covered[name]["status"] for name in NAMES} == {shown}
        assert sum(covered[name]["rejected"] for name in NAMES) == aside
        assert (aside > 0) == (mode == "malformed")
        self._recover(bureaus, offices, consent)
        assert_as_in(city, firm, consent, day_of(utc_now()))

    def test_truncated_answers(self, empty_database, offices, bureaus, city, known):
        firm, uscc = known.select("firm", "uscc").row(2)
        consent = consent_of(uscc)
        for url in bureaus.values():
            spoil(url, "truncated")
        # A CSV that is cut off is still good up to the cut; half a JSON or XML document is nothing.
        expected = {"tax": "DOWN", "social_security": "DOWN", "electricity": "PARTIAL"}
        assert {name: part.status for name, part in pull(consent, offices).items()} == expected
        self._recover(bureaus, offices, consent)
        assert_as_in(city, firm, consent, day_of(utc_now()))

    def _recover(self, bureaus, offices, consent):
        for url in bureaus.values():
            httpx.delete(f"{url}/_faults", trust_env=False)
        fetching.run_pull(consent.id, offices, lambda: utc_now() + timedelta(days=8))

    def test_a_fault_that_passes_is_not_noticed(self, empty_database, offices, bureaus, known):
        consent = consent_of(known["uscc"][4])
        for url in bureaus.values():
            spoil(url, "http500", times=1)
        assert {part.status for part in pull(consent, offices).values()} == {"DELIVERED"}

    def test_one_bureau_down_leaves_the_others(self, empty_database, offices, bureaus, known):
        consent = consent_of(known["uscc"][4])
        spoil(bureaus["tax"], "http500", resource="fapiao")
        parts = pull(consent, offices)
        assert {name: part.status for name, part in parts.items()} == {
            "tax": "PARTIAL",
            "social_security": "DELIVERED",
            "electricity": "DELIVERED",
        }
        assert parts["tax"].resources["zzssb"]["status"] == "DELIVERED"
        assert parts["tax"].error == "fapiao: the office answers 500"

    def test_silence_beyond_our_patience_is_a_time_out(self, empty_database, offices, bureaus, known):
        consent = consent_of(known["uscc"][5])
        spoil(bureaus["social_security"], "latency", seconds=6.0)
        part = pull(consent, offices)["social_security"]
        assert (part.status, part.error) == ("TIMEOUT", "payroll: no answer in time")

    def test_an_unknown_firm_has_no_record_anywhere(self, empty_database, offices):
        consent = consent_of(make.make_uscc(9_999_999))
        assert {part.status for part in pull(consent, offices).values()} == {"NO_RECORD"}

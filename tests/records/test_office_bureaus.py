"""The six offices in a process of their own: what they hold arrives unchanged, and each fault has its status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from sqlalchemy import func, select

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_KEYS, as_known
from creditlink.kit.clock import day_of, month_start, utc_now
from creditlink.kit.postgres import db
from creditlink.records import sources, store
from creditlink.records.connectors.wire import TimeLimits
from creditlink.records.pulls import fetching
from creditlink.records.sources import Sources, load_sources
from creditlink.records.tables import PullPart, RejectedRow
from creditlink.sandbox.city import write_city
from creditlink.sandbox.offices.serving import PORTS
from creditlink.sandbox.platform.services import Services, free_port
from tests import factories as make
from tests.months import last_recorded_month
from tests.records.conftest import config_for
from tests.records.office_city import CLEAN, FULL, SMALL, USCC, write_office_city

NAMES = tuple(PORTS)
EVER = date(2015, 1, 1)
PATIENT = TimeLimits(
    connect_seconds=2, read_seconds=4.0, attempts=2, wait_seconds=0.01, wait_max_seconds=0.05, jitter_seconds=0
)


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    return write_office_city(tmp_path_factory.mktemp("offices") / "city", last_recorded_month())


def _served(folder: Path, logs: Path) -> Iterator[dict[str, str]]:
    """One process; source -> address."""
    ports = {name: free_port() for name in NAMES}
    with Services(logs) as running:
        options = [f"--port={name}={port}" for name, port in ports.items()]
        running.start("offices", ["sandbox", "offices", "--city", str(folder), *options])
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        for name, url in urls.items():
            running.wait_ready("offices", f"{url}/health")
            assert httpx.get(f"{url}/health", trust_env=False).json() == {"status": "up", "bureau": name}
        yield urls


@pytest.fixture(scope="module")
def bureaus(city, tmp_path_factory) -> Iterator[dict[str, str]]:
    yield from _served(city, tmp_path_factory.mktemp("logs"))


def _opened(bureaus, shipped) -> Iterator[Sources]:
    """The shipped configuration at the offices' addresses, a little less patient."""
    env = {f"CREDITLINK_BUREAU_{name.upper()}_URL": url for name, url in bureaus.items()}
    held = load_sources(shipped, env).sources
    opened = Sources(config_for("http://127.0.0.1:1", limits=PATIENT, sources={name: held[name] for name in NAMES}))
    sources.configure(opened)
    yield opened
    opened.close()
    sources.configure(None)


@pytest.fixture
def offices(bureaus, shipped) -> Iterator[Sources]:
    yield from _opened(bureaus, shipped)
    for url in bureaus.values():
        httpx.delete(f"{url}/_faults", trust_env=False)


def consent_of(uscc):
    with db.transaction("owner") as session:
        firm = make.make_enterprise(session, uscc=uscc)
        return make.make_consent(
            session,
            now=utc_now() - timedelta(minutes=1),
            enterprise=firm,
            history_months=36,
            wanted=NAMES,
        )


def spoil(url, mode, **more):
    response = httpx.post(f"{url}/_faults", json={"uscc": "*", "mode": mode, "times": 0} | more, trust_env=False)
    assert response.status_code == 201, response.text


def pull(consent, offices, clock=utc_now):
    fetching.run_pull(consent.id, offices, clock)
    with db.transaction("worker") as session:
        return {part.source: part for part in session.scalars(select(PullPart))}


def held(consent, as_of):
    with db.transaction("worker") as session:
        return store.record_sets(session, [consent.enterprise_id], categories=NAMES, since=EVER, as_of=as_of)


def in_order(frame, name):
    """Without the firm's number, in one order of rows and columns; floats as the wire carries them."""
    keys = [k for k in FRAME_KEYS[name] if k != "firm"]
    return frame.drop("firm").with_columns(pl.col(pl.Float64).round(6)).sort(keys).select(sorted(frame.columns[1:]))


def assert_as_in(city, firm, consent, as_of):
    """Hold the store against what the city says was known of the firm on a day."""
    got = held(consent, as_of)
    for name in (n for category in NAMES for n in CATEGORY_FRAMES[category]):
        truth = as_known(pl.read_parquet(city / name / "*.parquet").filter(firm=firm), name, as_of)
        ours = got.frame(name)
        if name == "credit_events":  # searches have their own test
            truth, ours = truth.filter(pl.col("kind") != "searched"), ours.filter(pl.col("kind") != "searched")
        assert in_order(ours, name).equals(in_order(truth, name)), (name, as_of)


@pytest.mark.parametrize("firm", [FULL, SMALL])
def test_what_the_offices_hold_arrives_unchanged(empty_database, offices, city, firm):
    consent = consent_of(USCC[firm])
    parts = pull(consent, offices)
    assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, "DELIVERED")
    assert all(part.rejected == 0 and part.rows == part.total > 0 for part in parts.values())
    today = day_of(utc_now())
    for as_of in (today, today - timedelta(days=130), today - timedelta(days=400)):
        assert_as_in(city, firm, consent, as_of)


def test_a_generated_citys_firms_arrive_unchanged(empty_database, tmp_path, shipped):
    city = tmp_path / "city"
    write_city(city, firms=120, months=30, seed=5, until=last_recorded_month())
    firms = pl.read_parquet(city / "firms" / "*.parquet")
    known = {
        frame: pl.read_parquet(city / frame / "*.parquet", columns=["firm"])["firm"].unique()
        for name in NAMES
        for frame in CATEGORY_FRAMES[name]
    }
    # The firm that most of the offices know.
    counts = pl.concat(known.values()).value_counts().sort("count", "firm", descending=[True, False])
    firm = counts["firm"][0]
    assert counts["count"][0] >= 4
    consent = consent_of(firms.filter(firm=firm)["uscc"][0])
    served = _served(city, tmp_path / "logs")
    opened = _opened(next(served), shipped)
    parts = pull(consent, next(opened))
    for rest in (opened, served):
        assert next(rest, None) is None
    for name in NAMES:
        [frame] = CATEGORY_FRAMES[name]
        expected = "DELIVERED" if name == "public_credit" or firm in known[frame] else "NO_RECORD"
        assert (name, parts[name].status, parts[name].rejected) == (name, expected, 0)
    assert_as_in(city, firm, consent, day_of(utc_now()))


def test_a_firm_on_no_list_was_searched_for(empty_database, offices):
    consent = consent_of(USCC[CLEAN])
    parts = pull(consent, offices)
    assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, "NO_RECORD") | {
        "public_credit": "DELIVERED"
    }
    today = day_of(utc_now())
    [event] = held(consent, today).credit_events.drop("firm").rows(named=True)
    assert (event["kind"], event["period"], event["occurred_on"]) == ("searched", month_start(today), today)
    assert event["known_on"] == today
    assert held(consent, today - timedelta(days=1)).credit_events.is_empty()


def test_a_second_search_of_the_month_takes_the_place_of_the_first(empty_database, offices):
    consent = consent_of(USCC[SMALL])
    pull(consent, offices)
    pull(consent, offices, lambda: utc_now() + timedelta(days=2))
    kinds = held(consent, day_of(utc_now()))
    assert sorted(kinds.credit_events["kind"]) == ["red_list", "searched"]


class TestFaults:
    @pytest.mark.parametrize(
        ("mode", "status"),
        [
            ("http500", "DOWN"),
            ("timeout", "TIMEOUT"),
            ("no_record", "NO_RECORD"),
            ("partial", "PARTIAL"),
            ("malformed", "DELIVERED"),
            ("latency", "DELIVERED"),
        ],
    )
    def test_each_fault_has_its_status_and_nothing_is_lost_for_good(
        self, empty_database, offices, bureaus, city, mode, status
    ):
        consent = consent_of(USCC[FULL])
        for url in bureaus.values():
            spoil(url, mode, seconds=0.1)
        parts = pull(consent, offices)
        assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, status)
        with db.transaction("worker") as session:
            aside = session.execute(
                select(RejectedRow.source, func.count()).group_by(RejectedRow.source).order_by(RejectedRow.source)
            ).all()
        assert dict(aside) == ({name: parts[name].rejected for name in sorted(NAMES)} if mode == "malformed" else {})
        assert all(parts[name].rejected > 0 for name in NAMES) == (mode == "malformed")
        searched = "searched" in held(consent, day_of(utc_now())).credit_events["kind"].to_list()
        assert searched == (mode == "latency"), "a search counts only where every row was read"
        self._recover(bureaus, offices, consent)
        assert_as_in(city, FULL, consent, day_of(utc_now()))

    def test_rows_kept_aside_are_named_by_field_and_value(self, empty_database, offices, bureaus):
        consent = consent_of(USCC[FULL])
        for url in bureaus.values():
            spoil(url, "malformed")
        pull(consent, offices)
        with db.transaction("worker") as session:
            rows = session.scalars(select(RejectedRow)).all()
        told = {(row.source, row.field, row.excerpt) for row in rows}
        assert told >= {
            ("public_credit", "发生日期", "2025-02-30"),
            ("public_credit", "金额（万元）", "n/a"),
            ("contract", "month", "2025-02-30"),
            ("contract", "signedAmount", "n/a"),
            ("contract", "governmentLate", ""),
            ("intellectual_property", "granted", "n/a"),
            ("logistics", "stored_tonnes", ""),
            ("import_export", "wsjg", "n/a"),
            ("import_export", "lrsj", ""),
            ("housing_fund", "jzrq", "20250230"),
            ("housing_fund", "yjje", "n/a"),
        }
        assert all(row.reason for row in rows)

    def test_truncated_answers(self, empty_database, offices, bureaus, city):
        consent = consent_of(USCC[FULL])
        for url in bureaus.values():
            spoil(url, "truncated")
        # Lines that are cut off are still good up to the cut; half a JSON or XML document is nothing.
        by_line = ("logistics", "import_export")
        expected = {name: "PARTIAL" if name in by_line else "DOWN" for name in NAMES}
        parts = pull(consent, offices)
        assert {name: part.status for name, part in parts.items()} == expected
        assert all(parts[name].rows > 10 for name in by_line)
        self._recover(bureaus, offices, consent)
        assert_as_in(city, FULL, consent, day_of(utc_now()))

    def _recover(self, bureaus, offices, consent):
        for url in bureaus.values():
            httpx.delete(f"{url}/_faults", trust_env=False)
        fetching.run_pull(consent.id, offices, lambda: utc_now() + timedelta(days=8))

    def test_a_fault_that_passes_is_not_noticed(self, empty_database, offices, bureaus):
        consent = consent_of(USCC[FULL])
        for url in bureaus.values():
            spoil(url, "http500", times=1)
        assert {part.status for part in pull(consent, offices).values()} == {"DELIVERED"}

    def test_one_office_silent_leaves_the_others(self, empty_database, offices, bureaus):
        consent = consent_of(USCC[FULL])
        spoil(bureaus["contract"], "latency", seconds=6.0)
        parts = pull(consent, offices)
        assert {name: part.status for name, part in parts.items()} == dict.fromkeys(NAMES, "DELIVERED") | {
            "contract": "TIMEOUT"
        }
        assert parts["contract"].error == "contracts: no answer in time"

    def test_an_unknown_firm_has_no_record_anywhere(self, empty_database, offices):
        consent = consent_of(make.make_uscc(9_999_999))
        assert {part.status for part in pull(consent, offices).values()} == {"NO_RECORD"}

"""What the tax and utility bureaus hold arrives unchanged, through real HTTP and the store, for every kind of filer."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import httpx
import polars as pl
import pytest
from werkzeug.serving import make_server

from creditlink.engine.facts.catalogue_items import ITEMS
from creditlink.engine.facts.frames import FRAME_KEYS, FRAME_SCHEMAS, as_known
from creditlink.kit.clock import add_months
from creditlink.kit.postgres import db
from creditlink.records.connectors.tax import TaxConnector
from creditlink.records.connectors.utility import UtilityConnector
from creditlink.records.connectors.wire import Wire
from creditlink.records.pulls.delivery import Fact
from creditlink.sandbox.bureaus.serving import bureau_app
from creditlink.sandbox.city import write_city
from tests import factories as make
from tests.factories import NOW
from tests.records.test_connectors import QUICK
from tests.records.test_store import read, save

LAST = date(2026, 6, 1)
FIRST, ASKED = date(2020, 1, 1), date(2026, 8, 1)
TAX_FRAMES = ("vat_declarations", "income_tax_returns", "invoice_months", "tax_standing", "tax_events")


@contextmanager
def served(folder, kind):
    """Yield the address of a bureau of a city."""
    server = make_server("127.0.0.1", 0, bureau_app(kind, folder, None, {}), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filers") / "city"
    write_city(folder, firms=400, months=40, seed=11, until=LAST)
    return folder


@pytest.fixture(scope="module")
def frames(city):
    names = (*TAX_FRAMES, "meter_months")
    return {name: pl.read_parquet(sorted((city / name).glob("*.parquet"))) for name in names}


@pytest.fixture(scope="module")
def tax_office(city):
    with served(city, "tax") as url:
        yield url


@pytest.fixture(scope="module")
def utility_office(city):
    with served(city, "utility") as url:
        yield url


def of_firm(city, number):
    codes = pl.read_parquet(sorted((city / "firms").glob("*.parquet")))
    return codes.filter(pl.col("firm") == number)["uscc"][0]


def asked_tax(url, uscc, since=FIRST, until=ASKED):
    wire = Wire(url, QUICK)
    connector = TaxConnector(
        wire, app_id="creditlink-sandbox", secret="sandbox-tax-secret", clock=lambda: datetime.now(UTC)
    )
    try:
        return connector.fetch(uscc, since=since, until=until, proceed=lambda: True)
    finally:
        connector.close()


@pytest.fixture
def firm(empty_database):
    with db.transaction("owner") as session:
        began = NOW - timedelta(days=400)
        return make.make_enterprise(session, created_at=began, updated_at=began).id


def in_order(frame, name):
    keys = [key for key in FRAME_KEYS[name] if key != "firm"]
    return frame.drop("firm").with_columns(pl.col(pl.Float64).round(6)).sort(keys).select(sorted(frame.columns[1:]))


def assert_as_in(frames, number, firm, names, *days):
    for day in days:
        records = read(firm, since=FIRST, as_of=day).records
        for name in names:
            truth = as_known(frames[name].filter(firm=number), name, day)
            assert in_order(records.frame(name), name).equals(in_order(truth, name)), (name, day)


class TestTax:
    @pytest.mark.parametrize("filing", ["monthly", "quarterly", "occasion"])
    @pytest.mark.parametrize("place", [0, 1])
    def test_each_kind_of_filer(self, firm, city, frames, tax_office, filing, place):
        declared = frames["vat_declarations"].filter(pl.col("filing") == filing)
        # Those with most corrections: late, amended, unfiled.
        number = declared["firm"].value_counts(sort=True)["firm"][place]
        delivery = asked_tax(tax_office, of_firm(city, number))
        assert (delivery.status, delivery.rejects) == ("DELIVERED", [])
        assert delivery.rows == delivery.total
        save(firm, *delivery.facts)
        assert_as_in(frames, number, firm, TAX_FRAMES, *(add_months(LAST, -n) for n in (-2, 0, 3, 11)))

    def test_the_city_has_what_these_tests_are_about(self, frames):
        kinds = frames["vat_declarations"].group_by("filing").len()
        assert kinds.filter(pl.col("len") > 100).height == 3
        assert frames["vat_declarations"].filter(pl.col("exempt_sales_fen") > 0).height > 100
        assert set(frames["income_tax_returns"]["kind"]) == {"prepayment", "settlement"}
        assert set(frames["tax_events"]["kind"]) == {"violation", "penalty", "refund"}

    def test_some_months_came_as_several_occasions(self, city, frames, tax_office):
        declared = frames["vat_declarations"].filter(pl.col("filing") == "occasion")
        number = declared["firm"].value_counts(sort=True)["firm"][0]
        facts = asked_tax(tax_office, of_firm(city, number)).facts
        occasions = {(f.period, f.subkey) for f in facts if f.frame == "vat_declarations"}
        months = {period for period, _ in occasions}
        assert len(occasions) > len(months) > 3

    def test_every_item_of_the_catalogue_is_delivered(self, city, frames, tax_office):
        codes = set.intersection(*(set(frames[name]["firm"]) for name in TAX_FRAMES))
        facts = asked_tax(tax_office, of_firm(city, min(codes))).facts
        for name in TAX_FRAMES:
            subkeys = {"kind", "direction"} & set(FRAME_KEYS[name])
            items = {item.name for item in ITEMS[name]} - subkeys
            assert {frozenset(f.values) for f in facts if f.frame == name} == {frozenset(items)}

    def test_events_and_their_settlements(self, firm, city, frames, tax_office):
        busiest = frames["tax_events"]["firm"].value_counts(sort=True)["firm"][0]
        delivery = asked_tax(tax_office, of_firm(city, busiest))
        assert delivery.resources["wfcf"].rows >= 3
        save(firm, *delivery.facts)
        assert_as_in(frames, busiest, firm, ("tax_events",), *(add_months(LAST, -n) for n in range(-2, 14)))

    def test_a_clean_taxpayer_and_a_firm_that_is_none(self, city, frames, tax_office):
        clean = set(frames["tax_standing"]["firm"]) - set(frames["tax_events"]["firm"])
        delivery = asked_tax(tax_office, of_firm(city, min(clean)))
        assert (delivery.resources["wfcf"].status, delivery.resources["wfcf"].total) == ("DELIVERED", 0)
        unknown = asked_tax(tax_office, make.make_uscc(9_999_999))
        assert {r.status for r in unknown.resources.values()} == {"NO_RECORD"}

    def test_a_look_back_that_begins_within_a_quarter(self, city, frames, tax_office):
        declared = frames["vat_declarations"].filter(pl.col("filing") == "quarterly")
        number = declared["firm"].value_counts(sort=True)["firm"][0]
        since, until = date(2025, 5, 1), date(2026, 2, 28)
        delivery = asked_tax(tax_office, of_firm(city, number), since, until)
        periods = {f.period for f in delivery.facts if f.frame == "vat_declarations"}
        assert periods == {date(2025, 7, 1), date(2025, 10, 1)}
        assert delivery.rejects == []
        assert delivery.status == "DELIVERED"
        kept = {(f.subkey, f.period) for f in delivery.facts if f.frame == "income_tax_returns"}
        assert all(since <= period for _, period in kept)
        assert "settlement" not in {kind for kind, _ in kept}  # of 2025, which began before


class TestUtility:
    def test_night_and_weekend_usage(self, firm, city, frames, utility_office):
        told = frames["meter_months"].filter(pl.col("night_usage").is_not_null())
        number = told["firm"].value_counts(sort=True)["firm"][0]
        connector = UtilityConnector(
            Wire(utility_office, QUICK, auth=httpx.BasicAuth("creditlink", "sandbox-utility-password"))
        )
        delivery = connector.fetch(of_firm(city, number), since=FIRST, until=ASKED, proceed=lambda: True)
        connector.close()
        assert (delivery.status, delivery.rejects) == ("DELIVERED", [])
        save(firm, *delivery.facts)
        assert_as_in(frames, number, firm, ("meter_months",), add_months(LAST, 2), add_months(LAST, -9))
        electricity = read(firm, since=FIRST).records.meter_months.filter(kind="electricity")
        assert 0 < electricity["night_usage"].sum() < electricity["usage"].sum()


class TestStore:
    """Several facts of one key, through the database."""

    APRIL = date(2026, 4, 1)

    def occasion(self, record, sales, filed, *, version=0, known=NOW - timedelta(days=60)):
        money = dict.fromkeys([name for name in FRAME_SCHEMAS["vat_declarations"] if name.endswith("_fen")], sales)
        values = {"months": 1, "filing": "occasion", **money, "due_on": "2026-05-15", "filed_on": filed}
        return Fact("vat_declarations", self.APRIL, record, values, known, version)

    def event(self, record, severity, ended=None, *, version=0, known=NOW - timedelta(days=60)):
        values = {"occurred_on": "2026-04-18", "severity": severity, "amount_fen": 5, "ended_on": ended}
        return Fact("tax_events", self.APRIL, f"penalty/{record}", values, known, version)

    def test_occasions_are_added_up_as_known_on_the_day(self, firm):
        later = NOW - timedelta(days=5)
        save(
            firm,
            self.occasion("ZS-1", 100, "2026-04-20"),
            self.occasion("ZS-2", None, None),
            self.occasion("ZS-2", 250, "2026-06-01", version=1, known=later),
        )
        before = read(firm, as_of=(later - timedelta(days=2)).date()).records.vat_declarations
        after = read(firm).records.vat_declarations
        assert (before["taxable_sales_fen"].to_list(), before["filed_on"].to_list()) == ([100], [None])
        assert (after["taxable_sales_fen"].to_list(), after["filed_on"].to_list()) == ([350], [date(2026, 6, 1)])
        assert after["known_on"].to_list() == [later.date()]

    def test_an_occasion_sent_twice_counts_once(self, firm):
        twice = [self.occasion("ZS-1", 100, "2026-04-20")] * 2
        assert save(firm, *twice, self.occasion("ZS-2", 1, "2026-04-21")) == 2
        assert save(firm, *twice) == 0
        assert read(firm).records.vat_declarations["taxable_sales_fen"].to_list() == [101]

    def test_one_occasion_alone_and_one_within_a_quarter(self, firm):
        save(firm, self.occasion("ZS-1", 100, "2026-04-20"))
        assert read(firm).records.vat_declarations["taxable_sales_fen"].to_list() == [100]
        quarter = self.occasion("", 900, "2026-07-09")
        quarter.values.update(months=3, filing="quarterly")
        save(firm, quarter)
        assert read(firm).records.vat_declarations["taxable_sales_fen"].to_list() == [900]

    def test_two_penalties_of_one_day(self, firm):
        save(firm, self.event("WF-1", 1, "2026-04-25"), self.event("WF-2", 3))
        [row] = read(firm).records.tax_events.to_dicts()
        assert (row["severity"], row["amount_fen"], row["ended_on"]) == (3, 10, None)
        save(firm, self.event("WF-2", 3, "2026-06-02", version=1, known=NOW - timedelta(days=3)))
        assert read(firm).records.tax_events["ended_on"].to_list() == [date(2026, 6, 2)]

    def test_replay_reads_the_same_facts_into_the_same_frames(self, firm):
        save(firm, self.occasion("ZS-1", 100, "2026-04-20"), self.occasion("ZS-2", 250, "2026-05-02"))
        save(firm, self.event("WF-1", 1), self.event("WF-2", 2))
        first = read(firm)
        save(firm, self.occasion("ZS-3", 9, "2026-05-03"))
        again = read(firm, only=first.fact_ids)
        assert again.sha256 == first.sha256
        for name in TAX_FRAMES:
            assert again.records.frame(name).equals(first.records.frame(name))

"""On no day of a month do the sandbox's offices tell what can only be known later; scripted firms keep their word."""

from __future__ import annotations

import base64
from datetime import date

import polars as pl
import pytest

from creditlink.engine.facts.frames import CATEGORY_FRAMES, FRAME_SCHEMAS, RecordSet, empty
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.profile.pipeline import profile_many
from creditlink.engine.profile.snapshot import snapshot
from creditlink.kit.clock import add_months, month_start
from creditlink.kit.settings import ROOT, load_settings
from creditlink.portal.developers.script import FIRMS
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.bureaus.holdings import Holdings
from creditlink.sandbox.bureaus.serving import bureau_app
from creditlink.sandbox.bureaus.tax import TaxBureau
from creditlink.sandbox.city import write_city
from creditlink.sandbox.platform.scripted_firms import FIRST_NUMBER, write_scripted_firms

pytestmark = pytest.mark.pure

DAYS = [date(2026, 12, day) for day in (1, 14, 16, 21, 28, 31)]
UNTIL = date(2026, 11, 1)
_METERS = {"electricity": "meter_months"}
_MAY_LACK = ("tax_events", "income_tax_returns")
TIMED = [name for name, schema in FRAME_SCHEMAS.items() if "known_on" in schema]
BASIC = {"Authorization": "Basic " + base64.b64encode(b"creditlink:sandbox-utility-password").decode()}


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("today") / "city"
    write_city(folder, firms=60, months=14, seed=8, until=UNTIL)
    write_scripted_firms(folder, until=UNTIL)
    return folder


@pytest.fixture(scope="module")
def live():
    return load_live(load_settings({"CREDITLINK_ENVIRONMENT": "test", "CREDITLINK_SECRET_KEY": "k" * 40}))


@pytest.mark.parametrize("day", DAYS)
def test_all_that_is_known_and_no_more(city, day):
    codes = pl.read_parquet(city / "firms" / "*.parquet")["uscc"]
    holdings = Holdings(city, tuple(TIMED), lambda: day)
    for name in TIMED:
        told = pl.concat([holdings.rows(name, uscc) for uscc in codes])
        known = pl.read_parquet(city / name / "*.parquet").filter(pl.col("known_on") <= day)
        assert told["known_on"].max() is None or told["known_on"].max() <= day, name
        assert told.drop("version").sort(pl.all()).equals(known.sort(pl.all())), name
        days = [column for column, kind in FRAME_SCHEMAS[name].items() if kind == pl.Date and column != "due_on"]
        assert all(told.filter(pl.col(column) > day).is_empty() for column in days), name


def test_an_office_that_runs_on_learns_as_days_pass(city):
    """The tax office keeps invoices it made from a month: not beyond the day."""
    today = [DAYS[0]]
    holdings = Holdings(city, ("invoice_months",), lambda: today[0])
    office = TaxBureau(holdings, None, "id", "secret")
    late = pl.read_parquet(city / "invoice_months" / "*.parquet").filter(pl.col("known_on") > today[0])["firm"][0]
    uscc = pl.read_parquet(city / "firms" / "*.parquet").filter(pl.col("firm") == late)["uscc"][0]
    before = office._invoices(uscc)
    today[0] = DAYS[3]
    assert max(one.known_on for one in before) <= DAYS[0]
    assert max(one.known_on for one in office._invoices(uscc)) > DAYS[0]


def test_the_wire_says_so(city):
    """A bill paid on the 8th is no line of the 1st."""
    uscc = FIRMS[0].uscc
    asked = {"uscc": uscc, "from": "2026-10", "to": "2026-11"}
    months = {}
    for day in (DAYS[0], DAYS[2]):
        client = bureau_app("utility", city, None, {}, lambda day=day: day).test_client()
        answer = client.get("/v1/electricity/months", query_string=asked, headers=BASIC)
        months[day.day] = [line.split(",")[3] for line in answer.text.splitlines()[1:]]
    assert months == {1: ["2026-10"], 16: ["2026-10", "2026-11"]}


@pytest.mark.parametrize("day", [*DAYS, date(2027, 1, 1), date(2027, 2, 28), date(2027, 4, 1), date(2027, 6, 15)])
def test_scripted_firms_do_what_their_page_says_on_every_day(tmp_path, live, day):
    write_scripted_firms(tmp_path, until=add_months(month_start(day), -1))
    holdings = Holdings(tmp_path, tuple(TIMED), lambda: day)
    registration = pl.read_parquet(tmp_path / "registration" / "*.parquet")
    book = compile_book([], BY_NAME, matching_settings(ROOT / "config"))
    for place, firm in enumerate(FIRMS):
        expected = firm.expected
        if expected.profile is None:
            continue
        covered = {name for name, status in expected.coverage if status == "delivered"}
        frames = {"registration": registration.filter(pl.col("firm") == FIRST_NUMBER + place)}
        for name in TIMED:
            opened = any(name in (*CATEGORY_FRAMES.get(one, ()), _METERS.get(one)) for one in covered)
            known = opened or name == "credit_events"  # which is public
            frames[name] = holdings.rows(name, firm.uscc).drop("version") if known else empty(name)
            assert not opened or name in _MAY_LACK or len(frames[name]), (firm.slug, name)
        made = profile_many(RecordSet(**frames), as_of=day, live=live, book=book)
        shot = snapshot(made, 0, live=live, missing={})
        assert shot.state == expected.state, firm.slug
        assert not expected.grades or shot.grade in expected.grades, (firm.slug, shot.grade)
        assert tuple(one["code"] for one in shot.summary["knock_outs"]) == expected.knock_outs, firm.slug
        assert set(expected.reasons) <= {one["code"] for one in shot.summary["reasons"]}, firm.slug

"""The three dialects against offices that behave, misbehave and lie."""

import hashlib
import hmac
import json
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import httpx
import pytest

from creditlink.records.connectors.social_security import SocialSecurityConnector
from creditlink.records.connectors.tax import TaxConnector, signature
from creditlink.records.connectors.utility import UtilityConnector
from creditlink.records.connectors.wire import PullStopped, TimeLimits, Wire
from creditlink.records.pulls.delivery import Delivery, Fact, ResourceResult
from tests.records.offices import Reply, office, trickling

pytestmark = pytest.mark.pure

USCC = "91440606MA4UXYQ27F"
SINCE, UNTIL = date(2024, 4, 1), date(2024, 9, 30)
QUICK = TimeLimits(
    connect_seconds=1, read_seconds=0.3, attempts=3, wait_seconds=0.01, wait_max_seconds=0.02, jitter_seconds=0
)
HEADER = (
    "record_id,version,service_point,period,usage,night_usage,weekend_usage,unit,amount_fen,due_on,paid_on,method,"
    "read_quality,disconnected,recorded_at"
)


@contextmanager
def asking(connector, answer, limits=QUICK, **auth):
    """Yield a function that fetches from an office that answers `answer`, and the office."""
    with office(answer) as desk:
        wire = Wire(desk.url, limits, auth=auth.pop("auth", None))
        made = connector(wire, **auth)

        def fetch(proceed=lambda: True, since=SINCE, until=UNTIL):
            return made.fetch(USCC, since=since, until=until, proceed=proceed)

        try:
            yield fetch, desk
        finally:
            wire.close()


def tax(answer):
    return asking(TaxConnector, answer, app_id="app", secret="key", clock=lambda: datetime(2026, 8, 24, tzinfo=UTC))


def payroll_office(answer):
    return asking(SocialSecurityConnector, answer, api_key="key")


def meters(answer):
    return asking(UtilityConnector, answer, auth=httpx.BasicAuth("user", "pass"))


def as_json(body, status=200):
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


RESOURCES = 5  # that the tax bureau is asked for
NO_TAX_RECORD = as_json({"code": "4004", "msg": "查无记录", "total": 0, "data": []})


def invoice(number, day="20240418", **changes):
    row = {
        "lsh": f"FX-{number}",
        "bbh": 0,
        "fphm": "10482213",
        "kprq": day,
        "fx": "X",
        "dfdm": "G7K2M4Q9",
        "je": "100.00",
        "se": "13.00",
        "hj": "113.00",
        "zt": "0",
        "lrsj": "20240503021455+0800",
    }
    return {k: v for k, v in (row | changes).items() if v is not None}


def page_of(rows, total=None, whole="Y"):
    return as_json(
        {"code": "0000", "msg": "成功", "total": len(rows) if total is None else total, "wzbz": whole, "data": rows}
    )


def only_invoices(make):
    """Answer invoice requests by `make(body)`, everything else with no record."""

    def answer(asked):
        return make(json.loads(asked.body)) if asked.path.endswith("fapiao/query") else NO_TAX_RECORD

    return answer


def month(period="2024-04", headcount="23", **attributes):
    attributes = {
        "id": f"SB-{period}",
        "version": "0",
        "period": period,
        "recordedAt": f"{period}-21T10:12:45+08:00",
    } | attributes
    text = " ".join(f'{k}="{v}"' for k, v in attributes.items())
    return (
        f"<month {text}><headcount>{headcount}</headcount><base>149500.00</base><due>50082.50</due>"
        "<paid>50082.50</paid>"
        "<dueOn>2024-05-20</dueOn><paidOn/><joiners>2</joiners><leavers>1</leavers></month>"
    )


def payrolls(*months, total=None, uscc=USCC, complete="true", following="", before=""):
    total = len(months) if total is None else total
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<payrolls uscc="{uscc}" total="{total}" complete="{complete}">'
    )
    return Reply(200, (body + "".join(months) + following + "</payrolls>").encode())


def meter_line(period="2024-04", point="P1", usage="18234.5", **changes):
    row = dict(
        zip(
            HEADER.split(","),
            f"E-{period}-{point},0,{point},{period},{usage},,,kWh,1276415,2024-05-25,,DD,A,0,2024-05-26T01:31:07Z".split(
                ","
            ),
            strict=True,
        )
    )
    return ",".join((row | changes).values())


def csv_of(*lines, total=None, complete="true", **headers):
    body = "\r\n".join((HEADER, *lines)) + "\r\n"
    fixed = {
        "Content-Type": "text/csv; charset=utf-8",
        "X-Total-Count": str(len(lines) if total is None else total),
        "X-Complete": complete,
    }
    return Reply(200, body.encode(), fixed | headers)


NO_METER = Reply(204, b"", {"X-Record": "none"})


def only_electricity(make):
    def answer(asked):
        return make(asked) if "electricity" in asked.path else NO_METER

    return answer


class TestTax:
    def test_the_manuals_worked_example_of_a_signature(self):
        body = b'{"tyshxydm":"91440606MA4UXYQ27F","ssqQ":"202404","ssqZ":"202603","pageNum":1,"pageSize":100}'
        made = signature(
            b"sandbox-tax-secret", "POST", "/swj/v1/zzssb/query", "1764547200000", "b2f0c6a1d4e84b0f9a3c", body
        )
        assert made == "3573a852140c9bfdaba6fe810ccb9e59dcd0343d24443fb8721129e1b03dbac1"

    def test_each_attempt_is_signed_with_a_nonce_of_its_own(self):
        seen = []

        def answer(asked):
            seen.append(asked)
            return Reply(500, b"{}") if len(seen) < 3 else NO_TAX_RECORD

        with tax(answer) as (fetch, _):
            assert fetch().status == "NO_RECORD"
        assert len({a.headers["X-Nonce"] for a in seen}) == len(seen) == RESOURCES + 2
        for a in seen:
            digest = hashlib.sha256(a.body).hexdigest()
            base = "\n".join(("POST", a.path, a.headers["X-Timestamp"], a.headers["X-Nonce"], digest))
            assert a.headers["X-Signature"] == hmac.new(b"key", base.encode(), hashlib.sha256).hexdigest()

    def test_invoices_become_months(self):
        rows = [
            invoice(1),
            invoice(2, je="300.00", se="39.00", hj="339.00", dfdm="OTHER"),
            invoice(3, zt="1"),
            invoice(4, je="-50.00", se="-6.50", hj="-56.50"),
            invoice(5, fx="J", lrsj="20240510021455+0800"),
        ]
        with tax(only_invoices(lambda _: page_of(rows))) as (fetch, _):
            delivery = fetch()
        assert delivery.status == "DELIVERED"
        facts = {f.subkey: f for f in delivery.facts}
        sales = facts["output"].values
        assert (sales["invoices"], sales["amount_fen"], sales["tax_fen"]) == (2, 35_000, 4_550)
        assert (sales["void_invoices"], sales["red_invoices"], sales["red_amount_fen"]) == (1, 1, 5_000)
        assert (sales["counterparties"], sales["top1_amount_fen"], sales["hhi"]) == (2, 30_000, 0.625)
        assert facts["input"].known_at == datetime(2024, 5, 9, 18, 14, 55, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"kprq": "20240230"}, "kprq"),
            ({"je": "n/a"}, "je"),
            ({"je": "1e3"}, "je"),
            ({"dfdm": None}, "dfdm"),
            ({"hj": "1.00"}, "hj"),
            ({"zt": "7"}, "zt"),
            ({"fx": "Y"}, "fx"),
            ({"bbh": "0x"}, "bbh"),
            ({"bbh": True}, "bbh"),
            ({"lrsj": "20240503021455"}, "lrsj"),
            ({"lsh": "x" * 41}, "lsh"),
            ({"kprq": "20230401"}, "kprq"),
        ],
    )
    def test_a_bad_invoice_is_kept_aside_and_the_rest_goes_in(self, changes, field):
        rows = [invoice(1), invoice(2, **changes), invoice(3)]
        with tax(only_invoices(lambda _: page_of(rows))) as (fetch, _):
            delivery = fetch()
        [reject] = delivery.rejects
        assert (reject.source, reject.resource, reject.position, reject.field) == (
            "tax",
            "fapiao",
            "page 1 row 1",
            field,
        )
        assert reject.reason
        [fact] = [f for f in delivery.facts if f.period == date(2024, 4, 1)]
        assert fact.values["invoices"] == 2
        assert not fact.complete or field == "kprq"

    def test_rows_that_are_no_objects_are_kept_aside(self):
        with tax(only_invoices(lambda _: page_of([invoice(1), 7, None, ["x"]]))) as (fetch, _):
            delivery = fetch()
        assert [r.position for r in delivery.rejects] == ["page 1 row 1", "page 1 row 2", "page 1 row 3"]
        assert len(delivery.facts) == 1

    def test_months_that_may_lack_invoices_are_withheld(self):
        """The first page lacks rows after April's: April, and up to the next page's first month, are uncertain."""
        first = [invoice(n, f"202404{10 + n}") for n in range(3)]
        second = [invoice(10, "20240620"), invoice(11, "20240801")]

        def answer(body):
            rows = first if body["pageNum"] == 1 else second
            return page_of(rows, total=1002, whole="N" if body["pageNum"] == 1 else "Y")

        with tax(only_invoices(answer)) as (fetch, _):
            delivery = fetch()
        assert delivery.status == "PARTIAL"
        assert delivery.resources["fapiao"].withheld_months == ["2024-04", "2024-05", "2024-06"]
        assert [f.period for f in delivery.facts] == [date(2024, 8, 1)]

    def test_an_office_that_fails_midway_is_partial(self):
        def answer(body):
            rows = [invoice(n, "20240405") for n in range(1000)]
            return page_of(rows, total=2000) if body["pageNum"] == 1 else Reply(500, b"{}")

        with tax(only_invoices(answer)) as (fetch, desk):
            delivery = fetch()
        assert delivery.status == "PARTIAL"
        assert delivery.resources["fapiao"].error == "the office answers 500"
        assert delivery.resources["fapiao"].withheld_months[0] == "2024-04"
        assert len(desk.asked) == RESOURCES - 1 + 1 + QUICK.attempts

    @pytest.mark.parametrize(
        ("reply", "status"),
        [
            (Reply(500, b"{}"), "DOWN"),
            (Reply(503, b"busy"), "DOWN"),
            (Reply(504, b"{}"), "TIMEOUT"),
            (Reply(200, b"<html>"), "DOWN"),
            (Reply(200, b"[1]"), "DOWN"),
            (Reply(200, b'{"code": "0000", "total": "9", "data": []}'), "DOWN"),
            (Reply(200, b'{"code": "0000", "total": 9'), "DOWN"),
            (Reply(200, b'{"code": "0000"}' * 99, hang_up=True), "DOWN"),
            (as_json({"code": "1003", "msg": "signature"}, 401), "DENIED"),
            (as_json({"code": "2001", "field": "ssqQ"}, 400), "DENIED"),
            (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "DENIED"),
        ],
    )
    def test_failures_are_told_apart(self, reply, status):
        with tax(lambda _: reply) as (fetch, desk):
            delivery = fetch()
        assert delivery.status == status
        assert delivery.facts == []
        assert delivery.error
        assert USCC not in delivery.error
        assert len(desk.asked) == RESOURCES * (1 if status == "DENIED" else QUICK.attempts)

    def test_a_passing_fault_is_asked_again(self):
        count = iter(range(99))
        with tax(lambda _: Reply(500, b"{}") if next(count) % 2 == 0 else NO_TAX_RECORD) as (fetch, _):
            assert fetch().status == "NO_RECORD"

    def test_nothing_in_the_range_is_not_no_record(self):
        with tax(lambda _: page_of([])) as (fetch, _):
            delivery = fetch()
        assert (delivery.status, delivery.facts) == ("DELIVERED", [])

    def test_a_total_that_never_ends_does_not_hold_us(self):
        """Pages beyond what came are asked for only as the total says, and empty ones say partial."""
        with tax(only_invoices(lambda _: page_of([], total=3000))) as (fetch, desk):
            assert fetch().status == "PARTIAL"
        assert len(desk.asked) == RESOURCES - 1 + 3


class TestSocialSecurity:
    def test_pages_are_followed_to_the_end(self):
        def answer(asked):
            if "cursor" not in asked.query:
                return payrolls(month("2024-04"), total=2, following="<next>abc</next>")
            return payrolls(month("2024-05"), total=2)

        with payroll_office(answer) as (fetch, desk):
            delivery = fetch()
        assert delivery.status == "DELIVERED"
        assert [f.period.month for f in delivery.facts] == [4, 5]
        assert delivery.facts[0].values["paid_on"] is None
        assert delivery.facts[0].values["base_fen"] == 14_950_000
        assert desk.asked[0].headers["X-Api-Key"] == "key"
        assert desk.asked[1].query["cursor"] == "abc"

    @pytest.mark.parametrize(
        ("reply", "status"),
        [
            (Reply(404, b'<error code="NO_RECORD">none</error>'), "NO_RECORD"),
            (Reply(404, b'<error code="NOT_FOUND">where</error>'), "DENIED"),
            (Reply(401, b'<error code="UNAUTHORIZED">key</error>'), "DENIED"),
            (Reply(500, b'<error code="INTERNAL">x</error>'), "DOWN"),
            (payrolls(month(), uscc="91440606MA4UXYQ28X"), "DOWN"),
            (payrolls(month(), before='<!DOCTYPE p [<!ENTITY a "b">]>'), "DOWN"),
            (Reply(200, b"<payrolls"), "DOWN"),
            (Reply(200, f'<payrolls uscc="{USCC}" total="x"/>'.encode()), "DOWN"),
            (payrolls(month(), complete="false", total=3), "PARTIAL"),
            (payrolls(month(), total=3), "PARTIAL"),
            (payrolls(month(), following="<next>same</next>"), "PARTIAL"),
            (payrolls(), "DELIVERED"),
        ],
    )
    def test_answers_are_told_apart(self, reply, status):
        with payroll_office(lambda _: reply) as (fetch, _):
            assert fetch().status == status

    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            (month("2024-13"), "period"),
            (month("2024-01"), "period"),
            (month(headcount="-3"), "headcount"),
            (month(headcount="n/a"), "headcount"),
            (month().replace("<base>149500.00</base>", ""), "base"),
            (month().replace("2024-05-20", "2024-02-30"), "dueOn"),
            (month(recordedAt="2024-05-21T10:12:45"), "recordedAt"),
        ],
    )
    def test_a_bad_row_is_kept_aside(self, bad, field):
        with payroll_office(lambda _: payrolls(bad, month("2024-06"))) as (fetch, _):
            delivery = fetch()
        assert [f.period.month for f in delivery.facts] == [6]
        assert [(r.position, r.field) for r in delivery.rejects] == [("page 1 row 0", field)]
        assert delivery.status == "DELIVERED"


class TestUtility:
    def test_service_points_stay_apart(self):
        reply = csv_of(meter_line(point="P1"), meter_line(point="P2", usage=""))
        with meters(only_electricity(lambda _: reply)) as (fetch, desk):
            delivery = fetch()
        assert delivery.status == "DELIVERED"
        assert [f.subkey for f in delivery.facts] == ["electricity/P1", "electricity/P2"]
        assert [f.values["usage"] for f in delivery.facts] == [18234.5, None]
        assert [f.values["night_usage"] for f in delivery.facts] == [None, None]
        assert desk.asked[0].headers["Authorization"].startswith("Basic ")
        assert delivery.resources["gas"].status == "NO_RECORD"

    def test_what_an_interval_meter_counts_at_night_and_at_weekends(self):
        line = meter_line(usage="1000.0", night_usage="250.5", weekend_usage="0")
        with meters(only_electricity(lambda _: csv_of(line))) as (fetch, _):
            [fact] = fetch().facts
        assert (fact.values["night_usage"], fact.values["weekend_usage"]) == (250.5, 0.0)

    def test_no_water_meter_counts_by_the_hour(self):
        line = meter_line(usage="10", night_usage="2", unit="m3")
        with meters(lambda asked: csv_of(line) if "water" in asked.path else NO_METER) as (fetch, _):
            delivery = fetch()
        [reject] = delivery.rejects
        assert (reject.resource, reject.field, reject.excerpt) == ("water", "night_usage", "2")

    def test_the_next_link_is_followed(self):
        def answer(asked):
            if "page" in asked.query:
                return csv_of(meter_line("2024-05"), total=2)
            link = f'<{asked.path}?uscc={USCC}&from=2024-04&to=2024-09&page=2&per_page=1>; rel="next"'
            return csv_of(meter_line("2024-04"), total=2, Link=link)

        with meters(only_electricity(answer)) as (fetch, desk):
            delivery = fetch()
        assert [f.period.month for f in delivery.facts] == [4, 5]
        assert desk.asked[1].query["page"] == "2"

    @pytest.mark.parametrize("link", ["http://127.0.0.1:1/steal", "//127.0.0.1:1/steal", "/v1/water/months?uscc=x"])
    def test_credentials_are_not_carried_elsewhere(self, link):
        reply = csv_of(meter_line(), total=2, Link=f'<{link}>; rel="next"')
        with meters(only_electricity(lambda _: reply)) as (fetch, _):
            delivery = fetch()
        assert delivery.resources["electricity"].status == "PARTIAL"
        assert delivery.resources["electricity"].error == "the next page is elsewhere"

    def test_the_whole_lines_of_a_torn_answer_are_kept(self):
        reply = csv_of(meter_line("2024-04"), meter_line("2024-05"), meter_line("2024-06"))
        reply.body = reply.body[:-40]
        with meters(only_electricity(lambda _: reply)) as (fetch, desk):
            delivery = fetch()
        assert delivery.status == "PARTIAL"
        assert [f.period.month for f in delivery.facts] == [4, 5]
        assert [(r.position, r.field) for r in delivery.rejects] == [("page 1 row 2", "(line)")]
        assert len([a for a in desk.asked if "electricity" in a.path]) == QUICK.attempts

    @pytest.mark.parametrize(
        ("line", "field"),
        [
            (meter_line(usage="-4"), "usage"),
            (meter_line(night_usage="-4"), "night_usage"),
            (meter_line(night_usage="18234.6"), "night_usage"),
            (meter_line(weekend_usage="1,000"), "(line)"),
            (meter_line(weekend_usage="n/a"), "weekend_usage"),
            (meter_line(usage="", weekend_usage="1.0"), "weekend_usage"),
            (meter_line(unit="m3"), "unit"),
            (meter_line(amount_fen="12.5"), "amount_fen"),
            (meter_line(method="XX"), "method"),
            (meter_line(disconnected="2"), "disconnected"),
            ("E-1,0,P1", "unit"),
            ("E-1,0,P1,2024-04,1.0,,,kWh", "amount_fen"),
        ],
    )
    def test_a_bad_row_is_kept_aside(self, line, field):
        with meters(only_electricity(lambda _: csv_of(line, meter_line("2024-07")))) as (fetch, _):
            delivery = fetch()
        assert [f.period.month for f in delivery.facts] == [7]
        assert [r.field for r in delivery.rejects] == [field]

    @pytest.mark.parametrize(
        ("reply", "status"),
        [
            (NO_METER, "NO_RECORD"),
            (Reply(204), "DENIED"),
            (Reply(401, b"unauthorized: no"), "DENIED"),
            (Reply(504, b"timeout: x"), "TIMEOUT"),
            (Reply(200, b"<html>", {"Content-Type": "text/html"}), "DOWN"),
            (Reply(200, b"a,b\r\n", {"Content-Type": "text/csv", "X-Total-Count": "0"}), "DOWN"),
            (csv_of(meter_line(), complete="false", total=2), "PARTIAL"),
        ],
    )
    def test_answers_are_told_apart(self, reply, status):
        with meters(lambda _: reply) as (fetch, _):
            assert fetch().status == status


class TestStopping:
    @pytest.mark.parametrize("allowed", [0, 1, 2])
    def test_a_consent_that_ends_stops_the_next_request(self, allowed):
        left = iter([True] * allowed)
        with tax(lambda _: NO_TAX_RECORD) as (fetch, desk):
            with pytest.raises(PullStopped):
                fetch(lambda: next(left, False))
            assert len(desk.asked) == (allowed + 1) // 2


def test_nobody_listens():
    wire = Wire("http://127.0.0.1:1", QUICK)
    delivery = SocialSecurityConnector(wire, api_key="k").fetch(USCC, since=SINCE, until=UNTIL, proceed=lambda: True)
    wire.close()
    assert (delivery.status, delivery.error) == ("DOWN", "payroll: connection failed (ConnectError)")


def test_headers_that_trickle_in_end_with_the_whole_requests_time():
    limits = replace(QUICK, read_seconds=5.0, total_seconds=0.8)
    with trickling() as (url, _):
        wire = Wire(url, limits)
        began = time.monotonic()
        delivery = SocialSecurityConnector(wire, api_key="k").fetch(
            USCC, since=SINCE, until=UNTIL, proceed=lambda: True
        )
        wire.close()
    assert (delivery.status, delivery.error) == ("TIMEOUT", "payroll: the answer does not end in time")
    assert time.monotonic() - began < 4.0


def test_evidence_of_a_pull_names_what_arrived_and_nothing_else():
    fact = Fact("payroll_months", date(2026, 1, 1), "", {}, datetime(2026, 2, 1, tzinfo=UTC))
    arrived = Delivery("social_security", facts=[fact], resources={"payroll": ResourceResult(rows=1)})
    told = arrived.as_evidence()
    assert (told["categories"], told["facts"], told["rows"]) == (["social_security"], {"payroll_months": 1}, 1)
    assert "headcount" in told["fields"]["payroll_months"]
    down = Delivery.failed("tax", "DOWN", "left alone for a moment").as_evidence()
    assert (down["categories"], down["facts"], down["fields"]) == ([], {}, {})
    assert "left alone" in down["error"]

"""The six dialects against offices that behave, misbehave and lie."""

from __future__ import annotations

import codecs
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product
from urllib.parse import parse_qsl
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest

from creditlink.kit.files.text import flaw
from creditlink.kit.settings import ROOT
from creditlink.records.connectors import wire
from creditlink.records.connectors.offices import OFFICES, pages
from creditlink.records.connectors.offices.housing_fund import form_signature
from creditlink.records.connectors.wire import PullStopped, Wire
from tests.records.offices import Reply, office
from tests.records.test_border_values import NEVER
from tests.records.test_connectors import QUICK

pytestmark = pytest.mark.pure

USCC = "91440606MA4UXYQ27F"
SINCE, UNTIL = date(2024, 4, 1), date(2024, 9, 30)
CONNECTORS = {connector.source: connector for connector in OFFICES}
CERTIFICATE = {
    "凭证编号": "PZ20240930101010AB",
    "查询时间": "2024-09-30T10:10:10+08:00",
    "起始月份": "2024-04",
    "截止月份": "2024-09",
    "名单范围": ["行政处罚", "行政许可", "被执行人", "失信被执行人", "守信红名单"],
}


def as_json(body, status=200, **headers):
    return Reply(
        status, json.dumps(body).encode("utf-8", "surrogatepass"), {"Content-Type": "application/json"} | headers
    )


def public_credit(rows, total=None, whole=True, certificate=CERTIFICATE, uscc=USCC):
    body = {"状态码": "200", "统一社会信用代码": uscc, "查询凭证": certificate, "总条数": _total(rows, total)}
    return as_json(body | {"是否完整": "是" if whole else "否", "记录": rows})


def contract(rows, total=None, whole=True, uscc=USCC):
    def row(fields):
        attributes = "".join(
            f" {name}={quoteattr(str(fields[name]))}"
            for name in ("id", "version", "month", "registered")
            if name in fields
        )
        inner = "".join(
            f"<{name}>{escape(str(value))}</{name}>"
            for name, value in fields.items()
            if name not in ("id", "version", "month", "registered")
        )
        return f"<monthly{attributes}>{inner}</monthly>"

    head = f'<contracts uscc="{uscc}" total="{_total(rows, total)}" complete="{str(whole).lower()}">'
    return Reply(200, (head + "".join(map(row, rows)) + "</contracts>").encode("utf-8", "surrogatepass"))


def intellectual_property(rows, total=None, whole=True, uscc=USCC):
    return as_json({"uscc": uscc, "total": _total(rows, total), "complete": whole, "grants": rows}, ETag='"one"')


def logistics(rows, total=None, whole=True, uscc=USCC, following=""):
    end = {"type": "end", "uscc": uscc, "total": _total(rows, total), "complete": whole, "next": following}
    lines = [json.dumps(row) for row in [*rows, end]]
    return Reply(200, "".join(f"{line}\n" for line in lines).encode())


def import_export(rows, total=None, whole=True, uscc=USCC):
    lines = [
        f"H|{uscc}|{_total(rows, total)}|1|{'完整' if whole else '不完整'}",
        *("|".join(["D", *map(str, row.values())]) for row in rows),
        f"T|{len(rows)}",
    ]
    return Reply(200, "".join(f"{line}\r\n" for line in lines).encode("gb18030"))


def housing_fund(rows, total=None, whole=True, uscc=USCC):
    columns = list(GOOD["housing_fund"])
    body = {"ret": 0, "tyshxydm": uscc, "zts": _total(rows, total), "wz": int(whole), "cols": columns}
    return as_json(body | {"rows": [[row[name] for name in columns if name in row] for row in rows]})


def _total(rows, total):
    return len(rows) if total is None else total


GOOD = {
    "public_credit": {
        "记录编号": "CF-1", "版本": 0, "信息类别": "行政处罚", "发生日期": "2024-04-12", "严重程度": "一般",
        "金额（万元）": "0.500000", "结束日期": "", "归集时间": "2024-04-20T09:31:07+08:00",
    },
    "contract": {
        "id": "HT-1", "version": "0", "month": "2024-04", "registered": "2024-05-10T09:31:07+08:00", "signed": "3",
        "signedAmount": "125000.00", "performed": "2", "performedAmount": "80000.00", "breached": "0",
        "breachedAmount": "0.00", "governmentDue": "30000.00", "governmentLate": "100.00",
    },
    "intellectual_property": {
        "id": "INV-1", "version": 0, "kind": "INV", "month": "2024-04", "granted": 2,
        "recorded_at": "2024-05-12T01:31:07Z",
    },
    "logistics": {
        "type": "month", "id": "WL-1", "version": 0, "month": "2024-04", "shipments": 12, "tonnes": "182.5",
        "stored_tonnes": "", "recorded_at": "2024-05-12T09:31:07+08:00",
    },
    "import_export": {
        "jlh": "HG-1", "bbh": "0", "fx": "出口", "ny": "202404", "bgds": "7", "wsjg": "18000.50", "gtds": "1",
        "lrsj": "20240512093107+0800",
    },
    "housing_fund": {
        "jlbh": "GJJ-1", "bb": 0, "ny": "202404", "jcrs": 12, "yjje": 345678, "sjje": 0, "jzrq": "20240515",
        "jkrq": "", "rksj": "20240516093107+0800",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """How a test speaks for an office."""

    resource: str
    page: Callable[..., Reply]
    none: Reply
    refusal: Reply
    later: dict[str, str | int]  # makes the good row one of another month
    place: Callable  # of a request: which page it asks for
    size: int
    credentials: dict[str, str]
    lines: bool = False  # rows before a cut are still good


DIALECTS = {
    "public_credit": Dialect(
        "events", public_credit, as_json({"状态码": "2404"}), as_json({"状态码": "401"}, 401),
        {"记录编号": "CF-2", "发生日期": "2024-05-01"},
        lambda asked: json.loads(asked.body)["页码"], 200, {"token": "令牌".encode().hex()},
    ),
    "contract": Dialect(
        "contracts", contract, Reply(404, b'<fault code="C204">none</fault>'), Reply(401, b'<fault code="C401"/>'),
        {"id": "HT-2", "month": "2024-05"},
        lambda asked: int(ElementTree.fromstring(asked.body).findtext("page")), 200,
        {"account": "a&b", "password": "<密码>"},
    ),
    "intellectual_property": Dialect(
        "grants", intellectual_property, as_json({"error": {"code": "no_holder"}}, 404),
        as_json({"error": {"code": "unauthorized"}}, 401), {"id": "INV-2", "month": "2024-05"},
        lambda asked: int(asked.query["offset"]) // 100 + 1, 100, {"token": "t"},
    ),
    "logistics": Dialect(
        "shipments", logistics, Reply(200, b'{"type": "none", "uscc": "%s"}\n' % USCC.encode()),
        Reply(401, b'{"type": "error", "code": "AUTH"}\n'), {"id": "WL-2", "month": "2024-05"},
        lambda asked: 2 if "cursor" in asked.query else 1, 200, {"partner_id": "p", "partner_key": "k"}, lines=True,
    ),
    "import_export": Dialect(
        "declarations", import_export, Reply(200, f"N|{USCC}|无进出口记录\r\n".encode("gb18030")),
        Reply(401, "E|E01|用户名或密码错误|\r\n".encode("gb18030")), {"jlh": "HG-2", "ny": "202405"},
        lambda asked: int(asked.query["ym"]), 100, {"user": "u", "password": "密:码"}, lines=True,
    ),
    "housing_fund": Dialect(
        "payments", housing_fund, as_json({"ret": 1404, "msg": "未查询到缴存单位"}), as_json({"ret": 4001}),
        {"jlbh": "GJJ-2", "ny": "202405"}, lambda asked: int(dict(parse_qsl(asked.body.decode()))["ym"]), 200,
        {"app_key": "a", "secret": "s"},
    ),
}  # fmt: skip
each_office = pytest.mark.parametrize("name", DIALECTS)


@pytest.fixture(scope="module", autouse=True)
def counter():
    """One open door for all tests: what is behind it, each test says."""
    with office(lambda _: Reply(500)) as desk:
        COUNTER["desk"] = desk
        COUNTER["made"] = {
            name: made(Wire(desk.url, QUICK), **DIALECTS[name].credentials) for name, made in CONNECTORS.items()
        }
        yield
        for connector in COUNTER["made"].values():
            connector.close()


COUNTER = {}


@contextmanager
def asking(name, answer):
    """Yield a function that fetches from an office that answers `answer`, and the office."""
    desk, connector = COUNTER["desk"], COUNTER["made"][name]
    desk.answer = answer
    desk.asked.clear()

    def fetch(proceed=lambda: True):
        return connector.fetch(USCC, since=SINCE, until=UNTIL, proceed=proceed)

    yield fetch, desk


def fetched(name, reply):
    with asking(name, reply if callable(reply) else lambda _: reply) as (fetch, _):
        return fetch()


def facts_of(delivery):
    """The facts without the one that says that the lists were searched."""
    return [fact for fact in delivery.facts if fact.subkey != "searched"]


@each_office
class TestEveryOffice:
    def test_a_good_row_becomes_a_fact(self, name):
        delivery = fetched(name, DIALECTS[name].page([GOOD[name]]))
        assert (delivery.status, delivery.rejects, delivery.total) == ("DELIVERED", [], 1)
        [fact] = facts_of(delivery)
        assert fact.period == date(2024, 4, 1)
        assert fact.known_at.tzinfo == UTC
        assert delivery.digest

    def test_no_record_is_not_nothing_in_the_range(self, name):
        assert fetched(name, DIALECTS[name].none).status == "NO_RECORD"
        delivery = fetched(name, DIALECTS[name].page([]))
        assert (delivery.status, facts_of(delivery)) == ("DELIVERED", [])

    def test_pages_are_followed_to_the_end(self, name):
        dialect = DIALECTS[name]
        more = {"following": "abc"} if name == "logistics" else {}

        def answer(asked):
            if dialect.place(asked) == 1:
                return dialect.page([GOOD[name]], total=dialect.size + 1, **more)
            return dialect.page([GOOD[name] | dialect.later], total=dialect.size + 1)

        with asking(name, answer) as (fetch, desk):
            delivery = fetch()
        assert [dialect.place(asked) for asked in desk.asked] == [1, 2]
        assert [fact.period.month for fact in facts_of(delivery)] == [4, 5]
        assert delivery.status == "PARTIAL"
        assert delivery.error == f"{dialect.resource}: 2 of {dialect.size + 1} rows arrived"

    def test_an_office_that_fails_midway_is_partial(self, name):
        dialect = DIALECTS[name]
        more = {"following": "abc"} if name == "logistics" else {}

        def answer(asked):
            return dialect.page([GOOD[name]], total=999, **more) if dialect.place(asked) == 1 else Reply(500, b"{}")

        delivery = fetched(name, answer)
        assert (delivery.status, len(delivery.facts)) == ("PARTIAL", 1)
        assert delivery.error == f"{dialect.resource}: the office answers 500"

    def test_an_answer_marked_as_incomplete_is_partial(self, name):
        delivery = fetched(name, DIALECTS[name].page([GOOD[name]], total=2, whole=False))
        assert (delivery.status, len(delivery.facts)) == ("PARTIAL", 1)

    @pytest.mark.parametrize("total", [-1, 10**30, 1.5, True, None, "9" * 12, "x", "٣"])
    def test_a_total_that_is_none(self, name, total):
        delivery = fetched(name, DIALECTS[name].page([], total="None" if total is None else total))
        assert (delivery.status, delivery.facts) == ("DOWN", [])

    def test_an_answer_about_another_firm_is_none(self, name):
        delivery = fetched(name, DIALECTS[name].page([GOOD[name]], uscc="91440606MA4UXYQ27X"))
        assert (delivery.status, delivery.facts) == ("DOWN", [])

    def test_a_version_that_came_before_is_kept_aside(self, name):
        dialect = DIALECTS[name]
        delivery = fetched(name, dialect.page([GOOD[name], GOOD[name] | dialect.later, GOOD[name]]))
        assert len(facts_of(delivery)) == 2
        [reject] = delivery.rejects
        assert (reject.position, reject.field) == ("page 1 row 2", "(row)")
        assert reject.excerpt.startswith("2024-04")
        # The queue of rejected rows knows which record it is, and which version of it was accepted.
        assert reject.row.version == delivery.accepted[reject.resource][reject.row.record_id]

    def test_what_was_not_asked_for_is_kept_aside(self, name):
        month, day = {"housing_fund": ("ny", "202403"), "import_export": ("ny", "202410")}.get(
            name, ("month", "2024-10")
        )
        if name == "public_credit":
            month, day = "发生日期", "2024-10-01"
        delivery = fetched(name, DIALECTS[name].page([GOOD[name] | {month: day}]))
        [reject] = delivery.rejects
        assert (reject.field, facts_of(delivery)) == (month, [])
        assert reject.reason.startswith("outside the asked range")

    @pytest.mark.parametrize(
        ("reply", "status"),
        [
            (Reply(500, b"{}"), "DOWN"),
            (Reply(503, b"busy"), "DOWN"),
            (Reply(429, b""), "DOWN"),
            (Reply(504, b"{}"), "TIMEOUT"),
            (Reply(200, b""), "DOWN"),
            (Reply(200, b"<html>"), "DOWN"),
            (Reply(200, b"[1]"), "DOWN"),
            (Reply(200, b"{}"), "DOWN"),
            (Reply(200, b"null\n"), "DOWN"),
            (Reply(200, b"\r\n\r\n"), "DOWN"),
            (Reply(200, b"[" * 100_000), "DOWN"),
            (Reply(200, b"\xff\xfe\0"), "DOWN"),
            (Reply(200, b"{}" * 99, hang_up=True), "DOWN"),
            (Reply(400, b"\xff"), "DENIED"),
            (Reply(403, b""), "DENIED"),
            (Reply(404, b"[]"), "DENIED"),
            (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), "DENIED"),
        ],
    )
    def test_failures_are_told_apart(self, name, reply, status):
        with asking(name, lambda _: reply) as (fetch, desk):
            delivery = fetch()
        assert (delivery.status, delivery.facts) == (status, [])
        assert delivery.error
        assert USCC not in delivery.error
        assert flaw(delivery.error) is None
        assert len(desk.asked) == (1 if status == "DENIED" else QUICK.attempts)

    def test_a_refusal_is_not_asked_again(self, name):
        with asking(name, lambda _: DIALECTS[name].refusal) as (fetch, desk):
            delivery = fetch()
        assert (delivery.status, len(desk.asked)) == ("DENIED", 1)

    def test_a_passing_fault_is_asked_again(self, name):
        replies = iter([Reply(500, b"{}"), DIALECTS[name].none])
        assert fetched(name, lambda _: next(replies)).status == "NO_RECORD"

    def test_an_office_that_never_stops_is_cut(self, name, monkeypatch):
        monkeypatch.setattr(wire, "_MAX_BODY_BYTES", 1000)
        delivery = fetched(name, DIALECTS[name].page([GOOD[name]] * 100))
        assert (delivery.status, delivery.error.endswith("exceeds 1000 bytes")) == ("DOWN", True)

    def test_more_rows_than_were_asked_for_are_no_answer(self, name):
        dialect = DIALECTS[name]
        with asking(name, lambda _: dialect.page([GOOD[name]] * (dialect.size + 2))) as (fetch, desk):
            delivery = fetch()
        assert (delivery.status, delivery.facts, len(desk.asked)) == ("DOWN", [], 1)
        assert delivery.error.endswith("the office sends more rows than were asked for")

    def test_pages_without_end_end(self, name, monkeypatch):
        monkeypatch.setattr(pages, "_MAX_PAGES", 7)
        dialect = DIALECTS[name]
        count = iter(range(10**6))

        def answer(_):
            return dialect.page([], total=10**8, **({"following": f"c{next(count)}"} if name == "logistics" else {}))

        with asking(name, answer) as (fetch, desk):
            assert fetch().status == "PARTIAL"
        assert len(desk.asked) == 7

    def test_a_consent_that_ends_stops_it(self, name):
        with asking(name, lambda _: DIALECTS[name].none) as (fetch, desk), pytest.raises(PullStopped):
            fetch(proceed=lambda: False)
        assert desk.asked == []

    def test_every_field(self, name):
        """One bad value is one row kept aside, named by its field; never an office that is down."""
        dialect, good = DIALECTS[name], GOOD[name]
        text_only = name in ("contract", "import_export")
        odd = [*NEVER, *([] if text_only else ["\ud800", None, [], {}, {"a": "\0"}, 2**63, -(2**70), 10**30, True])]
        # What the dialect cannot carry has tests of its own: XML's characters, the bars and lines of customs.
        broken = {"contract": "\0", "import_export": "|\r\n"}.get(name, "")
        sent = [
            (field, value)
            for field, value in product(good, odd)
            if not any(char in str(value) for char in broken) and not (name == "import_export" and len(value) > 9_000)
        ]
        rows = [good, *(good | dialect.later | {field: value} for field, value in sent)]
        size = dialect.size

        def answer(asked):
            start = size * (dialect.place(asked) - 1)
            if name == "logistics":  # its cursor says where the page begins
                start = int(asked.query.get("cursor", "0"))
                following = str(start + size) if start + size < len(rows) else ""
                return dialect.page(rows[start : start + size], total=len(rows), following=following)
            return dialect.page(rows[start : start + size], total=len(rows))

        delivery = fetched(name, answer)
        result = delivery.resources[dialect.resource]
        assert (result.status, result.rows, result.rejected) == ("DELIVERED", len(rows), len(delivery.rejects))
        places = (re.fullmatch("page ([0-9]+) row ([0-9]+)", reject.position).groups() for reject in delivery.rejects)
        out = {
            size * (int(page) - 1) + int(row): reject
            for (page, row), reject in zip(places, delivery.rejects, strict=True)
        }
        assert 0 not in out
        again = 0
        for place, (field, value) in enumerate(sent, 1):
            if place in out and out[place].field == "(row)":
                again += 1  # the value reads, and so the row repeats another
                continue
            digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
            free = field in ("id", "jlh", "jlbh", "记录编号")
            assert place in out or digits or free, (field, value)
            if place in out and field != "type":
                assert out[place].field in (field, "governmentLate", "gtds"), (field, value)
        assert again < len(sent) / 4
        for reject in delivery.rejects:
            assert all(flaw(text) is None for text in (reject.field, reject.excerpt, reject.reason))
            assert len(reject.excerpt) <= 60
        json.dumps([fact.values for fact in delivery.facts], allow_nan=False)

    def test_a_field_left_out_is_named(self, name):
        dialect, good = DIALECTS[name], GOOD[name]
        positional = name in ("import_export", "housing_fund")
        for field in [list(good)[-1]] if positional else good:
            delivery = fetched(name, dialect.page([{k: v for k, v in good.items() if k != field}]))
            [reject] = delivery.rejects
            assert (reject.field, reject.excerpt, facts_of(delivery)) == (field, "", [])

    def test_rows_that_are_none(self, name):
        if name in ("contract", "import_export"):
            return  # every element has fields; lines have a test of their own
        page = DIALECTS[name].page([GOOD[name]])
        marker = json.dumps(GOOD[name] if name != "housing_fund" else list(GOOD[name].values()), sort_keys=False)
        glue = "\n" if name == "logistics" else ", "
        text = page.body.decode()
        assert marker in text
        strange = ["7", "null", '"x"', "[[]]", "[]"]
        body = text.replace(marker, glue.join([marker, *strange]), 1)
        delivery = fetched(name, Reply(200, body.encode(), page.headers))
        assert len(facts_of(delivery)) == 1
        assert [reject.position for reject in delivery.rejects] == [f"page 1 row {n}" for n in range(1, 6)]


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("public_credit", "查询凭证"),
        ("contract", "<contracts"),
        ("intellectual_property", '"grants"'),
        ("logistics", '"end"'),
        ("import_export", "H|"),
        ("housing_fund", '"cols"'),
    ],
)
def test_the_manuals_example_reads(name, marker):
    manual = (ROOT / "docs" / "offices.md").read_text()
    [text] = [block for block in re.findall(r"^```\w*\n(.*?)^```", manual, re.DOTALL | re.MULTILINE) if marker in block]
    encoded = text.replace("\n", "\r\n").encode("gb18030") if name == "import_export" else text.encode()
    with asking(name, lambda _: Reply(200, encoded)):
        until = date(2026, 3, 31)
        delivery = COUNTER["made"][name].fetch(USCC, since=SINCE, until=until, proceed=lambda: True)
    assert (delivery.status, delivery.rejects) == ("DELIVERED", [])
    assert [fact.period for fact in facts_of(delivery)] == [date(2024, 4, 1)]
    assert len(delivery.facts) == (2 if name == "public_credit" else 1)


class TestPublicCredit:
    def test_the_certificate_becomes_a_search(self):
        delivery = fetched("public_credit", public_credit([]))
        [fact] = delivery.facts
        assert (fact.frame, fact.period, fact.subkey) == ("credit_events", date(2024, 9, 1), "searched")
        assert fact.values == {"occurred_on": "2024-09-30", "severity": 1, "amount_fen": None, "ended_on": None}
        assert fact.known_at == datetime(2024, 9, 30, 2, 10, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"查询时间": "2024-09-29T23:59:59+08:00"}, "查询时间"),
            ({"查询时间": "2024-09-30T10:10:10"}, "查询时间"),
            ({"截止月份": "2024-08"}, "截止月份"),
            ({"起始月份": "2024-05"}, "起始月份"),
            ({"名单范围": ["行政处罚"]}, "名单范围"),
            ({"名单范围": "行政处罚 行政许可 被执行人 失信被执行人 守信红名单"}, "名单范围"),
            ({"凭证编号": ""}, "凭证编号"),
            ({"凭证编号": None}, "凭证编号"),
        ],
    )
    def test_a_certificate_that_does_not_hold_makes_the_answer_partial(self, changes, field):
        delivery = fetched("public_credit", public_credit([GOOD["public_credit"]], certificate=CERTIFICATE | changes))
        [reject] = delivery.rejects
        assert (delivery.status, reject.position, reject.field) == ("PARTIAL", "certificate", field)
        assert [fact.subkey for fact in delivery.facts] == ["penalty/CF-1"]

    @pytest.mark.parametrize("certificate", [None, [], "PZ", 7])
    def test_no_certificate_is_no_search(self, certificate):
        delivery = fetched("public_credit", public_credit([], certificate=certificate))
        assert (delivery.status, delivery.facts, delivery.rejects[0].field) == ("PARTIAL", [], "查询凭证")

    def test_a_search_counts_only_where_every_row_was_read(self):
        rows = [GOOD["public_credit"], GOOD["public_credit"] | {"信息类别": "失信人"}]
        delivery = fetched("public_credit", public_credit(rows))
        assert [fact.subkey for fact in delivery.facts] == ["penalty/CF-1"]
        partial = fetched("public_credit", public_credit(rows[:1], total=2))
        assert (partial.status, [fact.subkey for fact in partial.facts]) == ("PARTIAL", ["penalty/CF-1"])

    @pytest.mark.parametrize(
        ("amount", "fen"), [("0.500000", 500_000), ("0.000001", 1), ("12345.678901", 12_345_678_901), ("", None)]
    )
    def test_amounts_are_in_ten_thousands_of_yuan(self, amount, fen):
        [event, _] = fetched("public_credit", public_credit([GOOD["public_credit"] | {"金额（万元）": amount}])).facts
        assert event.values["amount_fen"] == fen

    @pytest.mark.parametrize("amount", ["0.5", "-1.000000", "1.0000001", "1e3", "1,000.000000"])
    def test_other_amounts_are_kept_aside(self, amount):
        [reject] = fetched("public_credit", public_credit([GOOD["public_credit"] | {"金额（万元）": amount}])).rejects
        assert (reject.field, reject.excerpt) == ("金额（万元）", amount)

    def test_an_end_before_the_beginning_is_kept_aside(self):
        [reject] = fetched("public_credit", public_credit([GOOD["public_credit"] | {"结束日期": "2024-04-11"}])).rejects
        assert (reject.field, reject.excerpt) == ("结束日期", "2024-04-11")

    def test_two_events_of_one_day_are_two_facts(self):
        rows = [GOOD["public_credit"], GOOD["public_credit"] | {"记录编号": "CF-2"}]
        assert len(facts_of(fetched("public_credit", public_credit(rows)))) == 2


class TestContract:
    @pytest.mark.parametrize(
        ("due", "late", "right"),
        [("", "", True), ("1.00", "1.00", True), ("1.00", "1.01", False), ("1.00", "", False), ("", "0.00", False)],
    )
    def test_what_public_bodies_owe_is_told_apart(self, due, late, right):
        delivery = fetched("contract", contract([GOOD["contract"] | {"governmentDue": due, "governmentLate": late}]))
        assert len(delivery.facts) == right
        assert [reject.field for reject in delivery.rejects] == ([] if right else ["governmentLate"])

    def test_the_credentials_are_written_as_text(self):
        with asking("contract", lambda _: DIALECTS["contract"].none) as (fetch, desk):
            fetch()
        [asked] = desk.asked
        query = {child.tag: child.text for child in ElementTree.fromstring(asked.body)}
        assert (query["account"], query["password"]) == ("a&b", "<密码>")
        assert (query["uscc"], query["from"], query["to"]) == (USCC, "2024-04", "2024-09")

    @pytest.mark.parametrize("before", [b"<!DOCTYPE contracts []>", b'<!doctype a [<!ENTITY b "c">]>', b"<! ENTITY x>"])
    def test_a_document_type_is_refused_and_not_asked_again(self, before):
        good = contract([GOOD["contract"]]).body
        with asking("contract", lambda _: Reply(200, before + good)) as (fetch, desk):
            assert (fetch().status, len(desk.asked)) == ("DOWN", 1)

    @pytest.mark.parametrize("odd", [b"&#0;", b"&#xD800;", b"&#99999999999;", b"\x01", b"\xff", b"\xed\xa0\x80"])
    def test_characters_that_are_none_cost_one_row(self, odd):
        good = contract([GOOD["contract"], GOOD["contract"] | {"id": "HT-2", "month": "2024-05"}]).body
        delivery = fetched("contract", Reply(200, good.replace(b"<signed>3", b"<signed>3" + odd, 1)))
        assert ([fact.period.month for fact in delivery.facts], delivery.rejects[0].field) == ([5], "signed")


class TestIntellectualProperty:
    def test_later_pages_are_of_the_same_state(self):
        def answer(asked):
            return intellectual_property(
                [GOOD["intellectual_property"] | {"id": f"I{asked.query['offset']}"}], total=150
            )

        with asking("intellectual_property", answer) as (fetch, desk):
            fetch()
        assert [asked.headers.get("If-Match") for asked in desk.asked] == [None, '"one"']
        assert {asked.headers["Authorization"] for asked in desk.asked} == {"Bearer t"}

    def test_a_list_that_changes_meanwhile_is_partial(self):
        def answer(asked):
            if asked.query["offset"] == "0":
                return intellectual_property([GOOD["intellectual_property"]], total=150)
            return as_json({"error": {"code": "changed"}}, 412)

        delivery = fetched("intellectual_property", answer)
        assert (delivery.status, delivery.error) == ("PARTIAL", "grants: the list changed while it was read")

    def test_an_etag_that_no_header_carries_is_not_sent(self):
        def answer(_):
            reply = intellectual_property([], total=150)
            reply.headers["ETag"] = '"\x80é"'
            return reply

        with asking("intellectual_property", answer) as (fetch, desk):
            fetch()
        assert desk.asked[1].headers["If-Match"] == "*"


class TestLogistics:
    def test_a_line_that_does_not_read_costs_itself_alone(self):
        good = logistics([GOOD["logistics"], GOOD["logistics"] | {"id": "WL-2", "month": "2024-05"}], total=7).body
        first, rest = good.split(b"\n", 1)
        odd = [b"\xff{}", b"{", b"", b'\xef\xbb\xbf{"type": "month"}', "重量".encode("gb18030")]
        delivery = fetched("logistics", Reply(200, b"\n".join([first, *odd, rest])))
        assert [fact.period.month for fact in delivery.facts] == [4, 5]
        assert [reject.position for reject in delivery.rejects] == [f"page 1 row {n}" for n in range(1, 6)]
        assert {reject.field for reject in delivery.rejects} == {"(line)"}

    def test_characters_that_look_like_line_ends_are_none(self):
        row = GOOD["logistics"] | {"note": "a\u2028b\x85c\x0bd"}
        delivery = fetched("logistics", Reply(200, logistics([row]).body.replace(rb"\u2028", "\u2028".encode())))
        assert (delivery.status, delivery.rejects, len(delivery.facts)) == ("DELIVERED", [], 1)

    @pytest.mark.parametrize("following", [None, 7, "x" * 3000, []])
    def test_a_cursor_that_is_none(self, following):
        assert fetched("logistics", logistics([GOOD["logistics"]], following=following)).status == "DOWN"

    def test_a_cursor_that_comes_again(self):
        with asking("logistics", lambda _: logistics([GOOD["logistics"]], total=9, following="abc")) as (fetch, desk):
            delivery = fetch()
        assert (delivery.status, delivery.error) == ("PARTIAL", "shipments: the office repeats a page")
        assert len(desk.asked) == 2

    @pytest.mark.parametrize("cut", [1, 5, 60])
    def test_an_answer_without_its_end_is_partial(self, cut):
        body = logistics([GOOD["logistics"], GOOD["logistics"] | {"id": "WL-2", "month": "2024-05"}]).body
        with asking("logistics", lambda _: Reply(200, body[:-cut])) as (fetch, desk):
            delivery = fetch()
        assert (delivery.status, len(delivery.facts), len(desk.asked)) == ("PARTIAL", 2, QUICK.attempts)
        assert delivery.error == "shipments: the answer is cut off"

    def test_a_byte_order_mark_costs_no_row(self):
        body = logistics([GOOD["logistics"]]).body
        delivery = fetched("logistics", Reply(200, codecs.BOM_UTF8 + body))
        assert (delivery.status, len(delivery.facts), delivery.rejects) == ("DELIVERED", 1, [])

    def test_a_row_kept_aside_does_not_show_the_firms_code(self):
        row, end = logistics([GOOD["logistics"]]).body.strip().split(b"\n")
        begin = end.index(USCC.encode())
        for torn in (end[: begin + length] for length in range(9, len(USCC) + 1)):
            delivery = fetched("logistics", Reply(200, b"\n".join([row, end[:-1] + b",", torn])))
            assert [reject.field for reject in delivery.rejects] == ["(line)", "(line)"]
            assert USCC[:9] not in str(delivery.rejects)

    def test_tonnes_beyond_reason_are_kept_aside(self):
        [reject] = fetched("logistics", logistics([GOOD["logistics"] | {"tonnes": "9999999999999.0"}])).rejects
        assert reject.field == "tonnes"


class TestImportExport:
    def body(self, *lines, total=2, tail=True):
        head = f"H|{USCC}|{total}|1|完整".encode("gb18030")
        return b"".join(line + b"\r\n" for line in [head, *lines, *([b"T|%d" % len(lines)] if tail else [])])

    LINE = "D|HG-1|0|出口|202404|7|18000.50|1|20240512093107+0800".encode("gb18030")

    def test_bytes_that_are_no_character_cost_their_line(self):
        odd = [self.LINE.replace(b"202404", tail) for tail in (b"\x81 ", b"\xff", b"2024\x81\x20", b"\x84\x31\x81 ")]
        delivery = fetched("import_export", Reply(200, self.body(self.LINE, *odd, total=5)))
        assert (delivery.status, len(delivery.facts)) == ("DELIVERED", 1)
        assert {reject.field for reject in delivery.rejects} == {"(line)"}
        assert {reject.reason for reject in delivery.rejects} == {"the line is not in GB18030"}

    def test_a_bar_within_a_character_is_no_bar(self):
        # 亅 is 81 7C, and 7C alone is the bar.
        assert "亅".encode("gb18030")[1:] == b"|"
        line = self.LINE.replace("出口".encode("gb18030"), "亅".encode("gb18030"))
        [reject] = fetched("import_export", Reply(200, self.body(line, total=1))).rejects
        assert (reject.field, reject.excerpt) == ("fx", "亅")

    @pytest.mark.parametrize(
        "line", [b"", b"X|1", b"T|3", b"H|x|1|1|y", LINE + b"|more", LINE.replace(b"|0|", b"\n|0|")]
    )
    def test_a_line_that_is_none_is_kept_aside(self, line):
        delivery = fetched("import_export", Reply(200, self.body(self.LINE, line)))
        assert (len(delivery.facts), [reject.position for reject in delivery.rejects]) == (1, ["page 1 row 1"])

    def test_a_line_kept_aside_does_not_show_the_firms_code(self):
        head = f"H|{USCC}|2|1|完整".encode("gb18030")
        for body in (self.body(head), self.body(head + b"\xff"), self.body(self.LINE, tail=False) + head[:18]):
            delivery = fetched("import_export", Reply(200, body))
            assert [reject.field for reject in delivery.rejects] == ["(line)"]
            assert USCC[:9] not in str(delivery.rejects)

    def test_more_faults_than_declarations_are_kept_aside(self):
        [reject] = fetched("import_export", import_export([GOOD["import_export"] | {"gtds": "8"}])).rejects
        assert (reject.field, reject.excerpt) == ("gtds", "8")

    def test_a_count_that_does_not_fit_is_partial(self):
        body = self.body(self.LINE, total=1).replace(b"T|1", b"T|2")
        assert fetched("import_export", Reply(200, body)).status == "PARTIAL"

    @pytest.mark.parametrize("cut", [1, 2, 4, 5, 20])
    def test_an_answer_without_its_end_is_partial(self, cut):
        other = self.LINE.replace(b"HG-1", b"HG-2").replace(b"202404", b"202405")
        body = self.body(self.LINE, other)
        delivery = fetched("import_export", Reply(200, body[:-cut]))
        assert (delivery.status, len(delivery.facts)) == ("PARTIAL", 1 if cut > 5 else 2)

    def test_user_and_password_are_in_utf_8(self):
        with asking("import_export", lambda _: DIALECTS["import_export"].none) as (fetch, desk):
            fetch()
        assert desk.asked[0].headers["Authorization"] == "Basic dTrlr4Y656CB"


class TestHousingFund:
    def test_each_attempt_is_signed(self):
        replies = iter([Reply(500, b"{}"), DIALECTS["housing_fund"].none])
        with asking("housing_fund", lambda _: next(replies)) as (fetch, desk):
            assert fetch().status == "NO_RECORD"
        for asked in desk.asked:
            form = dict(parse_qsl(asked.body.decode()))
            sign = form.pop("sign")
            base = "&".join(f"{name}={form[name]}" for name in sorted(form))
            assert sign == hmac.new(b"s", base.encode(), hashlib.sha256).hexdigest().upper()

    def test_the_manuals_worked_example_of_a_signature(self):
        form = {
            "appkey": "creditlink", "sjc": "20260401093107", "tyshxydm": "91440606MA4UXYQ27F", "ksny": "202404",
            "jsny": "202603", "ym": "1", "mys": "200",
        }  # fmt: skip
        made = form_signature(b"sandbox-housing-fund-secret", form)
        assert made == "8A25EDEAEF8EF357FA6B684F951EDBD8F5C95E9791899484B0128FC841A50543"

    @pytest.mark.parametrize(
        ("code", "status", "asked"),
        [
            *((code, "DENIED", 1) for code in (4003, 4999)),
            (5040, "TIMEOUT", 3),
            *((code, "DOWN", 3) for code in (5000, 7, -1, "0", True, None, 10**40)),
        ],
    )
    def test_the_code_in_the_body_says_what_happened(self, code, status, asked):
        with asking("housing_fund", lambda _: as_json({"ret": code})) as (fetch, desk):
            assert (fetch().status, len(desk.asked)) == (status, asked)

    @pytest.mark.parametrize("columns", [None, [], ["jlbh"], list(GOOD["housing_fund"])[::-1], "jlbh"])
    def test_other_columns_are_no_answer(self, columns):
        body = json.loads(housing_fund([GOOD["housing_fund"]]).body) | {"cols": columns}
        assert fetched("housing_fund", as_json(body)).status == "DOWN"

    def test_a_row_of_more_values_than_columns_is_kept_aside(self):
        body = json.loads(housing_fund([GOOD["housing_fund"]]).body)
        body["rows"][0].append("more")
        [reject] = fetched("housing_fund", as_json(body)).rejects
        assert reject.reason == "10 values, not 9"

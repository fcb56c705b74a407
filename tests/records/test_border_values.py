"""One bad value in an office's answer is one row kept aside: never a source that is down, never an exception."""

from __future__ import annotations

import json
import re
from itertools import product

import pytest

from creditlink.kit.files.text import flaw
from tests.records.offices import Reply
from tests.records.test_connectors import (
    HEADER,
    NO_TAX_RECORD,
    invoice,
    meters,
    month,
    only_invoices,
    page_of,
    payroll_office,
    tax,
)

pytestmark = pytest.mark.pure

# No field of any dialect may be one of these.
NEVER = [
    *(
        "a\0b",
        "\0",
        "9" * 400,
        "x" * 140_000,
        " ",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1_000",
        "９",
        "٣",
        "é",
        '"',
    ),
    *("0001-01-01", "9999-12-31", "00010101", "99991231", "00000101", "0000-00", "9999-12", "99999999999999999999.00"),
    *("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00", "00010101000000+0800", "99991231235959-0800"),
]
# Fields in which an office may write what it likes, as long as it can be kept.
FREE = {"dfdm", "fphm", "lsh", "id", "record_id", "service_point"}
# Digits are a whole number in a field of whole numbers, whatever they look like.
DIGITS = re.compile("[0-9]{1,9}")


def judge(delivery, resource, sent):
    """Assert that the first row is in, and that every other one that must be is kept aside by its place."""
    result = delivery.resources[resource]
    assert result.status == "DELIVERED", result
    assert result.rows == len(sent) + 1
    assert result.rejected == len(delivery.rejects)
    out = {int(reject.position.rsplit(" ", 1)[1]) for reject in delivery.rejects}
    assert 0 not in out
    for place, (field, value) in enumerate(sent, 1):
        may = isinstance(value, str) and flaw(value) is None and (field in FREE or DIGITS.fullmatch(value))
        assert place in out or may, (field, value)
    for reject in delivery.rejects:
        told = (reject.field, reject.excerpt, reject.reason, reject.position)
        assert all(flaw(text) is None for text in told)
        assert len(reject.excerpt) <= 60
    assert delivery.facts
    json.dumps([fact.values for fact in delivery.facts], allow_nan=False)
    assert delivery.error is None


GOOD = {
    "fapiao": invoice(1),
    "zzssb": {
        "lsh": "ZZ-1", "bbh": 0, "skssqQ": "202404", "skssqZ": "202404", "sbfs": "1", "ysxse": "1.00", "msxse": "0.00",
        "xxse": "0.13", "jxse": "0.10", "ynse": "0.03", "yjse": "0.03", "sbqx": "20240520", "sbrq": "20240510",
        "lrsj": "20240512101010+0800",
    },
    "qysds": {
        "lsh": "SD-1", "bbh": 0, "skssqQ": "202404", "skssqZ": "202406", "sblx": "1", "yysr": "9.00", "lrze": "-1.00",
        "ybtse": "0.00", "yjse": "0.00", "sbqx": "20240715", "sbrq": "20240710", "lrsj": "20240716101010+0800",
    },
    "nsrzt": {
        "lsh": "NS-1", "bbh": 0, "ny": "202404", "xydj": "B", "nsrlx": "1", "qsje": "0.00", "qsts": 0,
        "lrsj": "20240512101010+0800",
    },
    "wfcf": {
        "lsh": "WF-1", "bbh": 0, "sjlx": "2", "fsrq": "20240418", "yzcd": "2", "je": "500.00", "bjrq": "20240420",
        "lrsj": "20240512101010+0800",
    },
}  # fmt: skip


class TestTax:
    @pytest.mark.parametrize("resource", GOOD)
    def test_every_field(self, resource):
        odd = [*NEVER, "\ud800", "x\udfff", None, [], {}, [[[]]], {"a": "\0"}, 2**63, -(2**70), 10**30]
        good = GOOD[resource]
        sent = [(field, value) for field, value in product(good, odd) if field != "fphm"]
        rows = [good, *(good | {field: value} for field, value in sent)]

        def answer(asked):
            if f"/{resource}/" not in asked.path:
                return NO_TAX_RECORD
            # The page's size is a thousand rows.
            number = json.loads(asked.body)["pageNum"]
            assert number == 1
            return page_of(rows[:1000])

        with tax(answer) as (fetch, _):
            judge(fetch(), resource, sent[:999])

    @pytest.mark.parametrize(
        "literal", ["1" + "0" * 5000, "-" + "9" * 400, "1e400", "-1e999", "NaN", "Infinity", r'"\u0000"', r'"\ud800"']
    )
    def test_numbers_that_no_field_holds(self, literal):
        def answer(_):
            row = json.dumps(invoice(2)).replace('"bbh": 0', f'"bbh": {literal}')
            assert literal in row
            page = f'{{"code": "0000", "total": 2, "wzbz": "Y", "data": [{json.dumps(invoice(1))}, {row}]}}'
            return Reply(200, page.encode(), {"Content-Type": "application/json"})

        with tax(only_invoices(answer)) as (fetch, _):
            delivery = fetch()
        judge(delivery, "fapiao", [("bbh", literal)])
        assert delivery.rejects[0].field == "bbh"

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 100_000,
            b'{"code": "\\u0000\\ud800", "data": []}',
            b'{"code": "0000", "total": 1e400, "data": []}',
            b'{"code": "0000", "total": 99999999999999999999999999, "data": []}',
            b'{"code": "0000", "total": 9999999999, "data": []}',
            b'{"code": "0000", "total": -1, "data": []}',
            b"\xff\xfe",
        ],
    )
    def test_an_answer_that_is_none_says_so_in_text_that_can_be_kept(self, body):
        for status, expected in ((200, "DOWN"), (403, "DENIED")):
            with tax(lambda _, s=status: Reply(s, body, {"Content-Type": "application/json"})) as (fetch, _):
                delivery = fetch()
            assert delivery.status == expected
            assert flaw(delivery.error) is None


def payrolls(*rows: bytes, total=None) -> Reply:
    total = len(rows) if total is None else total
    head = f'<?xml version="1.0" encoding="UTF-8"?><payrolls uscc="91440606MA4UXYQ27F" total="{total}" complete="true">'
    return Reply(200, head.encode() + b"".join(rows) + b"</payrolls>")


class TestSocialSecurity:
    def test_every_field(self):
        odd = [b"&#0;", b"&#x0;", b"&#xD800;", b"&#1114112;", b"&#xFFFE;", b"&#99999999999;", b"\x01", b"\xff"]
        odd += [b"\xed\xa0\x80", *(text.replace('"', "&quot;").encode() for text in NEVER if len(text) < 1000)]
        good = month().encode()
        sent, rows = [], [good]
        for found, value in product(re.finditer(rb'<(\w+)>[^<]*<|<(paidOn)/|(\w+)="([^"]*)"', good), odd):
            element, empty, attribute, _ = found.groups()
            field = element or empty or attribute
            shape = b'%b="%b"' if attribute else b"<%b>%b</%b><" if empty else b"<%b>%b<"
            new = shape % ((field, value, field) if empty else (field, value))
            if empty:  # `<paidOn/>` is written out
                new = new.removesuffix(b"<") + b"<x/"
            rows.append(good[: found.start()] + new + good[found.end() :])
            text = value.decode("utf-8", "replace").replace("&quot;", '"')
            sent.append((field.decode(), text if text in NEVER else "\0"))
        with payroll_office(lambda _: payrolls(*rows)) as (fetch, _):
            judge(fetch(), "payroll", sent)

    def test_a_total_that_is_none(self):
        for total in ("-1", "9" * 30, "٣", "1e3", "1_0", ""):
            with payroll_office(lambda _, t=total: payrolls(month().encode(), total=t)) as (fetch, _):
                assert fetch().status == "DOWN", total


class TestUtility:
    GOOD = "EL-1,0,SP-1,2024-04,120.5,30.25,20.0,kWh,8000,2024-05-25,,DD,A,0,2024-05-03T02:14:55+08:00"
    NONE = Reply(204, b"", {"X-Record": "none"})

    def page(self, *lines, total=None):
        body = "\r\n".join([HEADER, *lines, ""]).encode("utf-8", "surrogatepass")
        told = {"Content-Type": "text/csv", "X-Total-Count": str(total or len(lines)), "X-Complete": "true"}
        return Reply(200, body, told)

    def fetched(self, *lines):
        with meters(lambda asked: self.page(*lines) if "electricity" in asked.path else self.NONE) as (fetch, _):
            return fetch()

    def test_every_field(self):
        sent, lines = [], [self.GOOD]
        odd = [*NEVER, "\ud800", '"open', 'a"b"', "a,b", "a\nb", "a\rb", ",,,,,,,,"]
        for (place, field), value in product(enumerate(HEADER.split(",")), odd):
            parts = self.GOOD.split(",")
            parts[place] = value
            lines.append(",".join(parts))
            sent.append((field, value))
        judge(self.fetched(*lines), "electricity", sent)

    def test_a_stray_quote_takes_its_own_line_alone(self):
        delivery = self.fetched(self.GOOD, '"' + self.GOOD, self.GOOD.replace("EL-1", "EL-3"))
        assert (len(delivery.facts), [reject.position for reject in delivery.rejects]) == (2, ["page 1 row 1"])

    @pytest.mark.parametrize(
        "link",
        [
            "<http://[>",
            "</v1/electricity/months?\x7f>",
            f"</v1/electricity/months?{'x' * 60_000}{'%' * 9_000}>",
            "<//[::1]:x/>",
        ],
    )
    def test_a_next_page_that_cannot_be_asked_for(self, link):
        page = self.page(self.GOOD, total=2)
        page.headers["Link"] = f'{link}; rel="next"'
        with meters(lambda asked: page if "electricity" in asked.path else self.NONE) as (fetch, _):
            result = fetch().resources["electricity"]
        assert result.status in ("DOWN", "PARTIAL")

    def test_a_total_that_is_none(self):
        for total in ("-1", "9" * 30, "1e3", "1_0", "x"):
            with meters(lambda _, t=total: self.page(self.GOOD, total=t)) as (fetch, _):
                assert fetch().status == "DOWN", total


def test_the_good_rows_are_good():
    with tax(lambda asked: page_of([GOOD[asked.path.split("/")[3]]])) as (fetch, _):
        delivery = fetch()
    assert (delivery.status, delivery.rejects, len(delivery.facts)) == ("DELIVERED", [], 5)

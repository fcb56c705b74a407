"""The six smaller offices: their dialects, credentials, pages and refusals, as docs/offices.md says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.kit.clock import SHANGHAI, utc_now
from creditlink.sandbox.offices.serving import PORTS, office_apps
from tests.months import last_recorded_month
from tests.records.office_city import CLEAN, FULL, MONTHS, USCC, write_office_city

pytestmark = pytest.mark.pure

UNTIL = last_recorded_month()
RANGE = {"from": f"{UNTIL.year - 4}-01", "to": f"{UNTIL:%Y-%m}"}
COMPACT = [month.replace("-", "") for month in RANGE.values()]
NOBODY = "9" * 18
BEARER = {"Authorization": "Bearer sandbox-intellectual-property-token"}
PARTNER = {"X-Partner-Id": "creditlink", "X-Partner-Key": "sandbox-logistics-key"}
BASIC = {"Authorization": "Basic " + base64.b64encode(b"creditlink:sandbox-import-export-password").decode()}


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    return office_apps(write_office_city(tmp_path_factory.mktemp("city"), UNTIL), PORTS, {})


@pytest.fixture
def office(apps):
    opened = []

    def open_office(name):
        opened.append(apps[name].test_client())
        return opened[-1]

    yield open_office
    for client in opened:
        client.delete("/_faults")


def uncover(fields, changes):
    """Return the fields with the changes; a change to None leaves a field out."""
    return {name: value for name, value in (fields | changes).items() if value is not None}


@pytest.mark.parametrize("name", PORTS)
def test_each_says_that_it_is_up_and_takes_faults(office, name):
    client = office(name)
    assert client.get("/health").json == {"status": "up", "bureau": name}
    assert client.post("/_faults", json={"mode": "latency", "resource": name, "seconds": 0}).status_code == 201
    refused = client.post("/_faults", json={"mode": "latency", "resource": "another"})
    assert (refused.status_code, refused.json["field"]) == (422, "resource")


class TestPublicCredit:
    def ask(self, client, uscc=USCC[FULL], token="sandbox-public-credit-token", **changes):
        body = {"统一社会信用代码": uscc, "起始月份": RANGE["from"], "截止月份": RANGE["to"]}
        return client.post("/ggxy/v2/chaxun", json=uncover(body, changes), headers={"X-Access-Token": token})

    def test_pages_hold_all_events_and_each_has_a_certificate(self, office):
        client, seen, numbers = office("public_credit"), [], set()
        for page in (1, 2, 3):
            body = self.ask(client, 页码=page, 每页条数=2).json
            seen += [(row["记录编号"], row["版本"]) for row in body["记录"]]
            numbers.add(body["查询凭证"]["凭证编号"])
            assert (body["状态码"], body["总条数"], body["是否完整"]) == ("200", 5, "是")
        assert len(set(seen)) == 5
        assert len(numbers) == 3

    def test_amounts_are_in_ten_thousands_of_yuan(self, office):
        rows = self.ask(office("public_credit")).json["记录"]
        assert {row["金额（万元）"] for row in rows} == {"5.000123", "", "12345.678901", "0.000000"}
        assert {row["信息类别"] for row in rows} == {"行政处罚", "行政许可", "被执行人", "失信被执行人"}

    def test_a_firm_on_no_list_was_searched_for(self, office):
        body = self.ask(office("public_credit"), USCC[CLEAN]).json
        assert (body["总条数"], body["记录"]) == (0, [])
        assert body["查询凭证"]["截止月份"] == RANGE["to"]

    def test_a_code_of_nobody_has_no_record(self, office):
        answer = self.ask(office("public_credit"), NOBODY)
        assert (answer.status_code, answer.json["状态码"]) == (200, "2404")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"uscc": "x"}, "统一社会信用代码"),
            ({"uscc": None}, "统一社会信用代码"),
            ({"uscc": 7}, "统一社会信用代码"),
            ({"起始月份": "2026-13"}, "起始月份"),
            ({"起始月份": "2000-01"}, "起始月份"),
            ({"截止月份": "202601"}, "截止月份"),
            ({"页码": 0}, "页码"),
            ({"页码": True}, "页码"),
            ({"页码": 10**30}, "页码"),
            ({"每页条数": 201}, "每页条数"),
            ({"奇怪": 1}, "奇怪"),
        ],
    )
    def test_wrong_fields_are_named(self, office, changes, field):
        refused = self.ask(office("public_credit"), **changes)
        assert (refused.status_code, refused.json["状态码"], refused.json["参数"]) == (400, "4001", field)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 9_000, b"\xff"])
    def test_a_body_that_is_no_object(self, office, body):
        headers = {"X-Access-Token": "sandbox-public-credit-token"}
        refused = office("public_credit").post("/ggxy/v2/chaxun", data=body, headers=headers)
        assert (refused.status_code, refused.json["状态码"]) == (400, "4000")

    def test_the_token_is_needed(self, office):
        assert self.ask(office("public_credit"), token="wrong").status_code == 401


class TestContract:
    def ask(self, client, **changes):
        fields = {"account": "creditlink", "password": "sandbox-contract-password", "uscc": USCC[FULL], **RANGE}
        children = "".join(f"<{name}>{value}</{name}>" for name, value in uncover(fields, changes).items())
        return client.post("/htba/query", data=f"<query>{children}</query>")

    def test_pages_hold_all_months(self, office):
        client, seen = office("contract"), []
        for page in (1, 2, 3):
            root = ElementTree.fromstring(self.ask(client, page=page, pageSize=13).text)
            assert (root.get("total"), root.get("complete"), root.get("page")) == (str(MONTHS), "true", str(page))
            seen += [row.get("id") for row in root]
        assert len(seen) == len(set(seen)) == MONTHS

    def test_a_firm_without_contracts_has_no_record(self, office):
        answer = self.ask(office("contract"), uscc=USCC[CLEAN])
        assert (answer.status_code, 'code="C204"' in answer.text) == (404, True)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [({"uscc": "x"}, "uscc"), ({"from": "2026-1"}, "from"), ({"page": "0"}, "page"), ({"strange": 1}, "strange")],
    )
    def test_wrong_fields_are_named(self, office, changes, field):
        refused = self.ask(office("contract"), **changes)
        assert (refused.status_code, f'code="C422" field="{field}"' in refused.text) == (400, True)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<query>",
            b"<other/>",
            b'<!DOCTYPE query [<!ENTITY a "b">]><query/>',
            b"<query>\xff</query>",
            '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE query><query/>'.encode("utf-16"),
        ],
    )
    def test_what_is_no_query(self, office, body):
        refused = office("contract").post("/htba/query", data=body)
        assert (refused.status_code, 'code="C400"' in refused.text) == (400, True)

    def test_a_field_that_appears_twice(self, office):
        refused = office("contract").post("/htba/query", data="<query><uscc/><uscc/></query>")
        assert (refused.status_code, 'field="uscc"' in refused.text) == (400, True)

    @pytest.mark.parametrize("changes", [{"account": "x"}, {"password": "x"}, {"account": None}, {"password": "密码"}])
    def test_account_and_password_are_needed(self, office, changes):
        assert self.ask(office("contract"), **changes).status_code == 401

    def test_a_body_beyond_all_measure(self, office):
        refused = office("contract").post("/htba/query", data=b"x" * 20_000)
        assert (refused.status_code, 'code="C413"' in refused.text) == (413, True)


class TestIntellectualProperty:
    def ask(self, client, headers=BEARER, **changes):
        query = uncover({"uscc": USCC[FULL], **RANGE}, changes)
        return client.get("/api/v3/grants", query_string=query, headers=headers)

    def test_offsets_lead_through_all_rows_of_one_state(self, office):
        client, seen, etags = office("intellectual_property"), [], set()
        for offset in range(0, 140, 20):
            page = self.ask(
                client, offset=offset, limit=20, headers=BEARER | {"If-Match": etags.copy().pop()} if etags else BEARER
            )
            seen += [(row["id"], row["version"]) for row in page.json["grants"]]
            etags.add(page.headers["ETag"])
            assert page.json["total"] == 4 * MONTHS + 1
        assert len(seen) == len(set(seen)) == 4 * MONTHS + 1
        assert len(etags) == 1

    def test_another_state_of_the_list_is_refused(self, office):
        changed = self.ask(office("intellectual_property"), headers=BEARER | {"If-Match": '"another"'})
        assert (changed.status_code, changed.json["error"]["code"]) == (412, "changed")

    def test_a_firm_without_grants_has_no_record(self, office):
        answer = self.ask(office("intellectual_property"), uscc=USCC[CLEAN])
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "no_holder")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"uscc": "x"}, "uscc"),
            ({"offset": "-1"}, "offset"),
            ({"limit": "101"}, "limit"),
            ({"limit": "٣"}, "limit"),
            ({"to": "2026-00"}, "to"),
            ({"page": "1"}, "page"),
            ({"limit": ["1", "2"]}, "limit"),
        ],
    )
    def test_wrong_fields_are_named(self, office, changes, field):
        refused = self.ask(office("intellectual_property"), **changes)
        assert (refused.status_code, refused.json["error"]["parameter"]) == (400, field)

    def test_the_token_is_needed(self, office):
        refused = self.ask(office("intellectual_property"), headers={})
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="grants"')


class TestLogistics:
    def ask(self, client, headers=PARTNER, **changes):
        query = uncover({"uscc": USCC[FULL], "since": RANGE["from"], "until": RANGE["to"]}, changes)
        return client.get("/open/shipments.ndjson", query_string=query, headers=headers)

    def lines(self, answer):
        return [json.loads(line) for line in answer.text.splitlines()]

    def test_cursors_lead_through_all_months(self, office):
        client, seen, cursor = office("logistics"), [], None
        while cursor != "":
            *months, end = self.lines(self.ask(client, limit=7, cursor=cursor))
            assert (end["type"], end["total"], end["complete"]) == ("end", MONTHS, True)
            seen += [month["id"] for month in months]
            cursor = end["next"]
        assert len(seen) == len(set(seen)) == MONTHS

    def test_a_cursor_is_good_for_its_own_request_alone(self, office):
        client = office("logistics")
        cursor = self.lines(self.ask(client, limit=7))[-1]["next"]
        for changes in ({"limit": 8}, {"limit": 7, "cursor": cursor[:-4]}, {"limit": 7, "cursor": "é"}):
            refused = self.ask(client, **{"cursor": cursor} | changes)
            assert (refused.status_code, self.lines(refused)[0]["field"]) == (400, "cursor")

    def test_a_firm_that_never_shipped_has_no_record(self, office):
        assert self.lines(self.ask(office("logistics"), uscc=USCC[CLEAN])) == [{"type": "none", "uscc": USCC[CLEAN]}]

    @pytest.mark.parametrize("key", PARTNER)
    def test_both_headers_are_needed(self, office, key):
        refused = self.ask(office("logistics"), headers=PARTNER | {key: "wrong"})
        assert (refused.status_code, self.lines(refused)[0]["code"]) == (401, "AUTH")

    def test_wrong_fields_are_named(self, office):
        refused = self.ask(office("logistics"), since="2026")
        assert (refused.status_code, self.lines(refused)[0]["field"]) == (400, "since")


class TestCustoms:
    def ask(self, client, headers=BASIC, **changes):
        query = uncover(dict(zip(("dm", "qsny", "zzny"), (USCC[FULL], *COMPACT), strict=True)), changes)
        return client.get("/hgtj/ydhz.txt", query_string=query, headers=headers)

    def lines(self, answer):
        text = answer.data.decode("gb18030")
        assert text.endswith("\r\n")
        return [line.split("|") for line in text.split("\r\n")[:-1]]

    def test_the_text_begins_and_ends_as_it_should(self, office):
        head, *rows, tail = self.lines(self.ask(office("import_export")))
        assert head == ["H", USCC[FULL], str(2 * MONTHS), "1", "完整"]
        assert tail == ["T", str(len(rows))] == ["T", str(2 * MONTHS)]
        assert {row[0] for row in rows} == {"D"}
        assert {row[3] for row in rows} == {"出口", "进口"}
        _, *beyond, tail = self.lines(self.ask(office("import_export"), ym=2))
        assert (beyond, tail) == ([], ["T", "0"])

    def test_a_firm_without_trade_has_no_record(self, office):
        answer = self.ask(office("import_export"), dm=USCC[CLEAN])
        assert (answer.status_code, self.lines(answer)[0][0]) == (200, "N")

    @pytest.mark.parametrize(
        ("changes", "field"), [({"dm": "x"}, "dm"), ({"qsny": "2026-01"}, "qsny"), ({"ym": "0"}, "ym"), ({"x": 1}, "x")]
    )
    def test_wrong_fields_are_named(self, office, changes, field):
        refused = self.ask(office("import_export"), **changes)
        assert (refused.status_code, self.lines(refused)) == (400, [["E", "E02", "参数错误", field]])

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic x"}, {"Authorization": "Bearer x"}])
    def test_user_and_password_are_needed(self, office, headers):
        refused = self.ask(office("import_export"), headers=headers)
        assert (refused.status_code, self.lines(refused)[0][1]) == (401, "E01")


class TestHousingFund:
    def form(self, **changes):
        now = utc_now().astimezone(SHANGHAI)
        form = {"appkey": "creditlink", "sjc": f"{now:%Y%m%d%H%M%S}", "tyshxydm": USCC[FULL]}
        return uncover(form | {"ksny": COMPACT[0], "jsny": COMPACT[1]}, changes)

    def signed(self, form, secret=b"sandbox-housing-fund-secret"):
        base = "&".join(f"{name}={form[name]}" for name in sorted(form))
        return form | {"sign": hmac.new(secret, base.encode(), hashlib.sha256).hexdigest().upper()}

    def ask(self, client, form):
        return client.post("/gjj/dwjc/query.do", data=form)

    def test_pages_hold_all_rows_and_late_payments_are_corrections(self, office):
        client, seen = office("housing_fund"), []
        for page in ("1", "2", "3", "4"):
            answer = self.ask(client, self.signed(self.form(ym=page, mys="10")))
            body = answer.json
            assert (body["ret"], body["wz"], body["zts"]) == (0, 1, MONTHS + 4)
            seen += [dict(zip(body["cols"], row, strict=True)) for row in body["rows"]]
        assert len({(row["jlbh"], row["bb"]) for row in seen}) == len(seen) == MONTHS + 4
        late = [row for row in seen if row["jkrq"] == ""]
        assert [row["sjje"] for row in late] == [0] * 4
        assert {(row["jlbh"], 1) for row in late} <= {(row["jlbh"], row["bb"]) for row in seen}

    def test_a_firm_that_never_paid_has_no_record(self, office):
        answer = self.ask(office("housing_fund"), self.signed(self.form(tyshxydm=USCC[CLEAN])))
        assert (answer.status_code, answer.json["ret"]) == (200, 1404)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"tyshxydm": "x"}, "tyshxydm"),
            ({"ksny": "2026-01"}, "ksny"),
            ({"mys": "201"}, "mys"),
            ({"odd": "1"}, "odd"),
        ],
    )
    def test_wrong_fields_are_named_with_status_200(self, office, changes, field):
        refused = self.ask(office("housing_fund"), self.signed(self.form(**changes)))
        assert (refused.status_code, refused.json["ret"], refused.json["field"]) == (200, 4003, field)

    @pytest.mark.parametrize(
        ("changes", "after", "field"),
        [
            ({"appkey": "another"}, {}, "appkey"),
            ({}, {"sign": "0" * 64}, "sign"),
            ({}, {"sign": "short"}, "sign"),
            ({}, {"tyshxydm": USCC[CLEAN]}, "sign"),
            ({"sjc": "20260230000000"}, {}, "sjc"),
            ({"sjc": f"{utc_now().astimezone(SHANGHAI) - timedelta(minutes=9):%Y%m%d%H%M%S}"}, {}, "sjc"),
        ],
    )
    def test_a_form_that_is_not_signed(self, office, changes, after, field):
        refused = self.ask(office("housing_fund"), self.signed(self.form(**changes)) | after)
        assert (refused.status_code, refused.json["ret"], refused.json["field"]) == (200, 4001, field)

    def test_an_address_that_is_not_there(self, office):
        assert office("housing_fund").get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--port", "gossip=7004"], "gossip"),
        (["--port", "contract=0"], "contract=0"),
        (["--port", "contract=70000"], "contract=70000"),
        (["--port", "contract=1", "--port", "contract=2"], "named twice"),
        ([], "not a city"),
    ],
)
def test_what_cannot_be_served_is_named(tmp_path, more, said):
    result = CliRunner().invoke(sandbox, ["offices", "--city", str(tmp_path), *more])
    assert result.exit_code != 0
    assert said in result.output


def test_the_damaged_records_of_a_city_are_named(tmp_path):
    write_office_city(tmp_path, UNTIL)
    part = tmp_path / "customs_months" / "part-0.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    result = CliRunner().invoke(sandbox, ["offices", "--city", str(tmp_path), "--port", "import_export=1"])
    assert (result.exit_code, "not readable as Parquet" in result.output) == (1, True)

"""The three offices: their dialects, credentials, pages and faults; and invoices that add up to their month."""

import base64
import json
import shutil

import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.sandbox.sandbox import sandbox
from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.facts.invoices import INVOICE_SCHEMA, invoice_months
from creditlink.sandbox.bureaus.invoices import expand
from creditlink.sandbox.bureaus.serving import bureau_app
from creditlink.sandbox.city import write_city
from tests.months import last_recorded_month

UNTIL = last_recorded_month()
RANGE = {"from": f"{UNTIL.year - 2}-01", "to": f"{UNTIL:%Y-%m}"}
BASIC = {"Authorization": "Basic " + base64.b64encode(b"creditlink:sandbox-utility-password").decode()}
KEY = {"X-Api-Key": "sandbox-social-security-key"}


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    write_city(folder, firms=200, months=36, seed=21, until=UNTIL)
    return folder


@pytest.fixture(scope="module")
def firm_of(city):
    """The USCC of the firm of which a frame knows most."""
    codes = pl.read_parquet(city / "firms" / "*.parquet")

    def find(frame, **where):
        rows = pl.read_parquet(city / frame / "*.parquet").filter(**where)
        return codes.filter(pl.col("firm") == rows["firm"].mode().min())["uscc"][0]

    return find


@pytest.fixture
def office(city):
    def open_office(kind):
        return bureau_app(kind, city, None, {}).test_client()

    return open_office


@pytest.mark.pure
def test_invoices_add_up_to_their_month_exactly(city):
    """Every version of every month, by the definitions that intake uses."""
    months = pl.read_parquet(city / "invoice_months" / "*.parquet")
    seed = json.loads((city / "manifest.json").read_text())["seed"]
    columns = [c for c in FRAME_SCHEMAS["invoice_months"] if c not in ("firm", "known_on", "hhi")]
    checked = 0
    for (firm,), rows in months.filter(pl.col("firm") < 60).group_by("firm", maintain_order=True):
        told = pl.DataFrame(expand(rows, seed)).with_columns(
            version=0, recorded_at=pl.col("known_on").cast(pl.Datetime("us", "UTC"))
        )
        counted = invoice_months(told.select(pl.col(n).cast(k) for n, k in INVOICE_SCHEMA.items()), by=())
        latest = rows.sort("known_on").unique(["period", "direction"], keep="last").sort("period", "direction")
        ours = counted.sort("known_at").unique(["period", "direction"], keep="last").sort("period", "direction")
        assert ours.select(columns).rows() == latest.select(columns).rows(), firm
        assert ours["hhi"].to_list() == pytest.approx(latest["hhi"].to_list())
        checked += latest.height
    assert checked > 500


@pytest.mark.pure
class TestSocialSecurity:
    def test_pages_by_cursor_until_the_last(self, office, firm_of):
        client, uscc = office("social_security"), firm_of("payroll_months")
        seen, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = client.get("/sbj/payroll", query_string={"uscc": uscc, **RANGE, "limit": 7} | more, headers=KEY)
            assert page.status_code == 200
            seen += [line.split('"')[1] + line.split('"')[3] for line in page.text.splitlines() if "<month " in line]
            if "<next>" not in page.text:
                break
            cursor = page.text.split("<next>")[1].split("</next>")[0]
        assert len(seen) == len(set(seen)) == int(page.text.split('total="')[1].split('"')[0])

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"uscc": "x"}, "BAD_PARAMETER"),
            ({"from": "2026-13"}, "BAD_PARAMETER"),
            ({"limit": "0"}, "BAD_PARAMETER"),
            ({"strange": "1"}, "BAD_PARAMETER"),
            ({"cursor": "abc"}, "BAD_CURSOR"),
        ],
    )
    def test_wrong_parameters_are_named(self, office, firm_of, query, code):
        asked = {"uscc": firm_of("payroll_months"), **RANGE} | query
        refused = office("social_security").get("/sbj/payroll", query_string=asked, headers=KEY)
        assert refused.status_code == 400
        assert f'code="{code}"' in refused.text

    def test_the_key_is_needed(self, office):
        assert office("social_security").get("/sbj/payroll", headers={"X-Api-Key": "wrong"}).status_code == 401


@pytest.mark.pure
class TestUtility:
    def ask(self, client, uscc, **more):
        return client.get("/v1/electricity/months", query_string={"uscc": uscc, **RANGE} | more, headers=BASIC)

    def test_links_lead_through_all_rows(self, office, firm_of):
        client, uscc = office("utility"), firm_of("meter_months", kind="electricity")
        page = self.ask(client, uscc, per_page=5)
        rows = page.text.splitlines()[1:]
        while "Link" in page.headers:
            page = client.get(page.headers["Link"].split("<")[1].split(">")[0], headers=BASIC)
            rows += page.text.splitlines()[1:]
        assert len(rows) == len(set(rows)) == int(page.headers["X-Total-Count"])

    def test_unknown_firms_have_no_record(self, office):
        answer = self.ask(office("utility"), "9" * 18)
        assert (answer.status_code, answer.headers["X-Record"]) == (204, "none")

    @pytest.mark.parametrize(
        ("mode", "status"), [("http500", 500), ("timeout", 504), ("no_record", 204), ("latency", 200), ("partial", 200)]
    )
    def test_faults_are_for_one_firm_and_so_many_times(self, office, firm_of, mode, status):
        client, uscc = office("utility"), firm_of("meter_months", kind="electricity")
        made = client.post("/_faults", json={"uscc": uscc, "mode": mode, "times": 1, "seconds": 0})
        assert made.status_code == 201
        spoiled = self.ask(client, uscc)
        assert spoiled.status_code == status
        assert mode != "partial" or spoiled.headers["X-Complete"] == "false"
        good = self.ask(client, uscc)
        assert (good.status_code, good.headers["X-Complete"]) == (200, "true")

    def test_malformed_rows_are_every_fourth(self, office, firm_of):
        client, uscc = office("utility"), firm_of("meter_months", kind="electricity")
        client.post("/_faults", json={"uscc": "*", "mode": "malformed"})
        rows = self.ask(client, uscc).text.splitlines()[1:]
        assert "2025-02-30" in rows[0]
        assert ",n/a," in rows[4]
        assert len(rows[8].split(",")) == 14

    @pytest.mark.parametrize(
        ("fault", "field"),
        [
            ({"mode": "boom"}, "mode"),
            ({"mode": "latency", "seconds": 601}, "seconds"),
            ({"mode": "latency", "x": 1}, "x"),
        ],
    )
    def test_a_wrong_fault_names_its_field(self, office, fault, field):
        refused = office("utility").post("/_faults", json=fault)
        assert (refused.status_code, refused.json["field"]) == (422, field)


@pytest.mark.pure
def test_the_tax_office_refuses_an_unsigned_request(office):
    refused = office("tax").post("/swj/v1/zzssb/query", json={})
    assert (refused.status_code, refused.json["code"]) == (401, "1001")


def test_a_bureau_names_what_is_damaged_in_its_city(city, tmp_path):
    for name in ("firms", "meter_months"):
        shutil.copytree(city / name, tmp_path / name)
    shutil.copy(city / "manifest.json", tmp_path)
    part = next((tmp_path / "meter_months").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    said = CliRunner().invoke(sandbox, ["bureau", "utility", "--city", str(tmp_path), "--port", "1"])
    assert (said.exit_code, "not readable as Parquet" in said.output) == (1, True)

"""`/v1/registry`: the operator's client hands in what the registry says; nobody else finds anything there."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from creditlink.enterprises import service
from creditlink.enterprises.registry import tasks
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.oauth import flow

PATH = "/v1/registry/loads"
BOTH = "registry:read registry:write"
CODE = make.make_uscc(1)


def listed(number=1, **values):
    return {
        "sequence": str(number), "uscc": make.make_uscc(number), "name": f"佛山第{number}有限公司", "industry": "C33",
        "region": "440604",
    } | values  # fmt: skip


@pytest.fixture
def caller(app, empty_database):
    """Return what makes a caller of an institution of some kind, with a token for some scope."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def make_caller(kind="operator", scope=BOTH):
            with empty_database.transaction("owner") as session:
                institution = make.make_institution(session, kind=kind)
            client = flow.register_bank(empty_database, http, institution=institution, scopes=BOTH.split())
            token = client.in_own_name(scope=scope)
            return lambda method, path=PATH, **more: client.call(method, path, token, **more)

        yield make_caller


def hand_in(call, *rows, headers=None, **values):
    body = {"source": "4406", "kind": "incremental", "rows": list(rows)} | values
    return call("POST", json=body, headers=headers or {})


def queued():
    with db.transaction("owner") as session:
        return session.scalars(
            text("SELECT args ->> 'load_id' FROM procrastinate_jobs WHERE task_name = 'registry.take' ORDER BY id")
        ).all()


def work():
    for load_id in queued():
        tasks.take_load(load_id)


def test_changes_are_handed_in_queued_and_taken(caller):
    call = caller()
    answer = hand_in(call, listed(1), listed(2, industry="?"))
    assert answer.status_code == 202
    load = answer.json()
    assert (load["state"], load["rows"]["waiting"]) == ("ready", 2)
    assert answer.headers["Location"] == f"{PATH}/{load['id']}"
    assert queued() == [str(ids.internal("rgl", load["id"]))]
    work()
    done = call("GET", answer.headers["Location"]).json()
    assert (done["state"], done["rows"]["applied"], done["rows"]["refused"]) == ("done", 1, 1)
    (refused,) = call("GET", f"{PATH}/{load['id']}/refused").json()["items"]
    assert (refused["row"], refused["problems"][0]["field"], refused["problems"][0]["value"]) == (2, "industry", "?")
    assert call("GET", f"{PATH}/{load['id']}/refused?cursor=2").json() == {"items": [], "next_cursor": None}
    with db.transaction("owner") as session:
        assert service.by_uscc(session, CODE).name == "佛山第1有限公司"


def test_a_whole_list_comes_in_parts_and_is_taken_when_it_is_complete(caller):
    call = caller()
    load = hand_in(call, listed(1), kind="full", region="4406", complete=False).json()
    assert (load["state"], queued()) == ("open", [])
    more = call("POST", f"{PATH}/{load['id']}/rows", json={"rows": [listed(2)], "complete": False})
    assert more.status_code == 202
    last = call("POST", f"{PATH}/{load['id']}/rows", json={"rows": [listed(3)]}).json()
    assert (last["state"], last["rows"]["waiting"]) == ("ready", 3)
    work()
    assert call("GET", f"{PATH}/{load['id']}").json()["rows"]["applied"] == 3
    late = call("POST", f"{PATH}/{load['id']}/rows", json={"rows": [listed(4)]})
    assert (late.status_code, late.json()["reason"]) == (409, "done")


def test_a_request_again_gives_the_same_load(caller):
    call, key = caller(), {"Idempotency-Key": "delivery-2026-11-29"}
    first, again = (hand_in(call, listed(1), headers=key).json() for _ in range(2))
    assert first["id"] == again["id"]
    assert again["rows"]["waiting"] == 1
    other = hand_in(call, listed(2), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    work()
    assert hand_in(call, listed(1), headers=key).json()["rows"]["applied"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"source": "a b"}, "/source"),
        ({"source": ""}, "/source"),
        ({"kind": "some"}, "/kind"),
        ({"kind": "full", "region": "44x"}, "/region"),
        ({"region": "44"}, "/region"),
        ({"rows": "x"}, "/rows"),
        ({"rows": [1]}, "/rows/0"),
        ({"rows": [{"name": "\0"}]}, "/rows/0/name"),
        ({"rows": [{"registered_capital_fen": 2**64}]}, "/rows/0/registered_capital_fen"),
        ({"rows": [{}] * 1001}, "/rows"),
        ({"most_unlisted_bps": "500"}, "/most_unlisted_bps"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_request_that_cannot_be_is_refused_by_field(caller, body, pointer):
    answer = hand_in(caller(), **body)
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    with db.transaction("owner") as session:
        assert session.scalar(text("SELECT count(*) FROM registry_loads")) == 0


def test_a_row_of_endless_depth_is_kept_aside(caller):
    call, deep = caller(), 1
    for _ in range(400):
        deep = [deep]
    load = hand_in(call, listed(1, shareholders=deep), listed(2)).json()
    assert load["rows"]["refused"] == 1
    work()
    (refused,) = call("GET", f"{PATH}/{load['id']}/refused").json()["items"]
    assert refused["problems"][0]["problem"] == "is nested deeper than 5"
    assert call("GET", f"{PATH}/{load['id']}").json()["rows"]["applied"] == 1


def test_the_list_of_codes_to_be_cleared(caller):
    call = caller()
    wrong = CODE[:16] + ("8" if CODE[16] != "8" else "7") + CODE[17]
    hand_in(call, listed(1), listed(2, uscc=wrong, name="佛山第1有限责任公司"))
    work()
    items = call("GET", "/v1/registry/clearing").json()["items"]
    assert sorted((one["kind"], one["other_uscc"]) for one in items) == [("near_duplicate", CODE), ("wrong", None)]
    first = call("GET", "/v1/registry/clearing?limit=1").json()
    rest = call("GET", f"/v1/registry/clearing?limit=1&cursor={first['next_cursor']}").json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in items]
    assert call("GET", "/v1/registry/clearing?kind=duplicate").json()["items"] == []
    assert call("GET", "/v1/registry/clearing?state=x").status_code == 422
    assert call("GET", "/v1/registry/clearing?cursor=clr_1").status_code == 422


def test_a_lender_finds_nothing_there(caller):
    mine, call = caller(), caller(kind="bank")
    load = hand_in(mine, listed(1)).json()["id"]
    assert hand_in(call, listed(2)).status_code == 404
    assert call("POST", f"{PATH}/{load}/rows", json={"rows": []}).status_code == 404
    assert [call("GET", path).status_code for path in (f"{PATH}/{load}", f"{PATH}/{load}/refused")] == [404, 404]
    assert call("GET", "/v1/registry/clearing").status_code == 404
    assert len(queued()) == 1


def test_reading_is_not_handing_in(caller):
    call = caller(scope="registry:read")
    assert hand_in(call, listed(1)).status_code == 403
    assert call("GET", f"{PATH}/rgl_{'0' * 32}").status_code == 404


def test_a_load_that_lost_its_job_is_queued_again(caller, empty_database):
    load = ids.internal("rgl", hand_in(caller(), listed(1)).json()["id"])
    with db.transaction("owner") as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))
    tasks.queue_late_loads(0)
    assert queued() == []
    with db.transaction("owner") as session:
        session.execute(text("UPDATE registry_loads SET ready_at = ready_at - interval '3 minutes'"))
    tasks.queue_late_loads(int(utc_now().timestamp()))
    tasks.queue_late_loads(int(utc_now().timestamp()))
    assert queued() == [str(load)]
    work()
    tasks.queue_late_loads(0)
    assert len(queued()) == 1


class TestSettling:
    WRONG = CODE[:16] + ("8" if CODE[16] != "8" else "7") + CODE[17]

    @pytest.fixture
    def call(self, caller):
        call = caller()
        hand_in(call, listed(2, uscc=self.WRONG, name='=HYPERLINK("x")公司'))
        work()
        return call

    def act(self, call, act, text="x", **more):
        (item,) = [
            one
            for state in ("open", "exception", "corrected")
            for one in call("GET", f"/v1/registry/clearing?kind=wrong&state={state}").json()["items"]
        ]
        return call("POST", f"/v1/registry/clearing/{item['id']}", json={"act": act, "text": text, **more})

    def exception(self):
        with db.transaction("owner") as session:
            return service.by_uscc(session, self.WRONG).uscc_exception

    def test_claimed_excepted_expired_with_evidence(self, call):
        assert self.act(call, "claim", "李工").json()["owner"] == "李工"
        before = self.exception()
        kept = self.act(call, "except", "执照已核", ends_on="2099-01-01").json()
        assert (kept["state"], kept["exception_evidence"], kept["owner"]) == ("exception", "执照已核", "李工")
        assert self.exception() == before  # a request does not write the registry
        tasks.keep_exceptions()
        assert self.exception() == "执照已核"
        assert self.act(call, "expire", "a new licence").json()["state"] == "open"
        assert self.act(call, "expire").status_code == 409
        with db.transaction("owner") as session:
            acts = session.scalars(
                text("SELECT action FROM audit_entries WHERE action LIKE 'clearing.%' ORDER BY at, seq")
            ).all()
        assert acts == ["clearing.assign", "clearing.except", "clearing.expire"]

    def test_the_sweep_writes_an_exception_whose_job_was_lost(self, call):
        self.act(call, "except", "执照已核", ends_on="2099-01-01")
        tasks.keep_late_exceptions(0)
        assert self.exception() == "执照已核"

    def test_closed_once_the_registry_has_it_right(self, call):
        early = self.act(call, "close", "corrected")
        assert (early.status_code, early.json()["reason"]) == (409, "not_corrected")
        hand_in(call, {"sequence": "9", "uscc": self.WRONG, "status": "deregistered"})
        with db.transaction("owner") as session:  # taken, and its own scan left out
            session.execute(text("UPDATE enterprises SET status = 'deregistered'"))
        assert self.act(call, "close", "cancelled").json()["state"] == "corrected"
        assert self.act(call, "claim").status_code == 409

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"act": "burn", "text": "x"}, "/act"),
            ({"act": "claim"}, "/text"),
            ({"act": "claim", "text": ""}, "/text"),
            ({"act": "claim", "text": "\0"}, "/text"),
            ({"act": "except", "text": "x"}, "/ends_on"),
            ({"act": "except", "text": "x", "ends_on": "20990101"}, "/ends_on"),
            ({"act": "close", "text": "x", "ends_on": "2099-01-01"}, "/ends_on"),
        ],
    )
    def test_what_cannot_be_is_refused_by_field(self, call, body, pointer):
        (item,) = call("GET", "/v1/registry/clearing?kind=wrong").json()["items"]
        answer = call("POST", f"/v1/registry/clearing/{item['id']}", json=body)
        assert answer.status_code == 422, answer.text
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]

    def test_an_exception_ends_after_today(self, call):
        assert self.act(call, "except", ends_on="2026-01-01").status_code == 422
        assert self.act(call, "claim", " ").status_code == 422

    def test_the_registrars_file(self, call):
        answer = call("GET", "/v1/registry/clearing/export?kind=wrong")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        head, row = answer.content.decode().splitlines()
        assert head.startswith("\ufeffid,kind,uscc")
        assert self.WRONG in row
        assert "'=HYPERLINK" in row
        assert call("GET", "/v1/registry/clearing/export?state=corrected").content.decode().count("\n") == 1
        assert call("GET", "/v1/registry/clearing/export?cursor=x").status_code == 422

    def test_a_lender_and_a_reader_settle_nothing(self, call, caller):
        (item,) = call("GET", "/v1/registry/clearing?kind=wrong").json()["items"]
        path, body = f"/v1/registry/clearing/{item['id']}", {"act": "claim", "text": "me"}
        lender = caller(kind="bank")
        assert lender("POST", path, json=body).status_code == 404
        assert lender("GET", "/v1/registry/clearing/export").status_code == 404
        assert caller(scope="registry:read")("POST", path, json=body).status_code == 403
        assert call("POST", f"/v1/registry/clearing/clr_{'0' * 32}", json=body).status_code == 404
        with db.transaction("api") as session:
            assert session.execute(text("UPDATE uscc_clearings SET owner = 'me'")).rowcount == 0

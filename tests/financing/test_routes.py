"""A lender's side over HTTP: what is before it, its answers, the firm's data, and what became of the loans."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import event

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching import encoding
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import match_many
from creditlink.financing.tables import Application
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.ids import external, internal
from creditlink.kit.postgres import db
from creditlink.products.tables import Product
from creditlink.sandbox.banks.bank import InboxRequest
from tests import factories
from tests.engine.matching import samples

OFFER = {"amount_fen": 80_000_000, "term_months": 12, "rate_bps": 520, "fee_fen": 200_000}


@pytest.fixture
def before(market, asked):
    """Ids on the wire of a request's applications, made now."""

    def run(count: int = 3) -> list[str]:
        return [external("app", one) for one in asked(count, now=utc_now())]

    return run


def call(desk, method, path, body=None, **headers):
    kwargs = {} if body is None else {"json": body}
    return desk.call(method, f"/v1/financing{path}", desk.own, headers=headers, **kwargs)


def valid_until(days: int = 7) -> str:
    return (utc_now() + timedelta(days=days)).isoformat(timespec="seconds")


def accepted(market, application: str) -> str:
    """Let the firm accept the open offer; return its hash."""
    with db.transaction("owner") as session:
        from creditlink.financing.applications import applications

        held = session.get_one(Application, internal("app", application))
        sha256 = applications.latest_offer(session, held).sha256
        market.accept(session, held, sha256, now=utc_now())
    return sha256


def test_the_whole_life_of_an_application(desk, market, before):
    first, *_ = before()
    listed = call(desk, "GET", "/applications").json()
    assert [item["id"] for item in listed["items"]] == [first]
    assert listed["items"][0]["allowed"] == ["decline", "offer", "receive", "review"]
    assert call(desk, "POST", f"/applications/{first}/receipt").json()["state"] == "received"
    assert call(desk, "POST", f"/applications/{first}/review").json()["state"] == "reviewing"
    offered = call(desk, "POST", f"/applications/{first}/offers", OFFER | {"valid_until": valid_until()}).json()
    assert offered["state"] == "offered"
    assert offered["offer"]["yearly_cost_bps"] > 520
    sha256 = accepted(market, first)
    assert offered["offer"]["sha256"] == sha256
    signed = call(desk, "POST", f"/applications/{first}/signature", {"offer_sha256": sha256}).json()
    assert signed["state"] == "signed"
    today = day_of(utc_now()).isoformat()
    month = day_of(utc_now()).replace(day=1).isoformat()
    drawn = call(
        desk, "POST", f"/applications/{first}/outcomes",
        {"kind": "draw", "on": month, "amount_fen": 30_000_000, "reference": "1"},
    ).json()  # fmt: skip
    assert drawn["state"] == "drawn"
    paid = call(
        desk, "POST", f"/applications/{first}/outcomes",
        {"kind": "repayment", "on": month, "amount_fen": 28_000_000, "days_past_due": 0},
    ).json()  # fmt: skip
    assert paid["state"] == "repaying"
    closed = call(desk, "POST", f"/applications/{first}/outcomes", {"kind": "closure", "on": today}).json()
    assert closed["state"] == "closed"
    assert [event["event"] for event in closed["history"]] == [
        "apply", "receive", "review", "offer", "accept", "sign", "draw", "report", "close",
    ]  # fmt: skip
    assert {fact["kind"] for fact in closed["loan"]} == {"draw", "repayment", "closure"}
    text = json.dumps(closed)
    assert market.firm.enterprise.uscc not in text
    assert str(market.firm.account.id) not in text


def test_the_consent_given_with_it_leads_to_tokens_once(desk, before):
    first, *_ = before()
    handed = call(desk, "POST", f"/applications/{first}/authorization")
    assert handed.status_code == 201
    waiting = InboxRequest(handed.json()["auth_req_id"], expires_in=600, interval=5)
    assert desk.poll(waiting)
    assert waiting.grant_id == handed.json()["consent_id"]
    assert desk.call("GET", "/v1/profiles", waiting).status_code == 200
    assert desk.send(
        "/oauth/token",
        desk.client_parameters()
        | {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": waiting.auth_req_id},
        dpop=True,
    ).status_code == 400  # fmt: skip


def test_asking_again_voids_the_way_before(desk, before):
    first, *_ = before()
    old, new = (call(desk, "POST", f"/applications/{first}/authorization").json()["auth_req_id"] for _ in range(2))
    grant = {"grant_type": "urn:openid:params:grant-type:ciba"}
    refused = desk.send("/oauth/token", desk.client_parameters() | grant | {"auth_req_id": old}, dpop=True)
    assert refused.json()["error"] == "invalid_grant"
    assert desk.poll(InboxRequest(new, expires_in=600, interval=5))


def test_a_declined_lender_gets_no_way_in(desk, before):
    first, *_ = before()
    declined = call(desk, "POST", f"/applications/{first}/decline", {"reasons": ["D33"], "note": "请降低金额"}).json()
    assert declined["state"] == "declined"
    assert declined["consent_state"] == "REVOKED"
    assert declined["declined_for"] == [{"code": "D33", "agreement": "no_profile"}]
    assert call(desk, "POST", f"/applications/{first}/authorization").status_code == 409
    report = call(desk, "GET", "/disagreements").json()
    assert report == {"declines": 1, "by_reason": [{"code": "D33", "declines": 1, "agreements": {"no_profile": 1}}]}


def test_another_lenders_application_is_not_there(desk, before):
    _, second, _ = before()
    unknown = external("app", factories.uuid4())
    for path in ("", "/receipt", "/authorization", "/decline"):
        method = "GET" if not path else "POST"
        body = {"reasons": ["D33"]} if path == "/decline" else None
        answers = [call(desk, method, f"/applications/{one}{path}", body) for one in (second, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404]
        first, other = ({k: v for k, v in answer.json().items() if k != "request_id"} for answer in answers)
        assert first == other


def test_an_illegal_step_answers_409_with_the_legal_ones(desk, before):
    first, *_ = before()
    answer = call(desk, "POST", f"/applications/{first}/signature", {"offer_sha256": "0" * 64})
    assert answer.status_code == 409
    call(desk, "POST", f"/applications/{first}/decline", {"reasons": ["D33"]})
    answer = call(desk, "POST", f"/applications/{first}/review")
    assert answer.status_code == 409
    assert answer.json()["allowed"] == []
    assert answer.json()["state"] == "declined"


def test_an_idempotency_key_makes_a_repeated_offer_one_offer(desk, before):
    first, *_ = before()
    body = OFFER | {"valid_until": valid_until()}
    answers = [
        call(desk, "POST", f"/applications/{first}/offers", body, **{"Idempotency-Key": "offer-key-1"}).json()
        for _ in range(2)
    ]
    assert answers[0]["offer"] == answers[1]["offer"]
    assert [event["event"] for event in answers[1]["history"]] == ["apply", "offer"]
    other = call(
        desk, "POST", f"/applications/{first}/offers", body | {"rate_bps": 1}, **{"Idempotency-Key": "offer-key-1"}
    )
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/offers", {"term_months": 12, "rate_bps": 1, "valid_until": "2030-01-01T00:00:00Z"}, "/amount_fen"),
        ("/offers", OFFER | {"valid_until": "2030-01-01T00:00:00Z"}, "/valid_until"),
        ("/offers", OFFER | {"fee_fen": 80_000_000, "valid_until": "2030-01-01T00:00:00Z"}, "/fee_fen"),
        ("/decline", {"reasons": ["D99"]}, "/reasons/0"),
        ("/decline", {"reasons": []}, "/reasons"),
        ("/outcomes", {"kind": "repayment", "on": "2026-01-01"}, "/days_past_due"),
        ("/outcomes", {"kind": "repayment", "on": "2026-01-02", "days_past_due": 0}, "/on"),
        ("/outcomes", {"kind": "gift", "on": "2026-01-02"}, "/kind"),
        ("/receipt", {"why": 1}, None),
    ],
)
def test_bad_bodies_name_the_field(desk, before, path, body, pointer):
    first, *_ = before(1)
    answer = call(desk, "POST", f"/applications/{first}{path}", body)
    if pointer is None:
        assert answer.status_code == 200  # a step without parameters takes no body and reads none
        return
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


class TestOutcomeFiles:
    @pytest.fixture
    def lent(self, desk, market, before):
        first, *_ = before()
        call(desk, "POST", f"/applications/{first}/offers", OFFER | {"valid_until": valid_until()})
        sha256 = accepted(market, first)
        call(desk, "POST", f"/applications/{first}/signature", {"offer_sha256": sha256})
        return first

    def send(self, desk, text: str, kind: str = "text/csv"):
        return desk.call(
            "POST", "/v1/financing/outcomes", desk.own, content=text.encode(), headers={"Content-Type": kind}
        )

    def test_a_long_file_is_taken_in_portions_and_its_draws_are_counted_once_each(self, desk, lent):
        whole = OFFER["amount_fen"]
        rows = [f"{lent},draw,2026-01-05,{-(-whole // 300)},,r{n}" for n in range(301)]
        text = "\n".join(["application_id,kind,on,amount_fen,days_past_due,reference", *rows])
        statements = []

        def count(_connection, _cursor, statement, *_more):
            statements.append(statement)

        engine = db.current().engine("api")
        event.listen(engine, "before_cursor_execute", count)
        try:
            answer = self.send(desk, text).json()
        finally:
            event.remove(engine, "before_cursor_execute", count)
        assert (answer["lines"], answer["recorded"], len(answer["errors"])) == (301, 299, 2)
        # Two portions, and a sum of the draws for each: not one for every line.
        assert len([s for s in statements if "sum(" in s and "loan_facts" in s]) == 2
        # Nor a look at the loan's history, whose last step is found by reading all of them: each draw is one.
        assert [s for s in statements if "FROM financing_events" in s] == []

    def test_good_rows_are_in_and_each_wrong_one_is_named(self, desk, lent):
        text = "\n".join(
            [
                "application_id,kind,on,amount_fen,days_past_due,reference",
                f"{lent},draw,2026-01-05,50000000,,a",
                f"{lent},repayment,2026-02-01,40000000,12,",
                f"{lent},repayment,2026-02-03,40000000,12,",
                f"{lent},repayment,2026-03-01,x,0,",
                f"{lent},draw,2026-03-01,50000000,,b",
                "app_unknown,draw,2026-03-01,1,,",
                f"{lent},draw,2026-03-01",
            ]
        )
        answer = self.send(desk, text).json()
        assert (answer["lines"], answer["recorded"], answer["unchanged"]) == (7, 2, 0)
        assert [(e["line"], e["field"]) for e in answer["errors"]] == [
            (4, "on"), (5, "amount_fen"), (6, "kind"), (7, "application_id"), (8, "line"),
        ]  # fmt: skip
        assert "30000000" in answer["errors"][2]["problem"]
        again = self.send(desk, text).json()
        assert (again["recorded"], again["unchanged"], len(again["errors"])) == (0, 2, 5)

    def test_ndjson_reads_alike_and_corrections_keep_both_clocks(self, desk, lent):
        rows = [{"application_id": lent, "kind": "draw", "on": "2026-01-05", "amount_fen": 50_000_000}]
        rows += [
            {"application_id": lent, "kind": "repayment", "on": "2026-02-01", "amount_fen": 4, "days_past_due": 95}
        ]
        kind = "application/x-ndjson"
        assert self.send(desk, "\n".join(map(json.dumps, rows)), kind).json()["recorded"] == 2
        rows[1]["days_past_due"] = 5
        assert self.send(desk, json.dumps(rows[1]), kind).json()["recorded"] == 1
        shown = call(desk, "GET", f"/applications/{lent}").json()["loan"]
        assert [fact["days_past_due"] for fact in shown] == [None, 5]
        with db.transaction("owner") as session:
            from creditlink.financing.loans import outcomes

            held = session.get_one(Application, internal("app", lent))
            facts = outcomes.facts_of(session, held)
            earlier = outcomes.facts_of(session, held, known_at=facts[1].known_at - timedelta(microseconds=1))
        assert [fact.days_past_due for fact in earlier] == [None, 95]

    def test_days_that_cannot_be_are_refused_by_line(self, desk, lent):
        days = ["0001-01-01", "9999-12-31", "2026-W01-1", "２０２６-01-05", "2026-1-5", "20260105"]
        rows = [f"{lent},draw,{day},1,,{n}" for n, day in enumerate(days)]
        answer = self.send(desk, "\n".join(["application_id,kind,on,amount_fen,days_past_due,reference", *rows])).json()
        assert (answer["recorded"], [e["line"] for e in answer["errors"]]) == (0, [2, 3, 4, 5, 6, 7])
        for day in days:
            body = {"kind": "draw", "on": day, "amount_fen": 1}
            assert call(desk, "POST", f"/applications/{lent}/outcomes", body).status_code == 422

    def test_what_is_told_of_a_wrong_line_is_short(self, desk, lent):
        for row in ({"amount_fen": "9" * 200_000}, {"9" * 200_000: 1}, {"kind": [[["draw"] * 20_000]]}):
            answer = self.send(desk, json.dumps({"application_id": lent, "kind": "draw"} | row), "application/x-ndjson")
            assert len(answer.json()["errors"]) == 1
            assert len(answer.content) < 1000

    @pytest.mark.parametrize("header", ["application_id,kind", "application_id,kind,on,colour"])
    def test_a_wrong_header_is_refused_whole(self, desk, lent, header):
        answer = self.send(desk, f"{header}\n{lent},draw\n")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/line/1"

    def test_a_wrong_type_or_encoding_is_refused(self, desk, lent):
        assert self.send(desk, "{}", "application/json").status_code == 422
        answer = desk.call(
            "POST", "/v1/financing/outcomes", desk.own, content=b"\xff\xfe", headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 422


def test_decline_reasons_are_public(client):
    items = client.get("/v1/decline-reasons").json["items"]
    assert len(items) >= 30
    assert {"code", "label_zh", "label_en", "reason_codes"} == set(items[0])


def test_a_token_without_the_scope_is_refused(desk, before):
    first, *_ = before(1)
    desk.own = desk.in_own_name(scope="financing:read")
    assert call(desk, "POST", f"/applications/{first}/receipt").status_code == 403


def on_sale(database, market, terms, *, revision):
    """Put a product of the first lender on sale."""
    with database.transaction("owner") as session:
        session.add(
            Product(
                institution_id=market.lenders[0][0].id, code=terms.code, version=terms.version, state="live",
                terms=terms.to_dict(), terms_sha256="0" * 64, revision=revision, written_by="a", checked_by="b",
                created_at=utc_now(), changed_at=utc_now(), published_at=utc_now(),
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("fees_bps", "cost_bps", "total_fen"), [(0, 145, 435_000), (80, 226, 675_000)], ids=["no fees", "fees"]
)
def test_one_rate_and_one_net_cost_from_the_list_to_the_contract(
    app, desk, market, before, empty_database, fees_bps, cost_bps, total_fen
):
    """An offer takes over the product's subsidy, fees and repayment; list, match, offer and contract say one number."""
    terms = samples.product(
        "TAX-1", rate_bps_min=345, rate_bps_max=345, term_months_min=12, term_months_max=12, subsidy_bps=200,
        fees_bps=fees_bps, repayment="bullet", institution_code=market.lenders[0][0].code,
    )  # fmt: skip
    # Each case has a revision of its own: by it a process knows the catalogue that it read.
    on_sale(empty_database, market, terms, revision=1_000 + fees_bps)
    first, *_ = before()
    listed = app.test_client().get("/v1/products/TAX-1").json
    book = compile_book([terms], BY_NAME, samples.SETTINGS)
    matched = encoding.unpack(encoding.pack(match_many(book, samples.firms()).explain(0)), book)[0].to_dict()["offer"]
    body = {"amount_fen": 30_000_000, "term_months": 12, "rate_bps": 345, "valid_until": valid_until()}
    offer = call(desk, "POST", f"/applications/{first}/offers", body).json()["offer"]
    assert offer["repayment"] == listed["repayment"] == "bullet"
    for told in (listed | {"rate_bps": 345, "yearly_cost_bps": listed["yearly_cost_bps_min"]}, matched, offer):
        named = tuple(told[name] for name in ("rate_bps", "subsidy_bps", "fees_bps", "yearly_cost_bps"))
        assert named == (345, 200, fees_bps, cost_bps)
    assert listed["yearly_cost_bps_min"] == listed["yearly_cost_bps_max"]
    assert offer["total_cost_fen"] == total_fen
    assert offer["subsidy_fen"] == 600_000
    assert offer["fee_fen"] == 30_000_000 * fees_bps // 10_000
    sha256 = accepted(market, first)
    signed = call(desk, "POST", f"/applications/{first}/signature", {"offer_sha256": sha256}).json()
    assert signed["offer"] == offer


def test_a_lender_may_waive_the_products_fees(desk, market, before, empty_database):
    terms = samples.product("TAX-1", fees_bps=80, institution_code=market.lenders[0][0].code)
    on_sale(empty_database, market, terms, revision=1)
    first, *_ = before()
    body = {"amount_fen": 30_000_000, "term_months": 12, "rate_bps": 345, "fee_fen": 0, "valid_until": valid_until()}
    offer = call(desk, "POST", f"/applications/{first}/offers", body).json()["offer"]
    assert (offer["fee_fen"], offer["fees_bps"], offer["yearly_cost_bps"]) == (0, 0, 345)

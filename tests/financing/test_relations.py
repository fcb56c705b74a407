"""`/v1/relations`: the firm's group and its ways to revoked firms, under its consent; own loans and no others'."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest
from sqlalchemy import select, text

from creditlink.audit.tables import AuditEntry
from creditlink.enterprises import service
from creditlink.enterprises.registry import loads
from creditlink.enterprises.registry.feed_file import FeedRow
from creditlink.enterprises.tables import Enterprise
from creditlink.financing.loans.exposure import outstanding_of
from creditlink.financing.loans.labels import ReportedFact
from creditlink.financing.tables import LoanFact
from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests.oauth import flow
from tests.rows import row_of

MOTHER, SISTER, GONE, FRIEND = (make.make_uscc(n) for n in range(9_001, 9_005))


def fact(kind, about_on, amount, known_on=None, reference=""):
    days = 0 if kind == "repayment" else None
    return ReportedFact(kind, about_on, days, amount, reference, start_of_day(known_on or about_on))


@pytest.mark.parametrize(
    ("facts", "fen"),
    [
        ([], 0),
        ([fact("draw", date(2026, 1, 5), 100), fact("draw", date(2026, 1, 9), 50, reference="2")], 150),
        ([fact("draw", date(2026, 1, 5), 100), fact("repayment", date(2026, 2, 1), 80)], 80),
        # What was drawn in a reported month is in its end; what came later is not.
        ([fact("draw", date(2026, 2, 5), 100), fact("repayment", date(2026, 2, 1), 80),
          fact("draw", date(2026, 3, 1), 7, reference="2")], 87),
        ([fact("draw", date(2026, 1, 5), 100), fact("repayment", date(2026, 2, 1), 80),
          fact("repayment", date(2026, 2, 1), 60, known_on=date(2026, 3, 9))], 60),
        ([fact("draw", date(2026, 1, 5), 100), fact("closure", date(2026, 3, 5), 0)], 0),
        ([fact("draw", date(2026, 1, 5), 100), fact("write_off", date(2026, 3, 5), 90)], 0),
        ([fact("draw", date(2026, 1, 5), 100), fact("closure", date(2026, 7, 5), 0)], 100),  # later than the day
        ([fact("draw", date(2026, 1, 5), 100), fact("closure", date(2026, 3, 5), 0, known_on=date(2026, 7, 1))], 100),
    ],
)  # fmt: skip
@pytest.mark.pure
def test_what_is_outstanding_of_a_loan(facts, fen):
    assert outstanding_of(facts, date(2026, 6, 30)) == fen


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def firm(empty_database):
    return flow.make_firm(empty_database)


@pytest.fixture
def known(firm, settings):
    """The registry around the firm: a mother with another daughter, a revoked firm of its representative, a circle."""
    mine, now = firm.enterprise.uscc, utc_now()
    new = {"industry": "C33", "region": "440600", "established_on": "2019-05-06"}
    held = [{"name": "母公司", "uscc": MOTHER, "share_bps": 5100}]
    led = {"legal_representative": "张三", "representative_id": "1"}
    rows = [
        {"uscc": mine, "shareholders": [*held, {"name": "李四", "person_id": "4", "share_bps": 4900}], **led,
         "guarantees": [{"name": "友公司", "uscc": FRIEND, "amount_fen": 500}]},
        {"uscc": MOTHER, "name": "母公司", **new},
        {"uscc": SISTER, "name": "姊妹公司", "shareholders": held, **new},
        {"uscc": GONE, "name": "已吊销公司", "status": "revoked", "valid_from": "2025-03-12", **led, **new},
        {"uscc": FRIEND, "name": "友公司", "guarantees": [{"name": "某", "uscc": mine, "amount_fen": 700}],
         "shareholders": [{"name": "李四", "person_id": "4", "share_bps": 9000}], **new},
    ]  # fmt: skip
    with db.transaction("owner") as session:
        load = loads.open_load(session, loads.Opening("reg", "full", "99"), actor="test", now=now)
        loads.stage(session, load, [FeedRow(n, row) for n, row in enumerate(rows, 1)])
        assert loads.take_batch(session, load, secret="s" * 40, now=now) == 5
        loads.finish(session, load, now=now)
        assert loads.counts(session, load)["applied"] == 5, loads.refused_rows(session, load)


@pytest.fixture
def bank(empty_database, http, app, firm):
    """A bank with a consent of the firm."""

    def make_bank(*categories):
        made = flow.register_bank(
            empty_database, http, scopes=flow.SCOPE.split(), categories=["registration", *categories]
        )
        authorization = made.push(flow.details(categories=["registration", *categories]), scope=flow.SCOPE)
        callback = flow.decide(app, firm, flow.open_page(made, authorization))
        made.exchange(made.code_from(callback, authorization), authorization)
        return lambda query="": made.call("GET", f"/v1/relations{query}", authorization)

    return make_bank


def lent(institution_id, uscc, amount):
    """Leave a draw in the lender's reports."""
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # no application behind it
        row = row_of(
            LoanFact.__table__, enterprise_id=service.by_uscc(session, uscc).id, institution_id=institution_id,
            kind="draw", about_on=date(2026, 1, 5), amount_fen=amount, days_past_due=None, known_at=utc_now(),
        )  # fmt: skip
        session.execute(LoanFact.__table__.insert().values(row))


def test_the_group_and_the_way_to_a_revoked_firm(known, bank, firm):
    said = bank("tax")().json()
    assert [one["uscc"] for one in said["group"]] == [
        firm.enterprise.uscc, *sorted([MOTHER, SISTER, GONE, FRIEND]),
    ]  # fmt: skip
    (way,) = said["ways_to_revoked"]
    assert way["text_zh"] == "经法定代表人张三关联到已吊销公司，该企业于2025-03-12被吊销营业执照"
    assert way["text_en"] == "through representative 张三 to 已吊销公司, whose licence was revoked on 2025-03-12"
    ties = {(one["kind"], one["through"], one["firm"]["uscc"]) for one in said["ties"]}
    assert ties == {
        ("holding", "母公司", MOTHER), ("holding", "母公司", SISTER), ("representative", "张三", GONE),
        ("shareholder", None, FRIEND),
    }  # fmt: skip
    assert "李四" not in str(said)  # a natural shareholder
    assert said["guarantees"] is None


def test_a_day_before_knows_nothing_of_it(known, bank, firm):
    yesterday = day_of(utc_now()) - timedelta(days=1)
    said = bank("tax")(f"?as_of={yesterday}").json()
    assert (said["ways_to_revoked"], said["ties"]) == ([], [])
    assert bank("tax")("?as_of=1999-01-01").status_code == 422


def test_guarantees_are_told_where_contracts_are_granted(known, bank):
    said = bank("tax", "contract")().json()["guarantees"]
    assert [(one["firm"]["uscc"], one["amount_fen"]) for one in said["given"]] == [(FRIEND, 500)]
    assert [(one["firm"]["uscc"], one["amount_fen"]) for one in said["received"]] == [(FRIEND, 700)]
    assert said["circles"] == [2]


def test_a_bank_sees_what_it_has_out_to_the_group_and_nothing_of_others(known, bank, firm):
    ask = bank("tax")
    assert ask().json()["exposure"] == {"outstanding_fen": 0, "loans": 0, "firms": 0}
    with db.transaction("owner") as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "relations.read")).one()
        stranger = make.make_institution(session)
    assert entry.enterprise_id == firm.enterprise.id
    lent(entry.institution_id, SISTER, 300)
    lent(entry.institution_id, MOTHER, 400)
    lent(stranger.id, SISTER, 5_000)
    with db.transaction("owner") as session:
        outside = make.make_enterprise(session)
    lent(entry.institution_id, outside.uscc, 7_000)
    assert ask().json()["exposure"] == {"outstanding_fen": 700, "loans": 2, "firms": 2}


def test_without_a_live_consent_there_is_nothing(known, bank, empty_database):
    ask = bank("tax")
    assert ask().status_code == 200
    with empty_database.transaction("owner") as session:
        session.execute(text("UPDATE consents SET state = 'PAUSED'"))
    assert ask().status_code == 403


def test_the_flag_that_a_score_reads_agrees_with_the_way(known, bank, firm):
    with db.transaction("owner") as session:
        assert session.get_one(Enterprise, firm.enterprise.id).linked_struck_off is True

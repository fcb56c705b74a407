"""What a firm hands in with a request: who sees it and who does not, what is offered twice, what it is warned of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.consents.tables import Consent
from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.enterprises.tables import Account
from creditlink.financing.applications import applications
from creditlink.financing.configuration import papers, papers_from
from creditlink.financing.requests import requests, standing
from creditlink.financing.requests.order import ProposalNeed, in_order, needs_relief
from creditlink.financing.requests.papers import documents, receivables
from creditlink.financing.requests.papers.identity import ReceivableIdentity, ReceivableInvalid, identity_from
from creditlink.financing.requests.papers.tables import FinancingDocument, FinancingReceivable
from creditlink.financing.requests.warnings import WARNINGS, warnings_for
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.kit.clock import utc_now
from creditlink.kit.errors import Conflict, InvalidRequest, NotFound
from creditlink.kit.files.documents import file_from
from creditlink.kit.ids import external
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from tests.engine.matching import samples
from tests.financing.conftest import ASK
from tests.kit.files.test_scanning import EICAR, clamd
from tests.oauth import flow

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
INVOICE = "24442000000012345678"
DEBTOR = "91440606MA4UXYQ27F"


def at(firm):
    return db.Viewer(enterprise_id=firm.enterprise.id, account_id=firm.account.id)


def bank_view(market, k):
    return db.Viewer(institution_id=market.lenders[k][0].id)


@pytest.fixture
def filed(market):
    """Make a request of a firm, before so many lenders; return its id."""

    def run(count=1, *, firm=None, now=None):
        now = now or utc_now()
        whose = replace(market, firm=firm) if firm else market
        with db.transaction("api", viewer=at(whose.firm)) as session:
            request = requests.ask(
                session, whose.firm.enterprise, whose.firm.account, ASK, clocks=whose.clocks, now=now
            )
            for k in range(count):
                whose.apply(session, request, k, now=now)
            return request.id

    return run


@pytest.fixture
def hand_in(market, app):
    def run(request_id, content=PDF, *, firm=None, name="发票.pdf", about="invoice", most=10, now=None):
        firm = firm or market.firm
        with db.transaction("api", viewer=at(firm)) as session:
            request = applications.locked_request(session, request_id)
            taken = file_from(name, content, most_bytes=10**6)
            account = session.get_one(Account, firm.account.id)
            row = documents.take(session, request, taken, about, most=most, account=account, now=now or utc_now())
            return row.wire_id

    return run


@pytest.fixture
def pledge(market, app):
    def run(request_id, number=INVOICE, kind="invoice", debtor="", *, firm=None):
        firm = firm or market.firm
        with db.transaction("api", viewer=at(firm)) as session:
            request = applications.locked_request(session, request_id)
            account = session.get_one(Account, firm.account.id)
            return receivables.add(
                session, request, identity_from(kind, number, debtor), account=account, now=utc_now()
            ).wire_id

    return run


def seen(viewer, request_id):
    with db.transaction("api", viewer=viewer) as session:
        return (
            [row.name for row in documents.of_request(session, request_id)],
            [(one.identity.number, one.elsewhere, one.own) for one in receivables.offered(session, request_id)],
        )


@pytest.mark.pure
class TestIdentity:
    @pytest.mark.parametrize(
        ("kind", "typed", "debtor", "read"),
        [
            ("invoice", " 2444 2000-0000 1234 5678 ", "", "invoice - 24442000000012345678"),
            ("invoice", "２４４４２０００００００１２３４５６７８", "", "invoice - 24442000000012345678"),
            ("invoice", "4400211130-12345678", "", "invoice - 440021113012345678"),
            ("contract", "ht-2026/018", DEBTOR.lower(), f"contract {DEBTOR} HT2026018"),
            ("contract", "HT 2026.018", DEBTOR, f"contract {DEBTOR} HT2026018"),
        ],
    )
    def test_is_the_same_however_it_was_typed(self, kind, typed, debtor, read):
        identity = identity_from(kind, typed, debtor)
        assert str(identity) == read
        assert ReceivableIdentity.from_text(read) == identity

    @pytest.mark.parametrize(
        ("kind", "typed", "debtor", "field"),
        [
            *(("invoice", typed, "", "number") for typed in ("", "123", "x" * 20, "1" * 19, "1" * 5000, "\0" * 20)),
            ("invoice", "\ud800" + "1" * 19, "", "number"),
            ("contract", "HT1", "", "debtor"),
            ("contract", "HT1", "123", "debtor"),
            ("contract", "", DEBTOR, "number"),
            ("cheque", "HT12", DEBTOR, "number"),
        ],
    )
    def test_what_names_nothing_is_refused(self, kind, typed, debtor, field):
        with pytest.raises(ReceivableInvalid) as refused:
            identity_from(kind, typed, debtor)
        assert refused.value.field == field


class TestDocuments:
    def test_only_lenders_addressed_see_it_and_only_while_the_consent_lives(self, market, filed, hand_in):
        request_id = filed(2)
        hand_in(request_id)
        assert [seen(bank_view(market, k), request_id)[0] for k in range(3)] == [["发票.pdf"], ["发票.pdf"], []]
        assert seen(db.Viewer(), request_id) == ([], [])
        with db.transaction("owner") as session:
            held = session.scalars(select(Application).where(Application.request_id == request_id)).all()
            first = next(one for one in held if one.institution_id == market.lenders[0][0].id)
            consent = session.get_one(Consent, first.consent_id)
            consents.pause(session, consent, actor=market.person, reason="by_the_firm", now=utc_now())
        assert seen(bank_view(market, 0), request_id)[0] == []  # in the very next transaction
        assert seen(bank_view(market, 1), request_id)[0] == ["发票.pdf"]
        with db.transaction("owner") as session:
            session.execute(text("UPDATE institutions SET status = 'suspended'"))
        assert seen(bank_view(market, 1), request_id)[0] == []

    def test_a_request_before_nobody_is_nobodys(self, market, filed, hand_in):
        request_id = filed(0)
        hand_in(request_id)
        assert [seen(bank_view(market, k), request_id)[0] for k in range(3)] == [[], [], []]

    def test_is_sealed_and_opened_by_its_firm_and_lender(self, market, filed, hand_in):
        request_id = filed(1)
        wire_id = hand_in(request_id)
        with db.transaction("owner") as session:
            (sealed,) = session.scalars(select(FinancingDocument.sealed)).all()
            assert b"%PDF" not in sealed
        for viewer in (at(market.firm), bank_view(market, 0)):
            with db.transaction("api", viewer=viewer) as session:
                assert documents.opened(session, request_id, wire_id).content == PDF
        for viewer in (bank_view(market, 1), db.Viewer()):
            with pytest.raises(NotFound), db.transaction("api", viewer=viewer) as session:
                documents.opened(session, request_id, wire_id)

    def test_taken_back_its_content_is_gone_and_it_comes_never_back(self, market, filed, hand_in):
        request_id = filed(1)
        wire_id = hand_in(request_id)
        with db.transaction("api", viewer=at(market.firm)) as session:
            account = session.get_one(Account, market.firm.account.id)
            locked = applications.locked_request(session, request_id)
            documents.remove(session, locked, wire_id, account=account, now=utc_now())
        assert seen(bank_view(market, 0), request_id)[0] == []
        with db.transaction("owner") as session:
            (row,) = session.scalars(select(FinancingDocument)).all()
            assert (row.sealed, row.removed_at is None) == (None, False)
        with db.transaction("api", viewer=at(market.firm)) as session:
            changed = session.execute(text("UPDATE financing_documents SET removed_at = NULL"))
            assert changed.rowcount == 0
        hand_in(request_id)  # the same file once more is a new one

    @pytest.mark.parametrize(
        ("values", "wrong"),
        [({"about": "x"}, InvalidRequest), ({"most": 1, "content": PDF + b"\n%%EOF"}, Conflict), ({}, Conflict)],
    )
    def test_what_is_not_taken(self, filed, hand_in, values, wrong):
        request_id = filed(0)
        hand_in(request_id)
        with pytest.raises(wrong):
            hand_in(request_id, **values)

    def test_two_at_once_are_one(self, filed, hand_in):
        request_id = filed(0)

        def once(_):
            try:
                return hand_in(request_id)
            except Conflict:
                return None

        with ThreadPoolExecutor(2) as two:
            assert len([one for one in two.map(once, range(2)) if one]) == 1

    def test_a_lender_writes_nothing(self, market, filed, hand_in):
        request_id = filed(1)
        hand_in(request_id)
        for said in (
            "UPDATE financing_documents SET sealed = NULL, removed_at = now()",
            "UPDATE financing_receivables SET removed_at = now()",
        ):
            with db.transaction("api", viewer=bank_view(market, 0)) as session:
                assert session.execute(text(said)).rowcount == 0

    def test_waits_for_the_scanner_and_an_infected_one_is_gone(self, market, filed, hand_in, settings):
        request_id = filed(1)
        with clamd() as (address, _):
            runtime.process().put(replace(settings, clamd="tcp://127.0.0.1:9"))
            clean, infected = hand_in(request_id), hand_in(request_id, PDF + EICAR + b"\n%%EOF\n")
            with pytest.raises(NotFound), db.transaction("api", viewer=bank_view(market, 0)) as session:
                documents.opened(session, request_id, clean)
            documents.scan_waiting(request_id, utc_now())  # the scanner is away: both go on waiting
            with db.transaction("worker") as session:
                assert documents.late(session, utc_now() + timedelta(minutes=6), timedelta(minutes=5)) == [request_id]
            runtime.process().put(replace(settings, clamd=address))
            documents.scan_waiting(request_id, utc_now())
        with db.transaction("api", viewer=bank_view(market, 0)) as session:
            assert documents.opened(session, request_id, clean).content == PDF
        with pytest.raises(NotFound), db.transaction("api", viewer=at(market.firm)) as session:
            documents.opened(session, request_id, infected)
        with db.transaction("owner") as session:
            states = dict(session.execute(select(FinancingDocument.scan, FinancingDocument.sealed)).all())
        assert states["infected"] is None
        assert states["clean"] is not None

    def test_content_goes_when_its_time_is_over(self, market, filed, hand_in):
        request_id = filed(0)
        hand_in(request_id)
        with db.transaction("owner") as session:
            request = session.get_one(FinancingRequest, request_id)
            request.ended_at, request.end_reason = utc_now(), "withdrawn"
        for later, emptied in ((179, 0), (181, 1)):
            with db.transaction("worker") as session:
                over = documents.empty_over(session, utc_now() + timedelta(days=later), kept=timedelta(days=180))
                assert over == emptied


class TestReceivables:
    def test_the_same_one_in_two_requests_of_a_firm_is_told_to_both(self, market, filed, pledge):
        first, second = filed(1), filed(2)
        pledge(first)
        assert seen(at(market.firm), first)[1] == [(INVOICE, False, False)]
        pledge(second, "2444-2000 0000 1234 5678")
        assert seen(at(market.firm), second)[1] == [(INVOICE, True, True)]
        assert seen(bank_view(market, 0), first)[1] == [(INVOICE, True, True)]
        with db.transaction("api", viewer=at(market.firm)) as session:
            request = session.get_one(FinancingRequest, second)
            assert "receivable_twice" in standing.warnings_of(session, request, bearable_fen=None)

    def test_another_firms_is_told_to_the_lender_and_not_to_the_firm(self, market, filed, pledge, empty_database):
        """A firm that could ask so would learn what others pledge, number by number."""
        other = flow.make_firm(empty_database)
        mine, theirs = filed(1), filed(1, firm=other)
        pledge(mine)
        pledge(theirs, firm=other)
        for firm, request_id in ((market.firm, mine), (other, theirs)):
            assert seen(at(firm), request_id)[1] == [(INVOICE, False, False)]
            assert seen(bank_view(market, 0), request_id)[1] == [(INVOICE, True, False)]

    def test_nobody_else_may_ask_where_a_receivable_is(self, market, filed, pledge, empty_database):
        other = flow.make_firm(empty_database)
        mine, theirs = filed(1), filed(1, firm=other)
        pledge(mine)
        pledge(theirs, firm=other)
        asked = select(func.count()).select_from(
            func.creditlink_receivables_elsewhere(mine).table_valued("receivable", "own")
        )
        for viewer in (at(other), bank_view(market, 2), db.Viewer()):
            with db.transaction("api", viewer=viewer) as session:
                assert session.scalar(asked) == 0

    @pytest.mark.parametrize("end", ["never_sent", "withdrawn", "taken_back"])
    def test_what_is_over_or_was_never_sent_pledges_nothing(self, market, filed, pledge, empty_database, end):
        other = flow.make_firm(empty_database)
        mine, theirs = filed(1), filed(0 if end == "never_sent" else 1, firm=other)
        pledge(mine)
        wire_id = pledge(theirs, firm=other)
        with db.transaction("api", viewer=at(other)) as session:
            request, account = applications.locked_request(session, theirs), session.get_one(Account, other.account.id)
            if end == "withdrawn":
                requests.withdraw(session, request, account=account, now=utc_now())
            elif end == "taken_back":
                receivables.remove(session, request, wire_id, account=account, now=utc_now())
        assert seen(bank_view(market, 0), mine)[1] == [(INVOICE, False, False)]

    def test_contracts_of_one_number_and_two_debtors_are_two(self, market, filed, pledge):
        first, second = filed(1), filed(1)
        pledge(first, "HT-1", "contract", DEBTOR)
        pledge(second, "HT-1", "contract", "91440300MA5DA5CD8R")
        assert [one[1] for one in seen(at(market.firm), second)[1]] == [False]

    def test_nothing_of_it_is_readable_in_the_database(self, market, filed, pledge):
        pledge(filed(0))
        with db.transaction("owner") as session:
            (row,) = session.scalars(select(FinancingReceivable)).all()
            assert INVOICE.encode() not in row.sealed
            assert INVOICE not in row.digest

    def test_twice_in_one_request_is_refused(self, filed, pledge):
        request_id = filed(0)
        pledge(request_id)
        with pytest.raises(Conflict):
            pledge(request_id, " 2444 20000000 12345678")

    def test_another_firms_request_takes_nothing(self, market, filed, empty_database, pledge):
        other = flow.make_firm(empty_database)
        mine = filed(0)
        with pytest.raises(Exception, match="No row was found"):
            pledge(mine, firm=other)


class TestWarnings:
    @pytest.mark.pure
    @pytest.mark.parametrize(
        ("asked", "values", "codes"),
        [
            (100, {}, []),
            (101, {}, ["over_capacity"]),
            (100, {"others": 1, "others_fen": 1}, ["several_requests", "over_capacity"]),
            (100, {"bearable_fen": None, "others": 1, "others_fen": 10**12}, ["several_requests"]),
            (1, {"bearable_fen": 0}, ["over_capacity"]),
            (1, {"receivable_twice": True}, ["receivable_twice"]),
        ],
    )
    def test_by_what_is_known(self, asked, values, codes):
        given = {"bearable_fen": 100, "others_fen": 0, "others": 0, "receivable_twice": False} | values
        assert warnings_for(asked, **given) == codes
        assert set(codes) <= set(WARNINGS)

    def test_other_requests_count_once_a_lender_knows_of_them(self, market, filed):
        first, draft = filed(1), filed(0)
        with db.transaction("api", viewer=at(market.firm)) as session:
            assert standing.others_of(session, session.get_one(FinancingRequest, first)).count == 0
            found = standing.others_of(session, session.get_one(FinancingRequest, draft))
        assert (found.count, found.amount_fen) == (1, ASK.amount_fen)

    def test_lenders_read_what_the_firm_was_shown(self, market, filed, desk):
        request_id = filed(1)
        with db.transaction("api", viewer=at(market.firm)) as session:
            held = requests.of_request(session, request_id)
            standing.tell_lenders(session, held, ["over_capacity"])
        (one,) = desk.call("GET", "/v1/financing/applications", desk.own).json()["items"]
        assert one["first_loan"] is True
        assert [said["code"] for said in one["warnings"]] == ["over_capacity"]
        assert one["warnings"][0]["text_zh"] == WARNINGS["over_capacity"][2]


@pytest.mark.pure
class TestOrder:
    BOOK = tuple(
        samples.product(code, kind=kind)
        for code, kind in (
            ("BANK-EMERGENCY", "emergency"), ("BANK-TAX", "tax"), ("BANK-FIRST", "first_loan"),
            ("BANK-CREDIT", "credit"),
        )
    )  # fmt: skip

    def codes(self, **need):
        book: tuple[ProductTerms, ...] = self.BOOK
        return [book[k].code.partition("-")[2] for k in in_order(book, ProposalNeed(**need))]

    def test_relief_does_not_lead_for_a_healthy_firm(self):
        assert self.codes(relief=False, first_loan=False) == ["TAX", "FIRST", "CREDIT", "EMERGENCY"]

    def test_a_weak_firm_keeps_the_published_order(self):
        assert self.codes(relief=True, first_loan=False) == ["EMERGENCY", "TAX", "FIRST", "CREDIT"]

    def test_first_loans_lead_for_who_had_none(self):
        assert self.codes(relief=False, first_loan=True) == ["FIRST", "TAX", "CREDIT", "EMERGENCY"]

    @pytest.mark.parametrize(
        ("grade", "indicators", "policy", "weak"),
        [
            ("A+", {}, False, False), ("B", {"sales_growth_12": -0.2}, False, False), ("B", {}, True, True),
            ("A", {"sales_growth_12": -0.3}, False, True), ("C", {}, False, True), ("E", {}, False, True),
            (None, {}, False, True), ("A", {"sales_growth_12": None}, False, False),
            ("A", {"sales_growth_12": float("nan")}, False, False),
        ],
    )  # fmt: skip
    def test_who_is_in_need(self, grade, indicators, policy, weak):
        assert needs_relief(grade, indicators, under_policy=policy) is weak


class TestApi:
    def test_lists_downloads_and_leaves_a_trace_for_the_firm(self, market, filed, hand_in, pledge, desk):
        request_id = filed(1)
        document = hand_in(request_id)
        pledge(request_id)
        (one,) = desk.call("GET", "/v1/financing/applications", desk.own).json()["items"]
        path = f"/v1/financing/applications/{one['id']}"
        (listed,) = desk.call("GET", f"{path}/documents", desk.own).json()["items"]
        assert (listed["id"], listed["about"], listed["media_type"]) == (document, "invoice", "application/pdf")
        sent = desk.call("GET", f"{path}/documents/{document}", desk.own)
        assert (sent.status_code, sent.content) == (200, PDF)
        assert sent.headers["Content-Disposition"].startswith("attachment; ")
        assert (sent.headers["X-Content-Type-Options"], sent.headers["Cache-Control"]) == ("nosniff", "no-store")
        (held,) = desk.call("GET", f"{path}/receivables", desk.own).json()["items"]
        assert (held["number"], held["elsewhere"]) == (INVOICE, False)
        with db.transaction("owner") as session:
            actions = session.scalars(
                select(AuditEntry.action).where(
                    AuditEntry.enterprise_id == market.firm.enterprise.id, AuditEntry.actor.like("bank:%")
                )
            ).all()
        assert {"financing.documents", "financing.document", "financing.receivables"} <= set(actions)

    def test_a_pledge_elsewhere_is_told_and_nothing_of_whose_it_is(self, market, filed, pledge, desk, empty_database):
        other = flow.make_firm(empty_database)
        mine, theirs = filed(1), filed(1, firm=other)
        pledge(mine)
        foreign = pledge(theirs, "2444-2000 0000 1234 5678", firm=other)
        items = desk.call("GET", "/v1/financing/applications", desk.own).json()["items"]
        assert len(items) == 2
        for one in items:
            answer = desk.call("GET", f"/v1/financing/applications/{one['id']}/receivables", desk.own)
            (held,) = answer.json()["items"]
            assert held["elsewhere"] is True
            if one["enterprise_id"] == external("ent", market.firm.enterprise.id):
                for secret in (foreign, external("fin", theirs), other.enterprise.uscc, other.enterprise.name):
                    assert secret not in answer.text

    def test_another_request_or_a_dead_consent_gives_nothing(self, market, filed, hand_in, desk):
        request_id, strange = filed(1), filed(0)
        mine, theirs = hand_in(request_id), hand_in(strange, PDF + b"\n%%EOF\n")
        (one,) = desk.call("GET", "/v1/financing/applications", desk.own).json()["items"]
        path = f"/v1/financing/applications/{one['id']}"
        assert desk.call("GET", f"{path}/documents/{theirs}", desk.own).status_code == 404
        assert desk.call("GET", f"{path}/documents/doc_nonsense", desk.own).status_code == 404
        declined = desk.call("POST", f"{path}/decline", desk.own, json={"reasons": ["D33"], "note": ""})
        assert declined.status_code == 200
        assert desk.call("GET", f"{path}/documents/{mine}", desk.own).status_code == 404
        assert desk.call("GET", f"{path}/documents", desk.own).json() == {"items": []}


@pytest.mark.pure
@pytest.mark.parametrize(
    ("table", "said"),
    [({}, "missing"), ({"papers": {"most_files": 0, "most_file_bytes": 1, "kept_days": 1}}, "most_files")],
)
def test_bounds_name_what_is_wrong(table, said):
    with pytest.raises(ValueError, match=said):
        papers_from(table)


@pytest.mark.pure
def test_the_shipped_bounds_are_read(settings):
    assert papers(settings.config_dir).kept_days == 180

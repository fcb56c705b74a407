"""Papers and receivables on the pages of financing: what is taken, what is refused, what lenders get."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select

from creditlink.financing.requests.papers.tables import FinancingDocument, FinancingReceivable
from creditlink.financing.tables import Application
from creditlink.kit.postgres import db
from tests.portal.test_financing import apply, asked, lenders, products_on

__all__ = ["asked", "lenders"]
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
INVOICE = "24442000000012345678"


def rows(table):
    with db.transaction("owner") as session:
        return session.scalars(select(table)).all()


def send(owner, path, content=PDF, name="发票.pdf", **fields):
    owner.get(path)
    sent = {"document": (io.BytesIO(content), name)} if name is not None else {}
    return owner.post(f"{path}/documents", **{"about": "invoice"} | sent | fields)


def test_a_document_is_taken_shown_handed_back_and_taken_back(owner, asked):
    assert send(owner, asked).status_code == 303
    (row,) = rows(FinancingDocument)
    said = owner.get(f"{asked}?lang=en").text
    assert "发票.pdf" in said
    handed = owner.get(f"{asked}/documents/{row.wire_id}")
    assert (handed.data, handed.headers["X-Content-Type-Options"]) == (PDF, "nosniff")
    owner.get(asked)
    assert owner.post(f"{asked}/documents/{row.wire_id}/remove").status_code == 303
    assert rows(FinancingDocument)[0].removed_at is not None
    assert owner.get(f"{asked}/documents/{row.wire_id}").status_code == 404


def test_a_scan_is_larger_than_what_other_forms_may_send(owner, asked):
    assert send(owner, asked, PDF + b"x" * 300_000 + b"\n%%EOF\n").status_code == 303
    assert rows(FinancingDocument)[0].size_bytes > 300_000


@pytest.mark.parametrize(
    ("content", "name", "fields", "status", "said"),
    [
        (b"MZ\x90", "a.exe", {}, 422, "Only PDF"),
        (b"MZ\x90", "a.pdf", {}, 422, "Only PDF"),
        (PDF, "a.png", {}, 422, "not what its name says"),
        (PDF[:20], "a.pdf", {}, 422, "cut off"),
        (b"", "a.pdf", {}, 422, "empty"),
        (PDF, None, {}, 422, "empty"),
        (PDF, "a.pdf", {"about": "nonsense"}, 422, "Choose what the document is"),
    ],
)
def test_what_is_not_taken_is_said(owner, asked, content, name, fields, status, said):
    owner.get(f"{asked}?lang=en")
    answer = send(owner, asked, content, name, **fields)
    assert answer.status_code == status
    assert said in answer.text
    assert rows(FinancingDocument) == []


def test_the_same_receivable_in_two_requests_is_warned_of_before_it_is_sent(owner, asked, lenders):
    owner.get(f"{asked}?lang=en")
    assert owner.post(f"{asked}/receivables", known_by="invoice", number=INVOICE).status_code == 303
    owner.get("/portal/financing")
    second = owner.post("/portal/financing", amount="30", term="6", use="purchase", collateral="receivables").headers[
        "Location"
    ]
    owner.get(second)
    owner.post(f"{second}/receivables", known_by="invoice", number="2444 2000 0000 1234 5678")
    said = owner.get(second).text
    assert "The same receivable is in another request of yours" in said
    shown, _ = apply(owner, second, count=1)
    assert "The same receivable is in another request of yours" in shown.text
    (held,) = rows(Application)
    assert "receivable_twice" in held.warnings
    assert held.first_loan is True
    owner.get(asked)
    assert "Your firm has other requests for financing open" in owner.page.text


@pytest.mark.parametrize("fields", [{"number": "12"}, {"number": ""}, {"known_by": "contract", "number": "HT1"}])
def test_what_names_no_receivable_is_said(owner, asked, fields):
    owner.get(f"{asked}?lang=en")
    answer = owner.post(f"{asked}/receivables", **{"known_by": "invoice"} | fields)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert rows(FinancingReceivable) == []


def test_taking_a_receivable_back_brings_the_lenders_warnings_up_to_date(owner, asked, lenders):
    owner.get(asked)
    owner.post(f"{asked}/receivables", known_by="invoice", number=INVOICE)
    owner.get("/portal/financing")
    second = owner.post("/portal/financing", amount="30", term="6", use="purchase", collateral="receivables").headers[
        "Location"
    ]
    owner.get(second)
    owner.post(f"{second}/receivables", known_by="invoice", number=INVOICE)
    apply(owner, second, count=1)
    row = next(one for one in rows(FinancingReceivable) if one.wire_id in owner.get(second).text)
    owner.post(f"{second}/receivables/{row.wire_id}/remove")
    (held,) = rows(Application)
    assert "receivable_twice" not in held.warnings


def test_another_firms_request_takes_nothing(owner, asked, app):
    from tests.portal.conftest import Person

    stranger = Person(app.test_client())
    assert stranger.post(f"{asked}/documents", token="x").status_code in (303, 400)
    assert rows(FinancingDocument) == []


def test_lenders_are_shown_with_the_papers_and_another_text_is_not_signed(owner, asked, lenders):
    send(owner, asked)
    chosen = products_on(owner.get(f"{asked}?lang=en"))[:1]
    shown = owner.post(f"{asked}/lenders", product=chosen)
    assert "发票.pdf" in shown.text
    assert "Licence number" in shown.text
    answer = owner.post(f"{asked}/lenders", product=chosen, decision="approve", text=[f"{chosen[0]}:{'0' * 64}"])
    assert answer.status_code == 409
    assert rows(Application) == []

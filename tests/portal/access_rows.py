"""One row of each kind that a page names: of somebody's own, and of another's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from creditlink.audit import service as audit
from creditlink.cards.tables import CardPresentation, CreditCard
from creditlink.decisions.tables import DecisionRow
from creditlink.desk import asking
from creditlink.desk.pages.products.overlay import _BEGIN as OVERLAY
from creditlink.desk.tables import DeskAct, DeskPerson, DeskRequest
from creditlink.disputes.tables import Dispute, DisputeFile
from creditlink.engine.overlay.terms import terms_of
from creditlink.enterprises.identity.tables import FirmInvitation
from creditlink.enterprises.registry.tables import RegistryLoad, UsccClearing
from creditlink.enterprises.tables import Account, Enterprise, FirmAct
from creditlink.financing.requests.papers.tables import FinancingDocument, FinancingReceivable
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.institutions.tables import Client, Institution
from creditlink.kit import ids
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification, WebhookDelivery
from creditlink.objections.tables import AccessObjection
from creditlink.overlays.tables import Overlay
from creditlink.portal.tables import PersonDevice, WebSession
from creditlink.products.tables import Product
from creditlink.profiles.tables import Profile
from creditlink.reports.tables import CreditReport
from creditlink.retention.tables import DeletionCertificate
from creditlink.reviews.tables import AdverseNotice, ReviewCase
from creditlink.staff.tables import StaffAct, StaffKey
from creditlink.uploads.tables import Upload
from creditlink.watch.tables import DriftAlarm
from tests import factories as make
from tests.engine.matching import samples
from tests.portal.test_watch_desk import finding

PREFIXES = {
    "request_id": "fin", "upload_id": "upl", "notice_id": "ntc", "certificate_id": "del", "profile_id": "prf",
    "key_id": "key", "staff_act_id": "act", "application_id": "app", "decision_id": "dec", "case_id": "rev",
    "ask_id": "ask", "desk_act_id": "act", "desk_key_id": "key", "delivery_id": "whd", "letter_id": "dlt",
    "dispute_id": "dsp", "file_id": "dsf", "load_id": "rgl", "clearing_id": "clr", "alarm_id": "alm",
    "device_id": "dvc", "invitation_id": "inv",
    "objection_id": "obj", "card_id": "crd", "shown_id": "shw", "report_id": "rpt",
    "document_id": "doc", "receivable_id": "rcv",
}  # fmt: skip
_PLAIN = {"act_id", "right_id"}
_revisions, _sides = count(1), count(1)


@dataclass(frozen=True)
class RowSide:
    """Whose the rows are: of a firm and a person of it, an institution and one of its desk, a member of staff."""

    person: Account
    firm: Enterprise
    institution: Institution
    client: Client
    lender: UUID
    staff: UUID


def bare(table, **values):
    """Return a row with something in each column that must hold something."""
    samples_ = {str: "x", int: 1, bool: False, bytes: b"x", dict: {}, list: [], datetime: utc_now(), float: 0.5,
                date: date(2026, 1, 1)}  # fmt: skip
    for column in table.__table__.columns:
        name = table.__mapper__.get_property_by_column(column).key
        is_given = column.default is not None or column.server_default is not None or column.identity is not None
        if name not in values and not column.nullable and not is_given:
            kind = datetime if isinstance(column.type, db.UTCDateTime) else column.type.python_type
            values[name] = uuid4() if kind is UUID else samples_.get(kind, {})
    return table(**values)


def things(session, side: RowSide) -> dict[str, str]:
    """Make one row of each kind for a side; return how addresses name them, by parameter."""
    now = utc_now()
    owner = {"enterprise_id": side.firm.id, "institution_id": side.institution.id}
    consent = make.make_consent(session, client=side.client, enterprise=side.firm, account=side.person, now=now)
    later = now + timedelta(days=9)
    asked = make.make_consent(session, client=side.client, state="REQUESTED", now=now, uscc=side.firm.uscc)
    asked.channel, asked.asked_uscc, asked.answer_until = "inbox", side.firm.uscc, later
    rows = {
        **_of_the_firm(side, owner, consent, later),
        **_of_the_desk(session, side, later),
        **_of_the_platform(session, side, owner, consent, later),
    }
    session.add_all(rows.values())
    session.flush()
    seen = bare(WebSession, id_hash=uuid4().hex, account_id=side.person.id, expires_at=later)
    session.add(seen)
    rows["application_id"] = bare(
        Application, **owner, request_id=rows["request_id"].id, client_id=side.client.client_id, consent_id=consent.id,
        state="requested", answer_due_at=later, product_code=uuid4().hex,
    )  # fmt: skip
    papers = {"enterprise_id": side.firm.id, "request_id": rows["request_id"].id, "added_by": side.person.id}
    rows["document_id"] = bare(
        FinancingDocument, **papers, sha256=uuid4().hex, kind="pdf", scan="clean", about="invoice", removed_at=None
    )
    rows["receivable_id"] = bare(
        FinancingReceivable, **papers, kind="invoice", digest=uuid4().hex, sealed=b"x", removed_at=None
    )
    rows["decision_id"] = bare(
        DecisionRow, id=rows["profile_id"].id, chain_id=side.firm.id, **owner, consent_id=consent.id, keep_until=later,
        payload=b"x",
    )  # fmt: skip
    card = bare(
        CreditCard, enterprise_id=side.firm.id, consent_id=consent.id, holder="page", facts=["name"], list_id=uuid4(),
        sealed=b"x", issued_by=side.person.id, expires_at=later, keep_until=later,
    )  # fmt: skip
    # What is ended by itself is another card's than what ends with its card.
    other = bare(
        CreditCard, enterprise_id=side.firm.id, consent_id=consent.id, holder="wallet", facts=["name"],
        list_id=uuid4(), issued_by=side.person.id, expires_at=later, keep_until=later,
    )  # fmt: skip
    rows["card_id"] = card
    session.add_all((card, other))
    session.flush()
    rows["shown_id"] = bare(
        CardPresentation, card_id=other.id, enterprise_id=side.firm.id, token_hash=uuid4().hex, facts=["name"],
        good_until=later,
    )  # fmt: skip
    rows["file_id"] = bare(DisputeFile, dispute_id=rows["dispute_id"].id, sha256=uuid4().hex, kind="pdf", scan="clean")
    rows["right_id"] = make.make_representation(session, side.firm, make.make_account(session), "agent", reason="x")
    session.add_all(rows.values())
    session.flush()
    named = {
        name: str(row.id) if name in _PLAIN else ids.external(PREFIXES[name], row.id)
        for name, row in rows.items()
        if name in PREFIXES or name in _PLAIN
    }
    return named | _by_name(session, side, rows) | {
        "consent_id": consent.wire_id, "asked_id": asked.wire_id, "session_hash": seen.id_hash,
    }  # fmt: skip


def own_key(session, account) -> str:
    """Give a person a security key; a person without codes who has one is asked for it at the next sign-in."""
    made = bare(StaffKey, account_id=account.id, kind="webauthn", thumbprint=uuid4().hex, public_key=b"x")
    session.add(made)
    session.flush()
    return ids.external("key", made.id)


def _of_the_firm(side, owner, consent, later):
    firm = {"enterprise_id": side.firm.id}
    return {
        "request_id": bare(FinancingRequest, **firm, asked_by=side.person.id, expires_at=later,
                           use="working_capital", collateral="none"),
        "upload_id": bare(Upload, **firm, uploaded_by=side.person.id, state="taken", verdict="uploaded",
                          sha256=uuid4().hex),
        "notice_id": bare(AdverseNotice, **owner, consent_id=consent.id, event="declined"),
        "dispute_id": bare(Dispute, **firm, opened_by=side.person.id, claim="wrong", frame="payroll_months",
                           state="sent", source="social_security", channel="desk", subkey=uuid4().hex, due_at=later,
                           keep_until=later, fact_id=1, said_version=1),
        "device_id": bare(PersonDevice, account_id=side.person.id),
        "invitation_id": bare(FirmInvitation, **firm, invited_by=side.person.id, expires_at=later,
                              secret_hash=uuid4().hex),
        "report_id": bare(CreditReport, **owner, consent_id=consent.id, language="zh", token_hash=uuid4().hex,
                          valid_until=later),
        "objection_id": bare(AccessObjection, **owner, consent_id=consent.id, asked_by=side.person.id, state="asked",
                             line=1_000_000, answer_due_at=later, decision_due_at=later, answer_reason=None,
                             escalated_for=None, finding=None),
        "certificate_id": bare(DeletionCertificate, **owner, consent_id=consent.id),
        "act_id": bare(FirmAct, **firm, act="accept", signed_by=side.person.id, open_until=later,
                       role="legal_representative", subject={"application": "none"}),
        "profile_id": bare(Profile, **owner, consent_id=consent.id, client_id=side.client.client_id,
                           state="not_scorable", registration={}),
    }  # fmt: skip


def _of_the_desk(session, side, later):
    """Return what the pages of an institution name: a request by code, an act that waits, products, a delivery."""
    own, code = {"institution_id": side.institution.id}, f"{side.institution.code}-1"
    terms = samples.product(code, institution_code=side.institution.code).to_dict()
    colleague = make.make_account(session, role="lender")
    held = {"asked": {"label": "x"}, "details": "[]", "secret": "x", "institution": side.institution.code}
    message = bare(Notification, **own, type="consent.revoked", body="{}")
    session.add(message)
    session.flush()
    return {
        "ask_id": bare(DeskRequest, **own, asked_by=side.lender, channel="code", state="waiting", expires_at=later,
                       scan_hash=uuid4().hex, sealed=asking._seal(held)),
        "colleague": DeskPerson(account_id=colleague.id, **own, roles=["desk_admin"], status="active",
                                created_at=make.NOW, changed_at=make.NOW),
        "desk_act_id": bare(DeskAct, **own, kind="client.resume", subject={"client_id": side.client.client_id},
                            subject_sha256=uuid4().hex, proposed_by=colleague.id),
        "desk_key_id": bare(StaffKey, account_id=side.lender, kind="webauthn", thumbprint=uuid4().hex,
                            public_key=b"x"),
        "product": bare(Product, **own, code=code, version=1, state="draft", terms=terms, terms_sha256=uuid4().hex * 2,
                        revision=next(_revisions)),
        "overlay": bare(Overlay, **own, version=next(_revisions), state="draft", terms=terms_of(OVERLAY).to_dict()),
        "delivery_id": bare(WebhookDelivery, **own, notification_id=message.id, client_id=side.client.client_id,
                            state="failed"),
    }  # fmt: skip


def _of_the_platform(session, side, owner, consent, later):
    """Return what staff find at their pages."""
    today, result = day_of(utc_now()), {"state": "not_scorable", "grade": None, "points": None}
    model = uuid4().hex
    session.add(finding(today, model_id=model))
    return {
        "key_id": bare(StaffKey, account_id=side.staff, kind="webauthn", thumbprint=uuid4().hex, public_key=b"x"),
        "staff_act_id": bare(StaffAct, proposed_by=side.staff, open_until=later, kind="review.override", subject={},
                             subject_sha256=uuid4().hex),
        "case_id": bare(ReviewCase, **owner, consent_id=consent.id, causes=["asked"], due_at=later, state="open",
                        result=result | {"partial": False, "knock_outs": []}, keep_until=later),
        "letter_id": bare(DeadLetter, kind="item", item=uuid4().hex, args={}),
        "load_id": bare(RegistryLoad, kind="incremental", state="ready"),
        "clearing_id": bare(UsccClearing, kind="wrong", enterprise_id=side.firm.id, uscc=side.firm.uscc, other_uscc="",
                            state="open"),
        "alarm_id": bare(DriftAlarm, purpose="underwriting", model_id=model, act="alert", raised_on=today,
                         seen_on=today),
    }  # fmt: skip


def _by_name(session, side, rows) -> dict[str, str]:
    """Return what addresses name by something else than an id.

    Whom an operator turns or signs out is of no further use, so it is somebody who does nothing else here.
    """
    turned = make.make_client(session)
    # So many lines that the other side's number is none of this one's.
    for _ in range(1 if next(_sides) == 1 else 40):
        read = audit.record(
            session, action="profile.read", result="disclosed", actor="bank:x", now=utc_now(),
            enterprise_id=side.firm.id, institution_id=side.institution.id,
        )  # fmt: skip
    return {
        "seq": str(read.seq),
        "any_objection": rows["objection_id"].wire_id,
        "product_code": rows["product"].code,
        "product_version": "1",
        "overlay_version": str(rows["overlay"].version),
        "client_id": side.client.client_id,
        "colleague_login": session.get_one(Account, rows["colleague"].account_id).login,
        "turned_client": turned.client_id,
        "turned_institution": session.get_one(Institution, turned.institution_id).code,
        "turned_login": make.make_staff(session, uuid4().hex, "auditor").login,
        "failed_delivery": rows["delivery_id"].wire_id,
        "any_dispute": rows["dispute_id"].wire_id,
        "watched_model": rows["alarm_id"].model_id,
    }

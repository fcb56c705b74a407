"""Each role at each page, with its own row and with another's: open, no such page, or on to the sign-in.

What is declared is in `tests/portal/access.py`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from benchmarks._visits import ASIDE, PLACES
from creditlink.decisions.tables import DecisionRow
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account, FirmAct
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.kit import ids
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.profiles.tables import Profile
from creditlink.retention.tables import DeletionCertificate
from creditlink.reviews.tables import AdverseNotice
from creditlink.staff.tables import StaffAct, StaffKey
from creditlink.uploads.tables import Upload
from tests import factories as make
from tests.lifecycle.conftest import registered
from tests.portal.access import ENTRY, NAMES_A_FIRM, PAGES, STAFF
from tests.portal.conftest import Person
from tests.portal.test_staff import TOTP, sign_in
from tests.proof.routes import PARAMETER, kind_of

WORDS = {"change": "pause", "decision": "drop", "step": "withdraw"}
"""Words in addresses that are no rows."""
PREFIXES = {
    "request_id": "fin", "upload_id": "upl", "notice_id": "ntc", "certificate_id": "del", "profile_id": "prf",
    "key_id": "key", "staff_act_id": "act", "application_id": "app", "decision_id": "dec",
}  # fmt: skip
HOLDER = {"portal.end_staff_key": "risk"}
"""Who holds the row of one's own, where it is not the firm's first representative."""
NEEDS_MORE = {
    "portal.profile", "portal.changes", "portal.ask_for_person", "portal.financing_request", "portal.financing_amend",
    "portal.financing_lenders",
}  # fmt: skip
"""What a row with nothing in it cannot show: tests of their own open these with one's own row."""
NOBODYS = {"staff_act_id", "decision_id", "model_id", "handle", "secret"}
"""Rows that are not one person's or one firm's: acts wait for whoever may decide them."""


def bare(table, **values):
    """Return a row with something in each column that must hold something."""
    samples = {str: "x", int: 1, bool: False, bytes: b"x", dict: {}, list: [], datetime: utc_now(), float: 0.5,
               date: date(2026, 1, 1)}  # fmt: skip
    for column in table.__table__.columns:
        name = table.__mapper__.get_property_by_column(column).key
        if name not in values and not column.nullable and column.default is None and column.server_default is None:
            kind = datetime if isinstance(column.type, db.UTCDateTime) else column.type.python_type
            values[name] = uuid4() if kind is UUID else samples.get(kind, {})
    return table(**values)


def things(session, client, person, firm, staff) -> dict:
    """Make one row of each kind for a firm, and for a member of staff; return their names by parameter."""
    now = utc_now()
    owner = {"enterprise_id": firm.id, "institution_id": client.institution_id}
    consent = make.make_consent(session, client=client, enterprise=firm, account=person, now=now)
    later = now + timedelta(days=9)
    asked = make.make_consent(session, client=client, state="REQUESTED", now=now, uscc=firm.uscc)
    asked.channel, asked.asked_uscc, asked.answer_until = "inbox", firm.uscc, later
    rows = {
        "request_id": bare(FinancingRequest, enterprise_id=firm.id, asked_by=person.id, expires_at=later,
                           use="working_capital", collateral="none"),
        "upload_id": bare(Upload, enterprise_id=firm.id, uploaded_by=person.id, state="taken", verdict="uploaded",
                          sha256=uuid4().hex),
        "notice_id": bare(AdverseNotice, **owner, consent_id=consent.id, event="declined"),
        "certificate_id": bare(DeletionCertificate, **owner, consent_id=consent.id),
        "act_id": bare(FirmAct, enterprise_id=firm.id, act="accept", signed_by=person.id, open_until=later,
                       role="legal_representative", subject={"application": "none"}),
        "profile_id": bare(Profile, **owner, consent_id=consent.id, client_id=client.client_id,
                           state="not_scorable", registration={}),
        "key_id": bare(StaffKey, account_id=staff, kind="webauthn", thumbprint=uuid4().hex, public_key=b"x"),
        "staff_act_id": bare(StaffAct, proposed_by=staff, open_until=later, kind="model_step", subject={},
                             subject_sha256=uuid4().hex),
    }  # fmt: skip
    session.add_all(rows.values())
    session.flush()
    rows["application_id"] = bare(
        Application, **owner, request_id=rows["request_id"].id, client_id=client.client_id, consent_id=consent.id,
        state="requested", answer_due_at=later, product_code=uuid4().hex,
    )  # fmt: skip
    rows["decision_id"] = bare(
        DecisionRow,
        id=rows["profile_id"].id,
        chain_id=firm.id,
        **owner,
        consent_id=consent.id,
        keep_until=later,
        payload=b"x",
    )
    rows["right_id"] = make.make_representation(session, firm, make.make_account(session), "agent", reason="x")
    session.add_all(rows.values())
    session.flush()
    plain = {"act_id", "right_id"}
    return {"consent_id": consent.wire_id, "asked_id": asked.wire_id} | {
        name: str(row.id) if name in plain else ids.external(PREFIXES[name], row.id) for name, row in rows.items()
    }


def parameters(rule):
    """Return the parameters of an address that name rows, as `things` calls them."""
    called = {"act_id": "staff_act_id"} if rule.endpoint == "portal.decide_act" else {}
    called |= {"consent_id": "asked_id"} if "/inbox/" in rule.rule else {}
    return {name: called.get(name, name) for name in PARAMETER.findall(rule.rule) if name not in WORDS}


def address(rule, side):
    named = {name: side[thing] for name, thing in parameters(rule).items()} | WORDS
    return PARAMETER.sub(lambda found: named[found.group(1)], rule.rule)


def pages(app):
    return [rule for rule in app.url_map.iter_rules() if kind_of(app, rule) == "page"]


def test_every_page_is_declared_and_no_other(app):
    found = {rule.endpoint for rule in pages(app)}
    assert found ^ PAGES.keys() == set()
    assert {rule.endpoint for rule in pages(app) if set(parameters(rule)) and rule.methods & {"GET", "POST"}} <= found


def test_every_page_can_be_looked_at(app):
    """`make screenshots` and the budgets know how to come to each page that is opened by its address."""
    shown = {rule.endpoint for rule in pages(app) if "GET" in rule.methods}
    known = {place.endpoint for place in PLACES}
    assert known & ASIDE.keys() == set()
    assert shown ^ ((known | ASIDE.keys()) & PAGES.keys()) == set()


@pytest.fixture
def world(app, settings):
    """Everybody signed in, by role; and the rows of one's own side and of another's."""
    people = {"nobody": Person(app.test_client())}
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # rows stand alone: no keys, no triggers
        client = make.make_client(session)
        firms = [make.make_enterprise(session) for _ in range(3)]
        for role in ("legal_representative", "agent", "stranger"):
            people[role] = Person(app.test_client(), make.make_account(session, password=make.PASSWORD))
        for role in ("legal_representative", "agent"):
            make.make_representation(session, firms[0], people[role].account, role)
        make.make_representation(session, firms[2], people["stranger"].account)
        other = make.make_account(session)
        make.make_representation(session, firms[1], other)
        for role in sorted(STAFF):
            account = session.get_one(Account, make.make_staff(session, f"s-{role}", role).account_id)
            account.password_hash = accounts.hash_password(make.PASSWORD)
            accounts.enroll_totp(account, TOTP, key=settings.secret_key)
            people[role] = Person(app.test_client(), account)
        somebody = make.make_staff(session, "somebody", "operator").account_id
        own = things(session, client, people["legal_representative"].account, firms[0], people["risk"].account.id)
        another = things(session, client, other, firms[1], somebody)
        registered(session, make.make_staff(session, "ada", "model_owner"))
        firms[0].two_signatures = firms[1].two_signatures = True  # from now on: acts wait for a second person
        unnamed = {"model_id": "m1", "handle": "none", "secret": "none"}
    for role, person in people.items():
        if role in STAFF:
            assert sign_in(person).status_code == 303
        elif role != "nobody":
            assert person.sign_in().status_code == 303
    named = {"legal_representative": firms[0], "agent": firms[0], "stranger": firms[2], "another": firms[1]}
    return people, own | unnamed, another | unnamed, {role: str(firm.id) for role, firm in named.items()}


def refusal(answer, role, endpoint, rule):
    """Return what is wrong with the answer to somebody to whom a page is not open; None: nothing."""
    on_to = answer.headers.get("Location", "")
    at_staff = rule.rule.startswith("/portal/staff/")
    if (role in STAFF) is at_staff and role != "nobody":
        return None if answer.status_code == 404 else "no such page was expected"
    expected = "/portal/staff/sign-in" if at_staff else "/portal/staff/" if role in STAFF else "/portal/sign-in"
    is_right = answer.status_code == 303 and on_to.partition("?")[0].endswith(expected)
    return None if is_right else f"on to {expected} was expected"


def welcome(answer):
    """Return what is wrong with the answer to somebody to whom a page is open; None: nothing."""
    is_away = "/sign-in" in answer.headers.get("Location", "")
    is_shut = is_away or answer.status_code in (400, 404, 405) or answer.status_code >= 500
    return f"open was expected, not {answer.status_code}" if is_shut else None


def visits(app, world, role):
    """Yield each visit of somebody: page, method, whose row, and what is wrong with the answer."""
    people, own, another, firms = world
    person = people[role]
    person.get("/portal/security" if role not in STAFF else "/portal/staff/keys")
    token = person.page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    if role == "nobody":
        token = person.get("/portal/sign-in").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    # Acts that wait come first, as what is done elsewhere ends them; whatever may end the session comes last.
    order = sorted(pages(app), key=lambda one: (one.endpoint in ENTRY, one.endpoint[-4:] != "_act", one.endpoint))
    for rule in order:
        is_open, owned = role in PAGES[rule.endpoint], set(parameters(rule).values()) - NOBODYS
        for method in sorted(rule.methods & {"GET", "POST"}):

            def ask(side, named=None, rule=rule, method=method):
                place, names = address(rule, side), {} if named is None else {"enterprise": named}
                if method == "GET":
                    return person.client.get(place, query_string=names)
                return person.post(place, token=token, **names)

            where = (rule.endpoint, method, role)
            if not is_open:
                yield *where, "own", refusal(ask(own), role, rule.endpoint, rule)
                continue
            if rule.endpoint in ENTRY:
                yield *where, "own", None if ask(own).status_code < 500 else "failed"
                continue
            if owned:
                status = ask(another).status_code
                yield *where, "another's", None if status == 404 else f"{status} for another's row"
            if rule.endpoint in NAMES_A_FIRM:
                status = ask(own, firms["another"]).status_code
                yield *where, "another's firm", None if status == 404 else f"{status} for another's firm"
            if rule.endpoint in NEEDS_MORE or (owned and role != HOLDER.get(rule.endpoint, "legal_representative")):
                continue
            yield *where, "own", welcome(ask(own, firms.get(role) if rule.endpoint in NAMES_A_FIRM else None))


def test_each_role_meets_at_each_page_what_is_declared(app, world):
    met = [visit for role in world[0] for visit in visits(app, world, role)]
    assert len(met) > 8 * len(PAGES)
    wrong = [visit for visit in met if visit[-1] is not None]
    assert not wrong, "\n".join(map(str, wrong))

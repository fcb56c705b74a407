"""Each role at each page, with its own row and with another's: open, no such page, or on to the sign-in.

What is declared is in `tests/portal/access.py`.
"""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import text

from benchmarks._visits import ASIDE, PLACES
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account
from creditlink.kit.postgres import db
from creditlink.sandbox.banks.keys import new_key
from tests import factories as make
from tests.desk.conftest import add_lender, make_bank
from tests.lifecycle.conftest import registered
from tests.portal.access import ENTRY, LENDERS, NAMES_A_FIRM, PAGES, STAFF
from tests.portal.access_rows import RowSide, own_key, things
from tests.portal.conftest import Person
from tests.portal.test_staff import TOTP, sign_in
from tests.proof.routes import PARAMETER, kind_of

WORDS = {
    "change": "pause", "decision": "drop", "step": "withdraw", "purpose": "underwriting", "language": "curl",
    "act": "suspend", "source": "tax", "name": "age_months", "provider": "one_pass", "token": "none",
}  # fmt: skip
"""Words in addresses that are no rows."""
WORDS_OF = {"portal.act_on_work": {"act": "retry"}, "portal.step_review": {"step": "claim"}}
CHOICE = re.compile(r"<any\((\w+)[^)]*\):(\w+)>")
"""An address that names its words: the first of them."""
FORMS = {
    "portal.settle_code": {"doing": "claim"}, "portal.move_rejections": {"doing": "sent"},
    "developers.end_key": {"kid": "k1"}, "portal.bank.answer_objection": {"reason": "test"},
}  # fmt: skip
"""What a form must hold for there to be such a page; nothing else is sent but the token."""
CALLED = {
    "/staff/acts/": {"act_id": "staff_act_id"},
    "/inbox/": {"consent_id": "asked_id"},
    "/staff/operator/": {
        "code": "turned_institution",
        "client_id": "turned_client",
        "login": "turned_login",
        "objection_id": "any_objection",
        "delivery_id": "failed_delivery",
    },
    "/staff/disputes/": {"dispute_id": "any_dispute"},
    "/staff/watch/": {"model_id": "watched_model"},
    "/desk/firms/": {"request_id": "ask_id"},
    "/security/keys/": {"key_id": "own_key_id"},
    "/desk/keys/": {"key_id": "desk_key_id"},
    "/desk/software/": {"act_id": "desk_act_id"},
    "/desk/people/": {"login": "colleague_login"},
    "/desk/products/": {"code": "product_code", "version": "product_version"},
    "/desk/overlay/": {"version": "overlay_version"},
    "/desk/scan/": {"code": "handle"},
    "/desk/back/": {"code": "handle"},
}
"""Part of an address -> parameter in it -> what `things` calls it."""
QUARTERS = {"/portal/staff/": STAFF, "/portal/desk/": LENDERS, "/portal/developers/": {"developer"}}
"""Where the addresses begin that are of some people; all others are firms'."""
HOLDERS = {"portal.end_staff_key": {"risk"}, "portal.bank.end_key": {"lender"}}
"""Who holds the row of one's own, where it is neither the first representative's nor the whole institution's."""
NEEDS_MORE = {
    "portal.profile", "portal.changes", "portal.ask_for_person", "portal.financing_request", "portal.financing_amend",
    "portal.financing_lenders",
    # The page of the request again, with what is wrong; a file that was scanned; a lender whose consent lives.
    "portal.financing_document", "portal.financing_receivable", "portal.remove_receivable",
    "portal.open_financing_document", "portal.bank.application_document",
    # A stored record, and a file that was scanned: tests/disputes.
    "portal.file_dispute", "portal.dispute_file", "portal.staff_dispute_file",
    # What a report says: tests/reports.
    "portal.report_file",
    # A model with a file of its swarm: test_swarms.
    "portal.model_indicator",
}  # fmt: skip
"""What a row with nothing in it cannot show: tests of their own open these with one's own row."""
NOBODYS = {
    "staff_act_id", "decision_id", "model_id", "handle", "secret", "case_id", "alarm_id", "watched_model", "letter_id",
    "load_id", "clearing_id", "turned_institution", "turned_client", "turned_login", "failed_delivery",
    "product_version", "any_dispute",
    "any_objection",
}  # fmt: skip
"""Rows that are not one person's or one firm's: acts wait for whoever may decide them, operators see every row."""


def parameters(rule):
    """Return the parameters of an address that name rows, as `things` calls them."""
    called = {name: thing for part, names in CALLED.items() if part in rule.rule for name, thing in names.items()}
    words = WORDS.keys() | {name for _, name in CHOICE.findall(rule.rule)}
    return {name: called.get(name, name) for name in PARAMETER.findall(rule.rule) if name not in words}


def address(rule, side):
    named = {name: side[thing] for name, thing in parameters(rule).items()} | WORDS | WORDS_OF.get(rule.endpoint, {})
    named |= {name: word for word, name in CHOICE.findall(rule.rule)}
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


def ready(session, settings, account) -> Account:
    """Give a member of staff a password and codes."""
    account.password_hash = accounts.hash_password(make.PASSWORD)
    accounts.enroll_totp(account, TOTP, key=settings.secret_key)
    return account


@pytest.fixture
def world(app, settings):
    """Everybody signed in, by role; and the rows of one's own side and of another's."""
    people = {"nobody": Person(app.test_client())}
    bank, other_bank = make_bank(settings), make_bank(settings)
    for role in sorted(LENDERS):
        people[role] = add_lender(app, settings, bank, f"l-{role}", role)
    somewhere_else = add_lender(app, settings, other_bank, "l-else", *LENDERS).account
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # rows stand alone: no keys, no triggers
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
            people[role] = Person(app.test_client(), ready(session, settings, account))
        somebody = make.make_staff(session, "somebody", "operator").account_id
        own_side = RowSide(
            people["legal_representative"].account, firms[0], bank, make.make_client(session, bank),
            people["lender"].account.id, people["risk"].account.id,
        )  # fmt: skip
        other_client = make.make_client(session, other_bank)
        other_side = RowSide(other, firms[1], other_bank, other_client, somewhere_else.id, somebody)
        own, another = things(session, own_side), things(session, other_side)
        registered(session, make.make_staff(session, "ada", "model_owner"))
        firms[0].two_signatures = firms[1].two_signatures = True  # from now on: acts wait for a second person
        unnamed = {"model_id": "m1", "handle": "none", "secret": "none"}
    for role, person in people.items():
        if role in STAFF:
            assert sign_in(person).status_code == 303
        elif role != "nobody":
            assert person.sign_in().status_code == 303
    people["developer"] = developer(app)
    with db.transaction("owner") as session:
        own["own_key_id"] = own_key(session, people["legal_representative"].account)
        another["own_key_id"] = own_key(session, other)
    named = {"legal_representative": firms[0], "agent": firms[0], "stranger": firms[2], "another": firms[1]}
    return people, own | unnamed, another | unnamed, {role: str(firm.id) for role, firm in named.items()}


def developer(app) -> Person:
    """Return a developer with one key, signed in."""
    person = Person(app.test_client())
    person.get("/portal/developers/join")
    assert person.post("/portal/developers/join", login="dev@example.com", password=make.PASSWORD).status_code == 303
    person.get("/portal/developers/keys")
    key = json.dumps(new_key(kid="k1").as_dict(private=False))
    assert person.post("/portal/developers/keys", key=key).status_code == 303
    return person


def quarter_of(place: str) -> str:
    return next((start for start in QUARTERS if place.startswith(start)), "/portal/")


def home_of(role: str) -> str:
    return next((start for start, roles in QUARTERS.items() if role in roles), "/portal/")


def refusal(answer, role, place):
    """Return what is wrong with the answer to somebody to whom a page is not open; None: nothing."""
    quarter, home = quarter_of(place), home_of(role)
    is_here = role != "nobody" and quarter == home
    # Developers' pages are there for nobody who is signed in as somebody else, nor are firms' pages for developers.
    is_apart = role != "nobody" and (quarter == "/portal/developers/" or (quarter, role) == ("/portal/", "developer"))
    if is_here or is_apart:
        return None if answer.status_code == 404 else f"no such page was expected, not {answer.status_code}"
    expected = home if quarter == "/portal/" and role in STAFF | LENDERS else f"{quarter}sign-in"
    on_to = answer.headers.get("Location", "").partition("?")[0]
    is_right = answer.status_code == 303 and on_to.endswith(expected)
    return None if is_right else f"on to {expected} was expected, not {answer.status_code} {on_to}"


def welcome(answer):
    """Return what is wrong with the answer to somebody to whom a page is open; None: nothing."""
    is_away = "/sign-in" in answer.headers.get("Location", "")
    is_shut = is_away or answer.status_code in (400, 404, 405) or answer.status_code >= 500
    return f"open was expected, not {answer.status_code}" if is_shut else None


def visits(app, world, role):
    """Yield each visit of somebody: page, method, whose row, and what is wrong with the answer."""
    people, own, another, firms = world
    person = people[role]
    form = {"/portal/": "security"}.get(home_of(role), "keys") if role != "nobody" else "sign-in"
    token = person.get(home_of(role) + form).text.partition('name="csrf_token" value="')[2].partition('"')[0]
    for start in ("/portal/", *QUARTERS):  # a circle of redirects is an error of the client's
        status = person.client.get(start, follow_redirects=True).status_code
        yield start, "GET", role, "to the end", None if status in (200, 404) else f"ends with {status}"
    # Acts that wait come first, as what is done elsewhere ends them; whatever may end the session comes last.
    order = sorted(
        pages(app),
        key=lambda one: (one.endpoint in ENTRY, "sign_out" in one.endpoint, one.endpoint[-4:] != "_act", one.endpoint),
    )
    for rule in order:
        is_open, owned = role in PAGES[rule.endpoint], set(parameters(rule).values()) - NOBODYS
        for method in sorted(rule.methods & {"GET", "POST"}):

            def ask(side, named=None, rule=rule, method=method):
                place, names = address(rule, side), {} if named is None else {"enterprise": named}
                if method == "GET":
                    return person.client.get(place, query_string=names)
                return person.post(place, token=token, **names | FORMS.get(rule.endpoint, {}))

            where = (rule.endpoint, method, role)
            if not is_open:
                yield *where, "own", refusal(ask(own), role, rule.rule)
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
            holders = HOLDERS.get(rule.endpoint, LENDERS | {"legal_representative"})
            if rule.endpoint in NEEDS_MORE or (owned and role not in holders):
                continue
            answer = ask(own, firms.get(role) if rule.endpoint in NAMES_A_FIRM else None)
            is_out = rule.endpoint == "developers.sign_out" and answer.status_code == 303
            yield *where, "own", None if is_out else welcome(answer)


def test_each_role_meets_at_each_page_what_is_declared(app, world):
    met = [visit for role in world[0] for visit in visits(app, world, role)]
    assert len(met) > 8 * len(PAGES)
    wrong = [visit for visit in met if visit[-1] is not None]
    assert not wrong, "\n".join(map(str, wrong))

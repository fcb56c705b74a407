"""Every way to read × every way a consent can be dead: nothing is served.

The routes come from the application's own map: one that takes an access token joins the walk by itself, has to answer
while the consent lives, and has to refuse in every dead state. One that is neither known nor takes a token fails here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from creditlink.access.scopes import SCOPES
from creditlink.consents import service as consents
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Enterprise
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Institution
from creditlink.kit import ids, jobs
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from creditlink.records import sources
from creditlink.records.pulls.delivery import Delivery
from creditlink.records.sources import Sources, load_sources
from creditlink.records.tables import Pull
from creditlink.retention import purge
from creditlink.sandbox.banks.bank import BankError
from tests import factories as make
from tests.oauth import flow
from tests.portal.conftest import Person
from tests.proof import routes

EVERY_SCOPE = " ".join(SCOPES)
REFUSALS = {401, 403, 404}


@dataclass
class World:
    """A bank with a live consent, and what it was served under it."""

    app: Any
    database: Any
    firm: flow.Firm
    bank: Any
    authorization: Any
    known: dict[str, str]  # ids by the names of the routes' parameters
    expires_at: Any = None
    served: dict[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def consent_id(self):
        return flow.consent_of(self.authorization)

    def reads(self) -> list[tuple[str, Any]]:
        return routes.rules_of(self.app, lambda method, rule, kind: kind == "read")

    def call(self, method, rule, **more):
        """Call a route under the bank's token."""
        wanted = routes.sample_of(rule, self.known)
        if wanted is None:
            wanted = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        return self.bank.call(method, routes.filled(rule, self.known), self.authorization, **wanted | more)


def leaves(body: Any) -> Iterator[str]:
    """Every value in a body that is long enough to be recognised elsewhere."""
    if isinstance(body, dict):
        for value in body.values():
            yield from leaves(value)
    elif isinstance(body, list):
        for value in body:
            yield from leaves(value)
    elif isinstance(body, float) and len(repr(body)) > 8:
        yield repr(body)
    elif isinstance(body, str) and len(body) >= 20:
        yield body


@pytest.fixture
def world(app, empty_database, firm, make_bank, products, delivered, monkeypatch) -> World:
    """Everything is read once while the consent lives: each read route must answer then."""
    bank = make_bank(scopes=list(SCOPES))
    with empty_database.transaction("owner") as session:  # whose bank may ask for a person
        session.get_one(Enterprise, firm.enterprise.id).entity_type = "sole_trader"
    authorization = agreed(app, firm, bank)
    delivered(authorization)
    made = bank.call("POST", "/v1/profiles", authorization, json={})
    assert made.status_code == 201, made.text
    with empty_database.transaction("owner") as session:
        pull = session.scalars(select(Pull.id)).first()
        expires_at = session.get_one(Consent, flow.consent_of(authorization)).expires_at
    known = {
        "profile_id": made.json()["id"],
        "consent_id": authorization.grant_id,
        "grant_id": authorization.grant_id,
        "pull_id": ids.external("pul", pull),
        "code": made.json()["products"]["best"][0]["product"],
    }
    wanted = {"profile_id": known["profile_id"], "recipient": "佛山市公共资源交易中心", "purpose": "投标资格审查"}
    report = bank.call("POST", "/v1/reports", authorization, json=wanted)
    assert report.status_code == 201, report.text
    known["report_id"] = report.json()["id"]
    found = World(app, empty_database, firm, bank, authorization, known, expires_at)
    for method, rule in found.reads():
        answer = found.call(method, rule)
        assert answer.status_code in (200, 201), f"{method} {rule.rule} must be read in the walk: {answer.text[:300]}"
        found.served[f"{method} {rule.rule}"] = answer.json()
    public = " ".join(said_openly(found)) + " ".join(said_to_itself(found))
    found.secrets = frozenset(
        leaf
        for body in found.served.values()
        for leaf in leaves(body)
        if leaf not in public and leaf not in known.values()
    )
    assert len(found.secrets) > 100, "the walk must be able to tell what was served"
    return found


def _widen(app) -> None:
    """Let a consent for reports, which alone opens every route, run and be used as one for a loan may."""
    known = runtime.of_app(app)
    fair_use = known.of(FairUse)
    usual = fair_use.templates["underwriting"]
    wide = replace(usual, purpose="report")
    known.put(replace(fair_use, templates={**fair_use.templates, "report": wide}))


def agreed(app, firm, bank):
    """Let the firm agree to everything that may be asked for; return the bank's authorization."""
    _widen(app)
    asked = flow.details(
        categories=["tax", "social_security", "electricity"],
        purpose="report",
        actions=["profile", "match", "report"],
        history_months=36,
        pulls_per_month=3,
    )
    authorization = bank.push(asked, scope=EVERY_SCOPE)
    callback = flow.decide(app, firm, flow.open_page(bank, authorization))
    bank.exchange(bank.code_from(callback, authorization), authorization)
    return authorization


def said_openly(world) -> Iterator[str]:
    """What the open routes say, without a token."""
    client = world.app.test_client()
    for method, rule in routes.rules_of(world.app, lambda method, rule, kind: kind == "open"):
        yield client.open(routes.filled(rule, world.known), method=method).get_data(as_text=True)


def said_to_itself(world) -> Iterator[str]:
    """What the institution is told of its own matters, which are no firm's data."""
    for method, rule in routes.rules_of(world.app, lambda method, rule, kind: kind == "own" and method == "GET"):
        yield world.call(method, rule).text


def changed(change: str) -> Callable[[World], None]:
    return lambda world: flow.change_consent(world.authorization, change)


def ended(state: str) -> Callable[[World], None]:
    def run(world):
        with world.database.transaction("owner") as session:
            held = session.get_one(Consent, world.consent_id)
            consents.end(session, held, state, actor="system", reason="test", now=utc_now())

    return run


def expired_by_the_clock_alone(world):
    """The sweep has not been there yet; the tokens are, against C4, still good."""
    with world.database.transaction("owner") as session:
        session.execute(text("ALTER TABLE consents DISABLE TRIGGER USER"))
        session.execute(text("UPDATE consents SET starts_at = starts_at - interval '1 day', expires_at = now()"))
        session.execute(text("ALTER TABLE consents ENABLE TRIGGER USER"))


def token_of(state: str) -> Callable[[World], None]:
    """A request that was never granted has no token: give it, against all rules, the live one's."""

    def run(world):
        with world.database.transaction("owner") as session:
            client = institutions.client_of(session, world.bank.client_id)
            other = make.make_consent(session, client=client, state=state, now=utc_now())
            for table in ("access_tokens", "refresh_tokens"):
                session.execute(text(f"UPDATE {table} SET consent_id = :id"), {"id": other.id})

    return run


def suspended(what: str) -> Callable[[World], None]:
    def run(world):
        with world.database.transaction("owner") as session:
            client = institutions.client_of(session, world.bank.client_id)
            if what == "client":
                institutions.set_client_status(session, client, "suspended", now=utc_now())
            else:
                row = session.get_one(Institution, client.institution_id)
                institutions.set_institution_status(session, row, "suspended", now=utc_now())

    return run


DEAD: dict[str, Callable[[World], None]] = {
    "paused": changed("pause"),
    "revoked": changed("revoke"),
    "expired": ended("EXPIRED"),
    "expired by the clock": expired_by_the_clock_alone,
    "exhausted": ended("EXHAUSTED"),
    "requested": token_of("REQUESTED"),
    "rejected": token_of("REJECTED"),
    "suspended bank": suspended("institution"),
    "suspended client": suspended("client"),
}


# A client's suspension ends its tokens; the consent is the institution's, which may have another client.
ENDS_TOKENS_ONLY = {"suspended client"}


def test_nothing_is_served_under_a_dead_consent(world, asked_offices):
    """API, explanation, matches, lists; the token endpoint and introspection; the database itself; queued work."""
    for state, bring_about in DEAD.items():
        bring_about(world)
        for method, rule in world.reads():
            answer = world.call(method, rule)
            assert answer.status_code in REFUSALS, f"{method} {rule.rule} answered {answer.status_code} when {state}"
            assert_nothing_of(world, answer.text, f"{method} {rule.rule} when {state}")
        for said in [*said_openly(world), *said_to_itself(world)]:
            assert_nothing_of(world, said, f"what is not refused when {state}")
        with pytest.raises(BankError) as refused:
            world.bank.refresh(world.authorization)
        assert refused.value.code in ("invalid_grant", "invalid_client"), state
        assert is_inactive(world.bank, world.authorization.access_token), state
        assert is_inactive(world.bank, world.authorization.refresh_token), state
        if state not in ENDS_TOKENS_ONLY:
            assert rows_seen(world) == 0, state
            run_queued_work(world)
            assert asked_offices == [], state
        brought_back_to_life(world)
    # The walk can tell a served answer from a refused one: brought back, all is as before.
    for method, rule in world.reads():
        assert world.call(method, rule).status_code in (200, 201)
    assert rows_seen(world) > 0
    # The walk has spent the last use: what was made is read, and no office is asked for more.
    run_queued_work(world)
    assert asked_offices == []
    with world.database.transaction("owner") as session:
        session.execute(text("UPDATE consent_uses SET used = used - 1"))
    run_queued_work(world)
    assert set(asked_offices) == {"tax", "social_security", "electricity", "public_credit"}
    purged(world)
    for method, rule in world.reads():
        assert_nothing_of(world, world.call(method, rule).text, f"{method} {rule.rule} when purged")


def purged(world) -> None:
    """Let the purge do its work when the data life is over."""
    late = world.expires_at + timedelta(days=400)
    with world.database.transaction("worker") as session:
        (firm,) = purge.firms_due(session, late)
        done = purge.purge_firm(session, firm, issuer=flow.ISSUER, secret="k" * 40, now=late)
    assert done.certificates
    assert {table for table, rows in done.rows.items() if rows} >= {"facts", "profiles", "pulls"}


def brought_back_to_life(world) -> None:
    """Undo any of the states, as nobody can: with the triggers off."""
    with world.database.transaction("owner") as session:
        session.execute(text("ALTER TABLE consents DISABLE TRIGGER USER"))
        session.execute(
            text("UPDATE consents SET state = 'ACTIVE', expires_at = :expires_at WHERE id = :id"),
            {"id": world.consent_id, "expires_at": world.expires_at},
        )
        session.execute(text("ALTER TABLE consents ENABLE TRIGGER USER"))
        for table in ("access_tokens", "refresh_tokens"):
            session.execute(text(f"UPDATE {table} SET consent_id = :id"), {"id": world.consent_id})
        session.execute(text("UPDATE clients SET status = 'active'"))
        session.execute(text("UPDATE institutions SET status = 'active'"))


def is_inactive(bank, token) -> bool:
    try:
        return bank.introspect(token) == {"active": False}
    except BankError as error:
        return error.status == 401


def assert_nothing_of(world, text_: str, where: str) -> None:
    found = [secret for secret in world.secrets if secret in text_]
    assert found == [], f"{where} gives away {found[:3]}"


def consent_of_the_tokens(world):
    """The consent that the bank's tokens are for: its own, but for requests that never gave any."""
    with world.database.transaction("owner") as session:
        return session.scalars(text("SELECT consent_id FROM access_tokens LIMIT 1")).one()


def rows_seen(world) -> int:
    """How many rows raw SQL sees under the API's role, with the settings that the dead consent would have."""
    with world.database.transaction("owner") as session:
        institution = session.get_one(Consent, world.consent_id).institution_id
    with world.database.transaction("api") as session:
        db.enter(session, db.Viewer(consent_id=consent_of_the_tokens(world), institution_id=institution))
        tables = ("facts", "profiles", "rejected_rows")
        return sum(session.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables)


# Work under no consent: it delivers, keeps the registry, reads for a firm what it uploaded, takes data away, or follows
# the firm's own dispute, which asks for a living consent where it fetches and where it tells (tests/disputes).
NO_READS = {
    "notifications.deliver", "registry.exceptions", "registry.take", "retention.purge_firm", "uploads.read",
    "disputes.go_on", "messages.send", "messages.sort", "profiles.contest", "profiles.tell_corrected",
    "financing.scan_papers",
}  # fmt: skip


@pytest.fixture
def asked_offices(app) -> Iterator[list[str]]:
    """This process's sources with connectors that only note who was asked."""
    asked: list[str] = []

    class Noting:
        def __init__(self, name):
            self.name = name

        def fetch(self, _uscc, **_more):
            asked.append(self.name)
            return Delivery.failed(self.name, "DOWN", "only noted")

        def close(self):
            pass

    opened = Sources(load_sources(runtime.of_app(app).of(Settings)))
    opened.connectors = {name: Noting(name) for name in opened.connectors}
    sources.configure(opened)
    yield asked
    sources.configure(None)


def run_queued_work(world) -> None:
    """Run every task that takes a consent, with everything due."""
    jobs.app.perform_import_paths()
    with world.database.transaction("owner") as session:
        session.execute(text("UPDATE pull_parts SET finished_at = finished_at - interval '90 days'"))
    for name, task in jobs.app.tasks.items():
        takes = list(inspect.signature(task.func).parameters)
        # What the clock starts is about no consent in particular: what it finds due, it queues as work of a consent.
        if "procrastinate" in name or name in NO_READS or "timestamp" in takes:
            continue
        assert takes == ["consent_id"], f"task {name} is not in the walk"
        task.func(consent_id=str(consent_of_the_tokens(world)))
    with world.database.transaction("owner") as session:
        session.execute(text("UPDATE pull_parts SET finished_at = finished_at + interval '90 days'"))


class TestWrongHands:
    """A live consent of somebody else, or another of one's own, opens nothing of this one."""

    @pytest.mark.parametrize("whose", ["another bank", "another consent of the same bank"])
    def test_ids_of_another_consent(self, world, make_bank, whose, empty_database, http):
        other_firm = flow.make_firm(empty_database)
        bank = make_bank(scopes=list(SCOPES)) if whose == "another bank" else world.bank
        stranger = agreed(world.app, other_firm, bank)
        for method, rule in [*world.reads(), *own_matters(world.app)]:
            wanted = {"json": {}} if method == "POST" else {}
            path = routes.filled(rule, world.known)
            answer = bank.call(method, path, stranger, **wanted)
            assert_nothing_of(world, answer.text, f"{method} {rule.rule}")
            if routes.PARAMETER.search(rule.rule) and (whose == "another bank" or (method, rule) in world.reads()):
                assert answer.status_code in (404, 422), f"{method} {rule.rule} answered {answer.status_code}"
                # The same body as for an id that never was.
                never = {name: f"{value.partition('_')[0]}_{uuid4().hex}" for name, value in world.known.items()}
                unknown = bank.call(method, routes.filled(rule, never), stranger, **wanted)
                assert without_request_id(answer) == without_request_id(unknown)

    def test_a_category_that_was_not_granted(self, app, empty_database, firm, make_bank, products, delivered):
        """Facts of all offices are there, the consent is for tax alone: nothing of the others is in any answer."""
        bank = make_bank(scopes=list(SCOPES))
        asked = flow.details(
            categories=["tax", "social_security", "electricity"],
            optional_categories=["social_security", "electricity"],
            actions=["profile", "match"],
            history_months=36,
        )
        authorization = bank.push(asked, scope=EVERY_SCOPE)
        callback = flow.decide(app, firm, flow.open_page(bank, authorization), categories=["tax"])
        bank.exchange(bank.code_from(callback, authorization), authorization)
        delivered(authorization)
        made = bank.call("POST", "/v1/profiles", authorization, json={}).json()
        reads = [
            bank.call("GET", routes.filled(rule, {"profile_id": made["id"]}), authorization).json()
            for method, rule in routes.rules_of(app, lambda method, rule, kind: kind == "read" and method == "GET")
            if set(routes.PARAMETER.findall(rule.rule)) <= {"profile_id"}
        ]
        told = [part for body in [made, *reads] for part in parts_with_a_category(body)]
        assert any(part["category"] == "tax" and part.get("value") is not None for part in told)
        assert [p for p in told if p["category"] in ("social_security", "utility") and p.get("value") is not None] == []

    def test_what_staff_sign_for_opens_to_no_bank(self, world):
        """The archive outlives consents; a token, even of the bank that was served, is none of staff's statements."""
        signed = routes.rules_of(world.app, lambda method, rule, kind: kind == "staff")
        decision = world.known["profile_id"].replace("prf_", "dec_")
        assert ("POST", "/v1/decisions/<decision_id>/replay") in {(method, rule.rule) for method, rule in signed}
        for method, rule in signed:
            path = routes.filled(rule, world.known | {"decision_id": decision})
            answer = world.bank.call(method, path, world.authorization, json={"role": "risk", "purpose": "x"})
            assert answer.status_code == 401, f"{method} {rule.rule}: {answer.text[:300]}"
            assert_nothing_of(world, answer.text, f"{method} {rule.rule}")

    def test_every_page_of_another_firm(self, world):
        """A person who acts for another firm, and one who is not signed in, see nothing of this one."""
        with world.database.transaction("owner") as session:
            account = make.make_account(session, password=make.PASSWORD)
            make.make_representation(session, make.make_enterprise(session), account)
            name, code = world.firm.enterprise.name, world.firm.enterprise.uscc
        stranger = Person(world.app.test_client(), account)
        assert stranger.sign_in().status_code == 303
        nobody = Person(world.app.test_client())
        pages = routes.rules_of(world.app, lambda method, rule, kind: kind == "page")
        assert len(pages) > 10
        for method, rule in pages:
            if rule.endpoint in ("portal.sign_in_submit", "portal.sign_out"):
                continue
            for person in (stranger, nobody):
                for query in ("", f"?enterprise={world.firm.enterprise.id}"):
                    path = routes.filled(rule, world.known | {"change": "revoke"}) + query
                    if method == "GET":
                        answer = person.get(path)
                    else:
                        person.get("/portal/security")
                        answer = person.post(path, decision="approve", enterprise=str(world.firm.enterprise.id))
                    assert answer.status_code != 500, path
                    assert name not in answer.text, path
                    assert code not in answer.text, path
                    assert_nothing_of(world, answer.text, path)
        with world.database.transaction("owner") as session:
            assert session.get_one(Consent, world.consent_id).state == "ACTIVE"


def own_matters(app):
    return routes.rules_of(app, lambda method, rule, kind: kind == "own" and method == "GET")


def without_request_id(answer) -> str:
    return re.sub(r'"request_id": ?"[^"]*"', "", answer.text) + str(answer.status_code)


def parts_with_a_category(body: Any) -> Iterator[dict]:
    if isinstance(body, dict):
        if isinstance(body.get("category"), str):
            yield body
        for value in body.values():
            yield from parts_with_a_category(value)
    elif isinstance(body, list):
        for value in body:
            yield from parts_with_a_category(value)


def test_every_route_is_known_or_walked(app):
    """A new route with an access token is walked; a new one without must be put into `routes.py`, with a thought."""
    unknown = [rule.rule for rule in app.url_map.iter_rules() if routes.kind_of(app, rule) == "unknown"]
    assert unknown == []
    gone = (routes.OPEN | routes.PROTOCOL | routes.FILES) - {rule.endpoint for rule in app.url_map.iter_rules()}
    assert gone == set()


def test_open_routes_ask_for_no_token(app, client):
    for method, rule in routes.rules_of(app, lambda method, rule, kind: kind == "open"):
        status = client.open(routes.filled(rule, {}), method=method).status_code
        # Without a body they ask for its fields, never for a token.
        assert status in (200, 404, 503) or (method, status) == ("POST", 422), rule.rule

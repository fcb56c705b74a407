"""The operator's desk: what needs a person is seen, turned and done again, by an operator and by nobody else."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from creditlink.audit import service as audit
from creditlink.audit.tables import AuditEntry
from creditlink.consents import service as consents
from creditlink.enterprises.registry import clearing, loads
from creditlink.enterprises.registry.loads import Opening
from creditlink.enterprises.registry.tables import UsccClearing
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import day_of, start_of_day, utc_now
from creditlink.kit.jobs.tables import DeadLetter
from creditlink.kit.postgres import db
from creditlink.notifications.tables import Notification, WebhookDelivery
from creditlink.records.pulls import fetching
from creditlink.records.pulls import pull as pulls
from creditlink.records.tables import SourceHealth
from creditlink.staff import acts
from creditlink.staff.tables import StaffMember
from tests import factories as make
from tests.portal.conftest import Person
from tests.portal.test_risk_desk import staff
from tests.records.conftest import city, desk, offices
from tests.records.offices import Reply
from tests.records.test_rejections import bad, delivery

__all__ = ["city", "desk", "offices"]
DESK = "/portal/staff/operator/"
PAGES = (
    "", "institutions", "sources", "rejections", "jobs", "webhooks", "registry", "codes", "codes.csv", "accounts",
    "figures", "figures?kind=grades", "figures.csv", "screening", "screening/products",
)  # fmt: skip
POSTS = (
    "institutions/BANK/suspend", "clients/x/rotate", "rejections/tax", "jobs/dlt_1/retry", "webhooks/whd_1",
    "codes/clr_1", "accounts/ola/sign-out", "accounts/ola/standing",
)  # fmt: skip


@pytest.fixture
def ola(app, settings, empty_database):
    return staff(app, settings, "ola", "operator")


@pytest.fixture
def lender(app):
    """A bank with one client."""
    with db.transaction("owner") as session:
        institution = make.make_institution(session, code="FSRCB", name_en="Foshan Bank", name_zh="佛山银行")
        return institution, make.make_client(session, institution)


def act(person, path, back="", **fields):
    """Do something with the form's token of a page."""
    person.get(f"{DESK}{back}{'&' if '?' in back else '?'}lang=en")
    return person.post(DESK + path, **fields)


def evidence(*actions):
    with db.transaction("owner") as session:
        wanted = select(AuditEntry).where(AuditEntry.action.in_(actions)).order_by(AuditEntry.id)
        return [(entry.action, entry.actor, entry.detail) for entry in session.scalars(wanted)]


def stored(table, key):
    with db.transaction("owner") as session:
        return session.get_one(table, key)


def letter(**values):
    now = utc_now()
    with db.transaction("owner") as session:
        row = DeadLetter(
            **{
                "kind": "job", "task": "records.pull", "item": "pull:1", "queue": "pulls", "args": {}, "priority": 0,
                "error": "OperationalError", "failures": 3, "first_failed_at": now, "last_failed_at": now,
            } | values
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row


def undelivered(institution, client, **values):
    now = utc_now()
    with db.transaction("owner") as session:
        message = Notification(institution_id=institution.id, type="consent.revoked", body="{}", created_at=now)
        session.add(message)
        session.flush()
        row = WebhookDelivery(
            **{
                "notification_id": message.id, "institution_id": institution.id, "client_id": client.client_id,
                "state": "failed", "tries": 8, "replays": 0, "created_at": now, "last_status": 500,
                "last_error": "answered 500",
            } | values
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row


def test_every_page_is_there_without_anything_to_show(ola):
    assert f'href="{DESK}"' in ola.get("/portal/staff/?lang=en").text
    for path in PAGES:
        for language in ("en", "zh"):
            answer = ola.get(f"{DESK}{path}{'&' if '?' in path else '?'}lang={language}")
            assert answer.status_code == 200, (path, language, answer.text[-1500:])
            assert " style=" not in answer.text
            assert "<script" not in answer.text
    assert "Nothing waits for you." in ola.get(DESK + "?lang=en").text


def test_for_others_there_is_no_such_desk(app, settings, empty_database, owner):
    people = [staff(app, settings, role, role) for role in ("risk", "auditor", "model_owner")]
    for person in people:
        assert DESK + '"' not in person.get("/portal/staff/?lang=en").text
        for path in PAGES:
            assert person.get(DESK + path).status_code == 404, path
        person.get("/portal/staff/")
        for path in POSTS:
            assert person.post(DESK + path).status_code == 404, path
        searches = person.actor.login != "model_owner"
        assert person.get(DESK + "evidence").status_code == (200 if searches else 404)
    for stranger in (owner, Person(app.test_client())):
        for path in PAGES:
            assert stranger.get(DESK + path).headers["Location"].endswith("/portal/staff/sign-in"), path


def test_what_never_was_is_not_found(ola):
    for odd in ("%00", "%ED%A0%80", "a" * 3000, "x'--", "../../etc"):
        for path in (f"institutions/{odd}", f"registry/{odd}"):
            assert ola.get(DESK + path).status_code in (308, 404)
        for path in ("institutions?q=", "institutions?page=", "institutions?sort=", "sources?cursor=", "jobs?cursor=",
                     "rejections?source=", "webhooks?institution=", "codes?cursor=", "accounts?q=", "figures?quarter=",
                     "registry?cursor=", "screening/products?product="):  # fmt: skip
            assert ola.get(f"{DESK}{path}{odd}").status_code in (200, 404, 422), path


class TestInstitutions:
    def test_are_suspended_at_once_and_let_on_with_a_code(self, ola, lender):
        institution, client = lender
        page = f"institutions/{institution.code}"
        assert page in ola.get(DESK + "institutions?lang=en&q=foshan").text
        assert page not in ola.get(DESK + "institutions?lang=en&q=%25").text, "no sign stands for others"
        assert act(ola, page + "/suspend", page).status_code == 303
        assert stored(Institution, institution.id).status == "suspended"
        assert act(ola, f"clients/{client.client_id}/suspend", page).status_code == 303
        assert stored(Client, client.id).status == "suspended"
        with db.transaction("owner") as session:
            session.execute(text("UPDATE web_sessions SET strong_at = strong_at - interval '6 minutes'"))
        assert act(ola, page + "/resume", page).status_code == 422
        assert act(ola, f"clients/{client.client_id}/resume", page).status_code == 422
        assert stored(Institution, institution.id).status == "suspended"
        told = evidence("institution.suspend", "client.suspend", "institution.resume")
        assert [(name, who) for name, who, _ in told] == [
            ("institution.suspend", ola.actor.name), ("client.suspend", ola.actor.name),
        ]  # fmt: skip

    def test_keys_are_replaced_by_public_ones_alone(self, ola, lender):
        institution, client = lender
        page, path = f"institutions/{institution.code}", f"clients/{client.client_id}/rotate"
        key = ECKey.generate_key("P-256", {"kid": "new", "alg": "ES256", "use": "sig"})
        private = json.dumps({"keys": [key.as_dict(private=True)]})
        for given in ("", "{", "[]", '{"keys": []}', '{"keys": [], "keys": []}', private, "[" * 40_000, '"\\ud800"'):
            answer = act(ola, path, page, jwks=given)
            assert answer.status_code == 422, given[:40]
            assert str(key.as_dict(private=True)["d"]) not in answer.text
        assert stored(Client, client.id).jwks == {"keys": []}
        public = {"keys": [key.as_dict(private=False)]}
        assert act(ola, path, page, jwks=json.dumps(public)).status_code == 303
        held = stored(Client, client.id)
        assert (held.jwks, held.keys_changed_at > utc_now() - timedelta(minutes=1)) == (public, True)
        assert "new" in ola.get(DESK + page).text
        assert [name for name, _, _ in evidence("client.rotate_keys")] == ["client.rotate_keys"]

    def test_the_database_lets_no_other_turn_them(self, lender):
        """The attack: the pages' role, with whatever the application may claim, but no operator behind it."""
        with db.transaction("owner") as session:
            risk = make.make_staff(session, "rui", "risk")
            gone = make.make_staff(session, "gus", "operator", status="suspended")
            other = make.make_institution(session)
        claims = (
            None, db.Viewer(actor="operator"), db.Viewer(institution_id=other.id),
            *(db.Viewer(actor="operator", account_id=who.account_id) for who in (risk, gone)),
        )  # fmt: skip
        for claim in claims:
            for table, row in zip((Institution, Client), lender, strict=True):
                turned = update(table).where(table.id == row.id).values(status="suspended")
                is_hidden = table is Client and (claim is None or claim.actor != "operator")
                with db.transaction("api", viewer=claim) as session:
                    if is_hidden:  # row security finds them nothing to turn
                        assert session.execute(turned).rowcount == 0
                    else:
                        with pytest.raises(DBAPIError, match="only an operator"):
                            session.execute(turned)
                        session.rollback()
                assert stored(table, row.id).status == "active", claim


class TestOverview:
    def test_says_what_needs_a_person(self, ola, lender):
        _, client = lender
        now = utc_now()
        letter()
        undelivered(*lender)
        with db.transaction("owner") as session:
            session.add(
                SourceHealth(
                    name="tax",
                    state="down",
                    changed_at=now,
                    last_failure_at=now,
                    rests_until=now + timedelta(minutes=5),
                )
            )
            session.execute(
                update(Client).where(Client.id == client.id).values(created_at=now - timedelta(days=340))
            )  # fmt: skip
            acts.propose(
                session, "staff.standing", {"login": "x", "to": "ended"}, by=ola.actor, reason="left", now=now
            )  # fmt: skip
        shown = ola.get(DESK + "?lang=en").text
        cards = re.findall(r'<strong class="figure">([^<]+)</strong><span>([^<]+)</span>', shown)
        assert {label: count for count, label in cards} == {
            "Failed jobs": "1", "Failed webhooks": "1", "Open circuits": "1", "Sources that do not work": "1",
            "Keys due for a change": "1", "Acts that wait for a second person": "1",
        }  # fmt: skip
        assert "FSRCB" in ola.get(DESK + "institutions?keys=due&lang=en").text

    def test_a_right_that_the_database_lacks_is_said(self, ola):
        with db.transaction("owner") as session:
            session.execute(text("REVOKE SELECT ON source_budgets FROM creditlink_api"))
        try:
            answer = ola.get(DESK + "sources?lang=en")
            assert (answer.status_code, "The desk cannot see this" in answer.text) == (503, True)
            assert ola.get(DESK + "jobs").status_code == 200
        finally:
            with db.transaction("owner") as session:
                session.execute(text("GRANT SELECT ON source_budgets TO creditlink_api"))


class TestWork:
    def test_a_failed_job_is_done_again_or_dropped_once(self, ola):
        again, gone = letter(), letter(item="pull:2")
        assert act(ola, f"jobs/{again.wire_id}/retry", "jobs").status_code == 303
        assert act(ola, f"jobs/{gone.wire_id}/drop", "jobs").status_code == 303
        assert (stored(DeadLetter, again.id).resolution, stored(DeadLetter, gone.id).resolution) == (
            "retried", "dropped",
        )  # fmt: skip
        assert act(ola, f"jobs/{again.wire_id}/retry", "jobs").status_code == 409
        with db.transaction("owner") as session:
            queued = session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'records.pull'"))
        assert queued == 1
        assert [name for name, *_ in evidence("work.retry", "work.drop")] == ["work.retry", "work.drop"]
        shown = ola.get(DESK + "jobs?closed=yes&lang=en").text
        assert "Ola did it again" in shown
        assert "Ola dropped it" in shown

    def test_a_failed_webhook_of_any_bank_is_sent_again_once(self, ola, lender):
        row = undelivered(*lender)
        shown = ola.get(DESK + "webhooks?lang=en").text
        assert row.wire_id in shown
        assert act(ola, f"webhooks/{row.wire_id}", "webhooks", state="failed").status_code == 303
        sent = stored(WebhookDelivery, row.id)
        assert (sent.state, sent.tries, sent.replays) == ("waiting", 0, 1)
        assert act(ola, f"webhooks/{row.wire_id}", "webhooks").status_code == 409
        assert [(name, who) for name, who, _ in evidence("webhook.replay")] == [("webhook.replay", ola.actor.name)]
        assert "Ola sent it again" in ola.get(DESK + "webhooks?lang=en").text
        assert ola.get(DESK + "webhooks?state=all&institution=NONE").status_code == 422

    def test_a_long_list_is_paged(self, ola):
        now = utc_now()
        with db.transaction("owner") as session:
            session.add_all(
                DeadLetter(
                    kind="item", task="sweep", item=str(k), failures=1, first_failed_at=now,
                    last_failed_at=now - timedelta(minutes=k),
                )
                for k in range(60)
            )  # fmt: skip
        seen, path = [], DESK + "jobs?lang=en"
        for _ in range(3):
            shown = ola.get(path).text
            seen += re.findall(r"jobs/(dlt_\w+)/retry", shown)
            following = re.search(r'rel="next" href="([^"]+)"', shown)
            path = DESK + "jobs" + following.group(1).replace("&amp;", "&") if following else None
        assert (len(seen), len(set(seen)), path) == (60, 60, None)


class TestSources:
    def test_a_bureau_fails_and_recovers(self, ola, city, offices, desk):
        """What the workers wrote is what the desk shows: the circuit, the failed pull, and that it is over."""
        with db.transaction("owner") as session:
            consent = make.make_consent(session, now=utc_now() - timedelta(minutes=1))
        city.spoil = lambda source, _asked: Reply(500, b"") if source == "tax" else None
        for firm in range(50):
            offices.circuits["tax"].report(ok=False, firm=str(firm))
        fetching.run_pull(consent.id, offices, utc_now)
        shown = ola.get(DESK + "sources?state=up&failed_office=tax&failed_result=DOWN&lang=en").text
        assert shown.count("the source was down") == 2, "the choice, and the one row"
        assert "tax" not in ola.get(DESK + "sources?export=csv&state=unknown").text
        shown = ola.get(DESK + "sources?lang=en").text
        assert "asked again from" in shown
        assert "left alone for a moment" in shown
        assert "the source was down" in shown
        assert "Open circuits" in ola.get(DESK + "?lang=en").text.partition("In order:")[0]
        city.spoil = lambda _source, _asked: None
        later = utc_now() + timedelta(hours=2)
        offices.circuits["tax"]._breaker.close()
        with db.transaction("worker") as session:
            pulls.open_pull(session, consent, ["tax"], trigger="retry", now=later)
        assert "asked again" in ola.get(DESK + "sources?lang=en").text
        fetching.run_pull(consent.id, offices, lambda: later, trigger="retry")
        shown = ola.get(DESK + "sources?lang=en").text
        assert "asked again from" not in shown
        assert "No pull is under way." in shown
        assert evidence("pulls.read")[0][2] == {"under_way": 0, "failed": 1}


class TestRejections:
    @pytest.fixture
    def rejected(self, offices):
        """Three rows of one firm that did not read, one of which would be a formula."""
        now = utc_now()
        with db.transaction("owner") as session:
            consent = make.make_consent(session, now=now - timedelta(minutes=1))
        with db.transaction("worker") as session:
            consents.live_for_work(session, consent.id, now=now)  # opens the firm's rows to the worker
            pull_id = pulls.open_pull(session, consent, ["social_security"], trigger="operator", now=now)
            one = delivery(bad("R-1"), bad("R-2", value="=HYPERLINK(1)"), bad("R-3"))
            fetching.store.save_delivery(
                session, one, enterprise_id=consent.enterprise_id, pull_id=pull_id, now=now
            )  # fmt: skip
        return consent

    def test_are_sent_back_dismissed_with_a_reason_and_handed_out(self, ola, rejected):
        page = "rejections?source=social_security"
        shown = ola.get(f"{DESK}{page}&lang=en").text
        found = re.findall(r'name="entry" value="(rej_\w+)".*?(R-\d)', shown, re.DOTALL)
        first, second, _ = (entry for entry, _ in sorted(found, key=lambda one: one[1]))
        by_number = ola.get(f"{DESK}{page}&resource=R-2&sort=-times&lang=en").text
        assert re.findall(r'name="entry" value="(rej_\w+)"', by_number) == [second], "found by the office's number"
        told = ola.get(f"{DESK}{page}&export=csv&lang=en").data.decode("utf-8-sig")
        assert (told.count("R-"), "'=HYPERLINK(1)" in told) == (3, True), "no text of an export is a formula"
        assert evidence("rejections.export").pop()[2]["count"] == 3
        assert ola.get(f"{DESK}{page}&state=none").status_code == 422
        path = "rejections/social_security"
        assert act(ola, path, page, doing="sent").status_code == 422, "nothing is ticked"
        assert act(ola, path, page, doing="dismissed", entry=[first, second], note=" ").status_code == 422
        assert act(ola, "rejections/tax", page, doing="sent", entry=first).status_code == 404, "another source's"
        assert act(ola, path, page, doing="corrected", entry=first).status_code == 404, "only the office corrects"
        assert ola.get(f"{DESK}{page}&lang=en").text.count('name="entry"') == 3, "nothing was done"
        assert act(ola, path, page, doing="dismissed", entry=first, note="a test row").status_code == 303
        file = act(ola, path, page, doing="export", sent="yes")
        assert file.headers["Content-Disposition"].endswith('"rejected-social_security.csv"')
        assert "'=HYPERLINK(1)" in file.data.decode("utf-8-sig")
        assert first not in file.data.decode("utf-8-sig")
        assert ola.get(f"{DESK}{page}&lang=en").text.count('name="entry"') == 0
        assert ola.get(f"{DESK}{page}&state=sent&lang=en").text.count('name="entry"') == 2
        assert {who for _, who, _ in evidence("rejection.dismissed", "rejection.sent", "rejections.read")} == {
            ola.actor.name
        }
        assert evidence("rejections.export")[-1][2]["count"] == 2


class TestRegistry:
    def test_what_was_kept_aside_is_named_and_codes_are_settled(self, ola):
        now = utc_now()
        with db.transaction("owner") as session:
            load = loads.open_load(session, Opening("4406", "incremental"), actor="operator", now=now)
            session.execute(
                text("INSERT INTO registry_rows (load_id, position, source, sequence, sha256, state, problems)"
                     " VALUES (:l, 7, '4406', '9', 'x', 'refused', CAST(:p AS jsonb))"),
                {"l": load.id, "p": json.dumps([{"field": "industry", "value": "=X", "problem": "is no industry"}])},
            )  # fmt: skip
            firm = make.make_enterprise(session, uscc="914406007000000019", uscc_exception="seen on the licence")
            clearing.scan(session, now=now)
            item = session.scalars(select(UsccClearing)).one()
        assert load.wire_id in ola.get(DESK + "registry?lang=en").text
        assert "is no industry" in ola.get(f"{DESK}registry/{load.wire_id}?lang=en").text
        assert load.wire_id not in ola.get(DESK + "registry?kind=full").text
        assert "4406" in ola.get(DESK + "registry?sort=source&state=open&export=csv").data.decode("utf-8-sig")
        assert firm.uscc in ola.get(DESK + "codes?lang=en").text
        assert firm.uscc not in ola.get(DESK + "codes?kind=duplicate&sort=code").text
        assert firm.uscc in ola.get(DESK + "codes?export=csv").text
        path, until = f"codes/{item.wire_id}", (day_of(now) + timedelta(days=30)).isoformat()
        assert act(ola, path, "codes", doing="claim").status_code == 303
        assert act(ola, path, "codes", doing="close", why="corrected").status_code == 409, "it is not"
        for wrong in ({"ends_on": ""}, {"ends_on": "2020-01-01"}, {"ends_on": until, "why": " "}):
            assert act(ola, path, "codes", doing="except", **{"why": "seen"} | wrong).status_code == 422
        assert act(ola, path, "codes", doing="except", why="licence seen", ends_on=until).status_code == 303
        assert (stored(UsccClearing, item.id).state, stored(UsccClearing, item.id).owner) == ("exception", "ola")
        assert firm.uscc in ola.get(DESK + "codes.csv?state=all").text
        assert [name for name, who, _ in evidence("clearing.assign", "clearing.except", "clearing.export")] == [
            "clearing.export", "clearing.assign", "clearing.except", "clearing.export",
        ]  # fmt: skip


class TestPeople:
    def test_sessions_end_at_once(self, ola, owner):
        assert owner.get("/portal/").status_code == 200
        login = owner.account.login
        assert login in ola.get(f"{DESK}accounts?kind=enterprise&q={login}&lang=en").text
        assert act(ola, f"accounts/{login}/sign-out", "accounts?kind=enterprise").status_code == 303
        assert owner.get("/portal/").status_code == 303
        assert evidence("account.end_sessions")[0][1] == ola.actor.name

    def test_another_standing_takes_two_and_the_command_line(self, app, settings, ola):
        dan = staff(app, settings, "dan", "operator")
        rui = staff(app, settings, "rui", "risk")
        path = "accounts/rui/standing"
        assert act(ola, path, "accounts", to="suspended", reason=" ").status_code == 422
        assert act(ola, path, "accounts", to="invited", reason="x").status_code == 422
        assert act(ola, path, "accounts", to="suspended", reason="on leave").status_code == 303
        assert act(ola, path, "accounts", to="suspended", reason="on leave").status_code == 409
        assert stored(StaffMember, rui.account.id).status == "active"
        shown = dan.get("/portal/staff/?lang=en").text
        waiting = re.search(r"acts/(act_\w+)", shown).group(1)
        refused = dan.post(f"/portal/staff/acts/{waiting}", decision="approve")
        assert (refused.status_code, "approved on the command line" in refused.text) == (409, True)
        with db.transaction("owner") as session:
            acts.approve(session, acts.waiting_act(session, waiting, utc_now()), by=dan.actor, now=utc_now())
        assert stored(StaffMember, rui.account.id).status == "suspended"
        assert rui.get("/portal/staff/").status_code == 303


class TestFigures:
    def test_small_numbers_are_hidden_on_the_page_and_in_the_file(self, ola, lender):
        """Firms of two cities and two sections; three of them are a group of their own."""
        now = utc_now()
        groups = {("440600", "C33"): 12, ("440600", "F51"): 3, ("440100", "C33"): 14, ("440100", "F51"): 15}
        last = day_of(now).replace(day=1, month=(day_of(now).month - 1) // 3 * 3 + 1) - timedelta(days=10)
        at = start_of_day(last)
        with db.transaction("owner") as session:
            person = make.make_account(session)
            for (region, industry), count in groups.items():
                for _ in range(count):
                    firm = make.make_enterprise(session, region=region, industry=industry)
                    make.make_consent(session, client=lender[1], enterprise=firm, account=person, now=at)
        shown = ola.get(DESK + "figures?lang=en").text
        table = shown.partition('<table class="crosstab">')[2].partition("</table>")[0]
        cells = [re.sub("<[^>]+>", "", one) for one in re.findall(r"<td[^>]*>(.*?)</td>", table)]
        assert cells == ["hidden", "hidden", "29", "hidden", "hidden", "15", "26", "18", "44"]
        file = ola.get(DESK + "figures.csv?lang=en").data.decode("utf-8-sig")
        assert [line.split(",")[1:] for line in file.splitlines()[1:]] == [
            ["hidden", "hidden", "29"], ["hidden", "hidden", "15"], ["26", "18", "44"],
        ]  # fmt: skip
        assert evidence("figures.export")[0][2]["kind"] == "consents"


class TestEvidence:
    def search(self, person, **fields):
        return act(person, "evidence", "evidence", **{"doing": "search"} | fields)

    def test_is_found_by_who_what_firm_and_time_and_the_search_leaves_its_own(self, app, settings, ola, lender):
        act(ola, "institutions/FSRCB/suspend", "institutions/FSRCB")
        with db.transaction("owner") as session:
            firm = make.make_enterprise(session)
            audit.record(
                session, action="profile.read", result="disclosed", actor="bank:x", now=utc_now(),
                enterprise_id=firm.id, purpose="underwriting",
            )  # fmt: skip
        ada = staff(app, settings, "ada", "auditor")
        today = day_of(utc_now())
        for fields, found in (
            ({"actor": "ola"}, "institution.suspend"),
            ({"actor": "OLA", "action": "institution.suspend", "since": str(today), "until": str(today)},
             "institution.suspend"),
            ({"uscc": firm.uscc}, "profile.read"),
            ({"action": "profile.read", "uscc": firm.uscc.lower()}, "profile.read"),
        ):  # fmt: skip
            shown = self.search(ada, **fields)
            assert f"<code>{found}</code>" in shown.text, fields
        file = self.search(ada, uscc=firm.uscc, doing="export", order="oldest").data.decode("utf-8-sig")
        assert file.splitlines()[0] == "at,who,action,purpose,firm,result,link,detail"
        assert file.splitlines()[1].split(",")[2:4] == ["profile.read", "underwriting"]
        assert evidence("evidence.export")[0][2]["order"] == "oldest"
        assert "No entry fits." in self.search(ada, action="profile.read", result="refused").text
        assert "No entry fits." in self.search(ada, action="profile.read", until="2020-01-01").text
        with db.transaction("owner") as session:
            chain = [line["action"] for line in audit.export(session, firm.id)]
        assert chain == ["profile.read", "evidence.search", "evidence.search", "evidence.export"], (
            "the firm sees who looked"
        )
        assert firm.uscc not in str(evidence("evidence.search"))
        assert {who for _, who, _ in evidence("evidence.search")} == {ada.actor.name}

    def test_what_cannot_be_looked_for_is_said(self, ola):
        for fields, said in (
            ({"uscc": "91"}, "No firm has the code 91."),
            ({"since": "tomorrow"}, "is not a day"),
            ({"until": "9999-12-31"}, "is not a day"),
            ({"before": "9" * 18}, "does not exist any more"),
            ({"before": "x"}, "does not exist any more"),
            ({"doing": "check"}, "Name the firm"),
        ):
            answer = self.search(ola, **fields)
            assert (answer.status_code, said in answer.text) == (422, True), fields

    def test_a_chain_is_checked_and_a_forged_link_is_found(self, ola):
        with db.transaction("owner") as session:
            firm = make.make_enterprise(session)
            for name in ("profile.create", "profile.read"):
                audit.record(
                    session, action=name, result="disclosed", actor="bank:x", now=utc_now(), enterprise_id=firm.id
                )  # fmt: skip
        assert "holds: 2 links" in self.search(ola, doing="check", uscc=firm.uscc).text
        with db.transaction("owner") as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(
                text("UPDATE audit_entries SET actor = 'bank:y' WHERE enterprise_id = :f AND seq = 2"), {"f": firm.id}
            )
        shown = self.search(ola, doing="check", uscc=firm.uscc).text
        assert "does not hold" in shown
        assert "Link 2: seq 2 was changed" in shown

    def test_older_entries_come_page_by_page(self, ola):
        with db.transaction("owner") as session:
            for _ in range(60):
                audit.record(session, action="x.y", result="done", actor="system", now=utc_now())
        seen, before = [], {}
        for _ in range(3):
            shown = self.search(ola, action="x.y", **before).text
            seen += re.findall(r"link (\d+)", shown)
            before = {"before": found.group(1)} if (found := re.search(r'name="before" value="(\d+)"', shown)) else None
        assert (len(seen), len(set(seen)), before) == (60, 60, None)

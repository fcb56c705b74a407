"""The life of an institution's own product over HTTP, and who is kept from which step."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

import httpx
import pytest
from sqlalchemy import func, select

from creditlink.institutions.tables import Institution
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.products import quota, service
from creditlink.products.catalogue import lifecycle, publishing
from creditlink.products.catalogue.publishing import FirmCounts
from creditlink.products.service import book_of
from creditlink.products.tables import Product
from creditlink.sandbox.banks.bank import new_key, public_jwks
from creditlink.screening import questions
from tests import factories
from tests.engine.matching.samples import product, raw, rule
from tests.oauth import flow

SCOPES = "product:read product:write product:check discovery:count"
KEYS = {name: new_key("ES256") for name in ("writer", "checker", "third", "rival")}
CODE = "BANKA-TAX"


@dataclass
class Desk:
    """An institution's software, with a token in its own name when it calls."""

    bank: flow.DemoBank
    scope: str

    @cached_property
    def token(self):
        return self.bank.in_own_name(scope=self.scope)

    def call(self, method, path="", **kwargs):
        return self.bank.call(method, f"/v1/catalogue/products{path}", self.token, **kwargs)

    def write(self, code=CODE, **values):
        return self.call("PUT", f"/{code}", json=raw(code, institution_code="BANKA") | values)

    def step(self, step, version=1, code=CODE, **body):
        return self.call("POST", f"/{code}/versions/{version}/{step}", json=body)

    def check(self, version=1, code=CODE):
        sha = self.call("GET", f"/{code}/versions/{version}").json()["terms_sha256"]
        return self.step("check", version, code, terms_sha256=sha)


@pytest.fixture
def desks(app, empty_database):
    """Two clients of one bank, a third that holds the writer's key, and a client of another bank."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def desk(institution, key, scope=SCOPES):
            with empty_database.transaction("owner") as session:
                owner = session.merge(institution)
                client = factories.make_client(session, owner, scopes=scope.split(), jwks=public_jwks(key))
                where = {"client_id": client.client_id, "redirect_uri": client.redirect_uris[0]}
            bank = flow.DemoBank(**where, issuer=flow.ISSUER, key=key, http=http)
            return Desk(bank, scope)

        with empty_database.transaction("owner") as session:
            own = factories.make_institution(session, code="BANKA", name_zh="甲银行", name_en="Bank A")
            other = factories.make_institution(session, code="BANKB")
        yield {
            "writer": desk(own, KEYS["writer"]),
            "checker": desk(own, KEYS["checker"]),
            "third": desk(own, KEYS["third"]),
            "twin": desk(own, KEYS["writer"], "product:read product:check"),
            "rival": desk(other, KEYS["rival"]),
        }


@pytest.fixture
def writer(desks):
    return desks["writer"]


@pytest.fixture
def checker(desks):
    return desks["checker"]


def public(app, path=""):
    return app.test_client().get(f"/v1/products{path}")


def published(writer, checker, code=CODE, **values):
    """Write, check and publish the next version; return its number."""
    version = writer.write(code, **values).json()["version"]
    assert checker.check(version, code).status_code == 200
    assert writer.step("publish", version, code).status_code == 200
    return version


def refused(answer, reason):
    assert (answer.status_code, answer.json()["reason"]) == (409, reason), answer.text
    return answer.json()


class TestLife:
    def test_from_draft_to_retired_the_public_sees_it_only_while_it_is_live(self, app, writer, checker):
        draft = writer.write()
        assert draft.status_code == 200
        assert (draft.json()["state"], draft.json()["version"], draft.json()["findings"]) == ("draft", 1, [])
        assert public(app, f"/{CODE}").status_code == 404
        assert checker.check().json()["state"] == "checked"
        assert public(app, f"/{CODE}").status_code == 404
        assert writer.step("publish", note="spring campaign").json()["state"] == "live"
        assert public(app, f"/{CODE}").json["version"] == 1
        gone = writer.step("retire").json()
        assert (gone["state"], gone["allowed"]) == ("retired", [])
        assert public(app, f"/{CODE}").status_code == 404
        steps = writer.call("GET", f"/{CODE}/versions/1").json()["steps"]
        assert [(one["step"], one["note"]) for one in steps] == [
            ("write", ""), ("check", ""), ("publish", "spring campaign"), ("retire", ""),
        ]  # fmt: skip
        actors = [one["actor"] for one in steps]
        assert actors[0] == actors[2] == f"bank:{writer.bank.client_id}" != actors[1]

    def test_a_live_product_changes_by_a_new_version_and_the_old_one_can_still_be_read(
        self, app, settings, empty_database, writer, checker
    ):
        published(writer, checker)
        assert writer.write(rate_bps_min=250).json()["version"] == 2
        assert public(app, f"/{CODE}").json["rate_bps_min"] == 300
        checker.check(2)
        writer.step("publish", 2)
        assert public(app, f"/{CODE}").json["rate_bps_min"] == 250
        assert writer.call("GET", f"/{CODE}/versions/1").json()["state"] == "retired"
        with empty_database.transaction("api") as session:
            kept = book_of(session, settings, [(CODE, 1)]).products[0]
        assert kept.rate_bps_min == 300

    def test_every_step_sent_twice_is_taken_once(self, writer, checker):
        assert writer.write().json() == writer.write().json()
        assert checker.check().json() == checker.check().json()
        assert writer.step("publish").json() == writer.step("publish").json()
        assert writer.step("retire").json() == writer.step("retire").json()
        assert len(writer.call("GET", f"/{CODE}/versions/1").json()["steps"]) == 4

    def test_a_step_out_of_place_names_those_that_are_possible(self, writer, checker):
        writer.write()
        assert refused(writer.step("publish"), "state")["allowed"] == ["check", "retire", "write"]
        published(writer, checker)
        assert refused(checker.check(), "state")["allowed"] == ["retire"]

    def test_what_is_over_is_not_published(self, writer, checker):
        writer.write(valid_until="2025-01-01")
        checker.check()
        refused(writer.step("publish"), "validity_over")

    def test_lists_own_versions_by_state_page_by_page(self, desks, writer, checker):
        published(writer, checker)
        writer.write(rate_bps_min=250)
        writer.write("BANKA-ENERGY")
        found, query = [], "?limit=1"
        while query:
            page = writer.call("GET", query).json()
            found += [(one["code"], one["version"], one["state"]) for one in page["items"]]
            query = page["next_cursor"] and f"?limit=1&cursor={page['next_cursor']}"
        assert found == [("BANKA-ENERGY", 1, "draft"), (CODE, 1, "live"), (CODE, 2, "draft")]
        drafts = writer.call("GET", f"?state=draft&code={CODE}").json()["items"]
        assert [one["version"] for one in drafts] == [2]
        assert desks["rival"].call("GET").json()["items"] == []


class TestFourEyes:
    def test_a_client_may_not_check_what_it_wrote(self, writer):
        writer.write()
        refused(writer.check(), "own_work")

    def test_two_clients_of_one_key_are_one_pair_of_eyes(self, desks, writer):
        writer.write()
        refused(desks["twin"].check(), "same_key")

    def test_writing_in_turns_gives_nobody_the_check(self, desks, writer, checker):
        writer.write()
        checker.write(rate_bps_min=310)
        refused(writer.check(), "own_work")
        refused(checker.check(), "own_work")
        assert desks["third"].check().status_code == 200

    def test_only_what_was_read_is_confirmed(self, writer, checker):
        seen = writer.write().json()["terms_sha256"]
        writer.write(rate_bps_max=3600)
        refused(checker.step("check", terms_sha256=seen), "terms_changed")

    def test_what_is_changed_after_the_check_is_a_draft_again(self, writer, checker):
        writer.write()
        checker.check()
        changed = writer.write(rate_bps_max=3600).json()
        assert (changed["state"], changed["checked_by"]) == ("draft", None)
        refused(writer.step("publish"), "state")

    def test_each_step_has_its_scope(self, desks, writer):
        writer.write()
        for step in ("publish", "retire"):
            assert desks["twin"].step(step).status_code == 403
        assert desks["twin"].write().status_code == 403

    def test_another_institution_sees_and_moves_nothing(self, desks, writer, checker):
        writer.write()
        rival = desks["rival"]
        assert rival.call("GET", f"/{CODE}/versions/1").status_code == 404
        sha = writer.call("GET", f"/{CODE}/versions/1").json()["terms_sha256"]
        assert rival.step("check", terms_sha256=sha).status_code == 404
        for step in ("publish", "retire", "count"):
            assert rival.step(step).status_code == 404
        refused(rival.write(), "code_taken")
        claimed = rival.write("BANKA-OTHER").json()["errors"]
        assert {one["pointer"] for one in claimed} == {"/institution_code", "/code"}


class TestWrongProducts:
    def test_each_flaw_is_pointed_at_with_its_value_and_nothing_is_kept(self, writer):
        answer = writer.write(
            amount_max_fen=1,
            rules=[rule("profile.points", "between", [700, 600])],
        )
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/amount_max_fen", "/rules/0/limit"]
        assert "value 1: is below amount_min_fen = 1000000" in answer.json()["errors"][0]["detail"]
        assert writer.call("GET").json()["items"] == []

    @pytest.mark.parametrize(
        ("values", "pointer"),
        [
            ({"colour": "red"}, "/colour"),
            ({"kind": "gold"}, "/kind"),
            ({"rules": [rule("indicator.shoe_size", ">=", 42)]}, "/rules/0/subject"),
            ({"rules": [rule("profile.grade", ">=", 3)]}, "/rules/0/operator"),
            ({"version": 7}, "/version"),
            ({"institution_kind": "leasing"}, "/institution_kind"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, writer, values, pointer):
        answer = writer.write(**values)
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]

    def test_the_code_is_the_one_of_the_address(self, writer):
        answer = writer.call("PUT", f"/{CODE}", json=raw("BANKA-OTHER", institution_code="BANKA"))
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/code"]

    def test_what_is_no_object_is_refused(self, writer):
        assert writer.call("PUT", f"/{CODE}", json=[]).status_code == 422
        assert (
            writer.call("PUT", f"/{CODE}", content=b"{", headers={"Content-Type": "application/json"}).status_code
            == 400
        )
        assert writer.call("PUT", f"/{CODE}").status_code == 422

    def test_rules_that_contradict_can_be_kept_as_a_draft_and_go_no_further(self, writer, checker):
        rules = [rule("profile.points", ">=", 700), rule("profile.points", "<=", 600)]
        told = writer.write(rules=rules).json()["findings"]
        assert [(one["severity"], one["code"], one["rules"]) for one in told] == [("error", "contradiction", [0, 1])]
        assert refused(checker.check(), "findings")["findings"] == told


def count_by(app, monkeypatch, count):
    parts = runtime.of_app(app)
    monkeypatch.setitem(parts._parts, FirmCounts, replace(parts.of(FirmCounts), count=count))


class TestCount:
    def test_without_a_screening_it_says_so(self, writer):
        writer.write()
        assert writer.step("count").json() == {"available": False, "reason": "no screening has been finished here"}

    def test_counts_are_kept_and_few_a_day(self, app, writer, monkeypatch):
        asked = []

        def counted(terms):
            asked.append(terms.code)
            told = {"available": True, "qualify": 120, "as_of": "2026-11-20", "model_id": "m", "rules": []}
            return told | {"screening": "s1"}

        count_by(app, monkeypatch, counted)
        monkeypatch.setattr(lifecycle, "COUNTS_A_DAY", 2)
        writer.write()
        assert writer.step("count").json()["qualify"] == 120
        assert writer.step("count").status_code == 200  # the same terms: answered from what was kept
        writer.write(rate_bps_min=290)
        assert writer.step("count").status_code == 200
        writer.write(rate_bps_min=280)
        stopped = writer.step("count")
        assert (stopped.status_code, stopped.json()["type"]) == (429, "/problems/too-many-requests")
        steps = writer.call("GET", f"/{CODE}/versions/1").json()["steps"]
        assert [one["step"] for one in steps].count("count") == 2

    def test_counts_are_questions_to_the_screening_like_those_of_published_versions(self, app, writer, monkeypatch):
        told = {
            "available": True,
            "qualify": 120,
            "as_of": "2026-11-20",
            "model_id": "m",
            "rules": [],
            "screening": "s1",
        }
        count_by(app, monkeypatch, lambda terms: told)
        monkeypatch.setattr(questions, "MOST", 2)
        for points in (600, 610, 620):
            writer.write(rules=[rule("profile.points", ">=", points)])
            status = writer.step("count").status_code
        assert status == 429
        writer.write(rules=[rule("profile.points", ">=", 610)])
        assert writer.step("count").status_code == 200  # the same rules are no further question
        told["screening"] = "s2"
        writer.write(rules=[rule("profile.points", ">=", 620)])
        assert writer.step("count").status_code == 200  # a new screening starts anew


class TestChanges:
    def follow(self, app, mirror, since, limit=1):
        """Bring a mirror of the catalogue up to date; return where it stands."""
        while True:
            page = public(app, f"/changes?since={since}&limit={limit}").json
            assert [one["revision"] for one in page["items"]] == sorted({one["revision"] for one in page["items"]})
            for one in page["items"]:
                if one["state"] == "live":
                    mirror[one["code"], one["version"]] = one["product"]
                else:
                    mirror.pop((one["code"], one["version"]), None)
            since = page["next_since"]
            if not page["more"]:
                return since

    def test_a_mirror_that_follows_holds_what_is_on_sale(self, app, writer, checker):
        mirror, since = {}, 0
        rounds = [
            lambda: published(writer, checker),
            lambda: writer.write(rate_bps_min=200),  # a draft: nobody's business
            lambda: writer.step("retire", 2),
            lambda: published(writer, checker, code="BANKA-ENERGY"),
            lambda: (published(writer, checker, rate_bps_min=210), published(writer, checker, rate_bps_min=220)),
            lambda: writer.step("retire", code="BANKA-ENERGY"),
        ]
        sizes = []
        for act in rounds:
            act()
            since = self.follow(app, mirror, since)
            on_sale = public(app).json["items"]
            assert [mirror[key] for key in sorted(mirror)] == on_sale
            sizes.append(len(mirror))
        assert sizes == [1, 1, 1, 2, 2, 1]
        anew = {}
        assert self.follow(app, anew, 0, limit=500) == since
        assert anew == mirror

    def test_what_was_never_on_sale_is_not_told_and_moves_no_etag(self, app, writer, checker):
        published(writer, checker)
        feed, page = public(app, "/changes"), public(app)
        writer.write(rate_bps_min=200)
        checker.check(2)
        for path, before in (("/changes", feed), ("", page)):
            again = app.test_client().get(f"/v1/products{path}", headers={"If-None-Match": before.headers["ETag"]})
            assert (again.status_code, again.data) == (304, b"")
        writer.step("publish", 2)
        for path, before in (("/changes", feed), ("", page)):
            again = app.test_client().get(f"/v1/products{path}", headers={"If-None-Match": before.headers["ETag"]})
            assert again.status_code == 200
            assert again.headers["ETag"] != before.headers["ETag"]

    def test_suspended_lenders_and_used_up_quotas_are_named(self, app, empty_database, writer, checker):
        published(writer, checker, quota_fen=5_000_000)
        with empty_database.transaction("api") as session:
            quota.take(session, CODE, 4_500_000)
        told = public(app, "/changes").json
        assert (told["suspended"], told["exhausted"]) == ([], [CODE])
        assert public(app).json["items"] == []
        with empty_database.transaction("api") as session:
            quota.give_back(session, CODE, 1_000_000)
        assert [one["code"] for one in public(app).json["items"]] == [CODE]
        with empty_database.transaction("owner") as session:
            session.query(Institution).filter_by(code="BANKA").one().status = "suspended"
        assert public(app, "/changes").json["suspended"] == ["BANKA"]
        assert public(app).json["items"] == []

    def test_revisions_are_given_by_one_at_a_time(self, empty_database, writer, checker):
        published(writer, checker)
        free = select(func.pg_try_advisory_xact_lock(service._LOCK))
        with empty_database.transaction("owner") as session:
            held = session.query(Product).one()
            own = publishing.own(session, held.institution_id, CODE, 1, lock=True)
            publishing.retire(session, own, hands=lifecycle.Hands("operator:lin"), now=factories.NOW)
            with empty_database.transaction("owner") as other:
                assert not other.scalar(free)
        with empty_database.transaction("owner") as session:
            assert session.scalar(free)

    @pytest.mark.parametrize(("query", "field"), [("since=-1", "since"), ("limit=0", "limit"), ("after=1", "after")])
    def test_a_wrong_question_is_named(self, app, query, field):
        answer = public(app, f"/changes?{query}")
        assert answer.status_code == 422
        assert field in answer.json["errors"][0]["pointer"]


def test_only_days_of_its_validity_show_a_product(app, writer, checker):
    today = day_of(utc_now())
    for code, days in (("BANKA-NOW", 0), ("BANKA-LATER", 9)):
        window = {"valid_from": today + timedelta(days=days), "valid_until": today + timedelta(days=days + 8)}
        published(writer, checker, code, **{name: str(day) for name, day in window.items()})
    assert public(app, "/BANKA-LATER").status_code == 404
    assert [one["code"] for one in public(app).json["items"]] == ["BANKA-NOW"]


class TestAVersionForALaterDay:
    """It waits for its day, and the one on sale stays until then."""

    @pytest.fixture
    def later(self, writer, checker):
        """Version 2, published to begin in so many days, with another highest rate."""

        def run(days=9, version=2, **values):
            begins = str(day_of(utc_now()) + timedelta(days=days))
            assert writer.write(valid_from=begins, **values).status_code == 200
            assert checker.check(version).status_code == 200
            answer = writer.step("publish", version)
            assert answer.status_code == 200, answer.text
            return answer.json()

        return run

    @staticmethod
    def on_sale(app, settings, day=None):
        with app.app_context(), db.transaction() as session:
            found = service.listing(session, settings, on=day).by_code
        return {code: terms.version for code, terms in found.items()}

    def test_leaves_the_live_one_on_sale(self, app, writer, checker, later, settings):
        published(writer, checker, CODE)
        made = later(rate_bps_max=900)
        assert (made["state"], made["published_at"], made["allowed"]) == ("scheduled", None, ["retire"])
        assert public(app, f"/{CODE}").json["version"] == 1
        assert writer.call("GET", f"/{CODE}/versions/1").json()["state"] == "live"
        assert [one["version"] for one in public(app, "/changes").json["items"]] == [1]
        today = day_of(utc_now())
        days = [today + timedelta(days=n) for n in (0, 8, 9, 20)]
        assert [self.on_sale(app, settings, day)[CODE] for day in days] == [1, 1, 2, 2]

    def test_goes_on_sale_on_its_day(self, app, writer, checker, later):
        published(writer, checker, CODE)
        later(9)

        def start(days):
            with db.transaction("worker") as session:
                return publishing.start_due(session, now=utc_now() + timedelta(days=days))

        assert (start(8), start(9), start(10)) == (0, 1, 0)
        states = [writer.call("GET", f"/{CODE}/versions/{n}").json() for n in (1, 2)]
        assert [one["state"] for one in states] == ["retired", "live"]
        assert [(one["step"], one["actor"]) for one in states[1]["steps"]][-1] == ("start", "system")
        assert {one["version"]: one["state"] for one in public(app, "/changes").json["items"]} == {
            1: "retired",
            2: "live",
        }

    def test_can_be_dropped_or_overtaken_and_does_not_change(self, app, writer, checker, later, settings):
        published(writer, checker, CODE)
        later(9)
        assert writer.step("check", 2, terms_sha256="0" * 64).status_code == 409
        later(5, version=3)
        assert writer.call("GET", f"/{CODE}/versions/2").json()["state"] == "retired"  # decided before the third
        assert writer.step("retire", 3).json()["state"] == "retired"
        day = day_of(utc_now()) + timedelta(days=20)
        assert self.on_sale(app, settings, day) == {CODE: 1}

    @pytest.mark.usefixtures("desks")  # the institution is registered
    def test_of_the_seed_waits_too(self, settings, monkeypatch):
        terms, ahead = replace(product(), institution_code="BANKA"), day_of(utc_now()) + timedelta(days=3)
        dearer, dearest = (replace(terms, rate_bps_max=terms.rate_bps_max + more) for more in (10, 20))
        for seeded, expected in (
            (terms, {1: "live"}),
            (replace(dearer, valid_from=ahead), {1: "live", 2: "scheduled"}),
            (dearest, {1: "retired", 2: "retired", 3: "live"}),
        ):
            monkeypatch.setattr(service, "load_seed", lambda _path, seeded=seeded: ((), [seeded]))
            for _ in range(2):  # again changes nothing
                self.loaded(settings, expected)

    @staticmethod
    def loaded(settings, expected):
        with db.transaction("owner") as session:
            service.load_products(session, settings, now=utc_now())
        with db.transaction("owner") as session:
            rows = session.scalars(select(Product)).all()
        assert {row.version: row.state for row in rows} == expected

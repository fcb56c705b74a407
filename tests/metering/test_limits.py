"""Limits over HTTP, attack by attack: many clients, forged headers, a full bucket, a store that is away."""

import re

import httpx
import pytest
from sqlalchemy import text

from creditlink.kit.clock import day_of, utc_now
from creditlink.metering import limiter as limits
from creditlink.metering.buckets import Rate, StoreDown
from creditlink.metering.contracts import Terms, agree
from creditlink.metering.limiter import _hashed
from creditlink.web.app import create_app
from tests import factories as make
from tests.oauth import flow

FEW = Rate(3, 3600)
READ = "consent:read"


@pytest.fixture
def institution(empty_database):
    with empty_database.transaction("owner") as session:
        return make.make_institution(session)


@pytest.fixture
def clients(empty_database, http, institution):
    """Callers of clients of one institution, as many as are asked for."""

    def made(number=1, scope=READ):
        found = []
        for _ in range(number):
            bank = flow.register_bank(empty_database, http, institution=institution, scopes=scope.split())
            token = bank.in_own_name(scope=scope)
            found.append(
                lambda method="GET", path="/v1/consents", bank=bank, token=token, **more: bank.call(
                    method, path, token, **more
                )
            )
        return found

    return made


def contract(database, institution, **terms):
    with database.transaction("owner") as session:
        agree(session, institution, Terms(**terms), actor="operator", now=utc_now())


def calls(database, institution):
    with database.transaction("owner") as session:
        rows = session.execute(
            text("SELECT what, sum(units) FROM usage_counts WHERE institution_id = :i AND unit = 'call' GROUP BY what"),
            {"i": institution.id},
        )
        return {what: int(units) for what, units in rows}


class TestOfAnInstitution:
    def test_an_answer_says_what_is_left_in_structured_fields(self, limit, clients):
        limit(institution=FEW, client=Rate(50, 60))
        (call,) = clients()
        answer = call()
        assert answer.headers["RateLimit-Policy"] == '"institution";q=3;w=3600, "client";q=50;w=60'
        assert answer.headers["RateLimit"] == '"institution";r=2;t=1200, "client";r=49;t=2'

    def test_over_the_limit_is_a_problem_that_says_which_and_how_long(self, limit, clients):
        limit(institution=FEW)
        (call,) = clients()
        assert [call().status_code for _ in range(4)] == [200, 200, 200, 429]
        answer = call()
        body = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert body["type"] == "/problems/too-many-requests"
        assert body["violated-policies"] == ["institution"]
        assert 1195 <= int(answer.headers["Retry-After"]) <= 1200
        assert '"institution";r=0;' in answer.headers["RateLimit"]
        assert body["request_id"] == answer.headers["X-Request-ID"]

    def test_many_clients_of_one_institution_share_its_bucket(self, limit, clients):
        limit(institution=FEW)
        assert [call().status_code for call in clients(5)] == [200, 200, 200, 429, 429]

    def test_one_clients_limit_leaves_the_others_of_its_institution_alone(self, limit, clients):
        limit(client=FEW)
        first, second = clients(2)
        assert [first().status_code for _ in range(4)] == [200, 200, 200, 429]
        assert second().status_code == 200

    def test_another_institution_is_not_held_back(self, limit, clients, empty_database, http):
        limit(institution=FEW)
        (call,) = clients()
        assert [call().status_code for _ in range(4)][-1] == 429
        other = flow.caller(empty_database, http, READ, scopes=[READ])
        assert other("GET", "/v1/consents").status_code == 200

    def test_a_route_has_a_limit_of_its_own(self, limit, clients):
        limit(routes={READ: FEW})
        (call,) = clients(scope=f"{READ} usage:read")
        assert [call().status_code for _ in range(4)] == [200, 200, 200, 429]
        assert call(path="/v1/usage").status_code == 200

    def test_a_contract_changes_the_rate_within_seconds(self, limit, clients, empty_database, institution, monkeypatch):
        monkeypatch.setattr("creditlink.metering.contracts.KNOWN_SECONDS", 0.0)
        limit(institution=FEW)
        (call,) = clients()
        contract(empty_database, institution, calls_a_minute=500)
        assert '"institution";q=500;w=60' in call().headers["RateLimit-Policy"]

    @pytest.mark.parametrize(
        "forged",
        [
            {"X-Forwarded-For": "203.0.113.{n}"},
            {"Forwarded": "for=203.0.113.{n}"},
            {"X-Real-IP": "203.0.113.{n}"},
            {"X-Client-Id": "another-{n}", "X-Institution": "another-{n}"},
            {"RateLimit": '"institution";r=999;t=1', "X-Request-ID": "request-{n}-{n}"},
        ],
    )
    def test_no_header_makes_somebody_else_of_a_client(self, limit, clients, forged):
        limit(institution=FEW)
        (call,) = clients()
        answers = [call(headers={k: v.format(n=n) for k, v in forged.items()}).status_code for n in range(5)]
        assert answers == [200, 200, 200, 429, 429]


class TestOfAnAddress:
    def reason_codes(self, http, n=0, **headers):
        return http.get("/v1/reason-codes", headers=headers).status_code

    def test_what_is_open_is_limited_by_address(self, limit, http):
        limit(address={"open": FEW})
        assert [self.reason_codes(http) for _ in range(4)] == [200, 200, 200, 429]

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host"])
    def test_without_a_trusted_proxy_a_forged_address_is_not_believed(self, limit, http, header):
        limit(address={"open": FEW})
        answers = [self.reason_codes(http, **{header: f"203.0.113.{n}"}) for n in range(5)]
        assert answers == [200, 200, 200, 429, 429]

    def test_behind_a_proxy_only_its_own_word_counts(self, settings, empty_database, limit):
        from dataclasses import replace

        behind = create_app(replace(settings, trusted_proxies=1), empty_database)
        with httpx.Client(transport=httpx.WSGITransport(app=behind), base_url=flow.ISSUER) as http:
            from creditlink.kit.processes import runtime

            runtime.of_app(behind).put(limit(address={"open": FEW}))
            # What the sender made up stands before what the proxy saw.
            forged = [self.reason_codes(http, **{"X-Forwarded-For": f"10.0.0.{n}, 198.51.100.7"}) for n in range(5)]
            assert forged == [200, 200, 200, 429, 429]
            assert self.reason_codes(http, **{"X-Forwarded-For": "198.51.100.8"}) == 200

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("::ffff:203.0.113.5", "203.0.113.5", True),
            ("fe80::1%eth0", "fe80::1", True),
            ("203.0.113.5", "203.0.113.6", False),
            ("", "not an address", True),
            (None, "\ud800" * 9000, True),
        ],
    )
    def test_whose_an_address_is(self, one, other, same):
        assert (_hashed(one) == _hashed(other)) is same

    def test_the_authorization_server_answers_in_its_own_form(self, limit, http):
        limit(address={"authorization": FEW})
        answers = [http.post("/oauth/token", data={"grant_type": "x"}) for _ in range(4)]
        assert answers[-1].status_code == 429
        assert answers[-1].json()["error"] == "temporarily_unavailable"
        assert int(answers[-1].headers["Retry-After"]) > 0

    def test_a_person_reads_a_page(self, limit, http):
        limit(address={"pages": FEW})
        for _ in range(4):
            page = http.get("/portal/sign-in?lang=en", headers={"Accept": "text/html"})
        assert page.status_code == 429
        assert "Too many requests" in page.text
        assert "Retry-After" in page.headers
        assert http.get("/portal/static/portal.css").status_code == 200

    def test_tokens_are_not_tried_without_end(self, limit, http):
        limit(address={"refused": FEW})
        tried = [http.get("/v1/consents", headers={"Authorization": f"DPoP guess-{n}"}).status_code for n in range(5)]
        assert tried == [401, 401, 401, 429, 429]

    def test_a_good_token_is_not_held_back_by_others_of_its_address(self, limit, clients, http):
        limit(address={"refused": FEW, "open": FEW})
        for _ in range(6):
            http.get("/v1/consents", headers={"Authorization": "DPoP guess"})
        (call,) = clients()
        assert call().status_code == 200

    def test_health_is_never_limited(self, limit, http):
        limit(address={"open": Rate(1, 3600)})
        assert {http.get("/health/live").status_code for _ in range(5)} == {200}

    def test_an_address_is_kept_hashed(self, limit, http, empty_database):
        limit(address={"open": FEW})
        self.reason_codes(http)
        with empty_database.transaction("owner") as session:
            (key,) = session.scalars(text("SELECT key FROM limit_buckets WHERE key LIKE 'address:%'")).all()
        assert re.fullmatch(r"address:open:[0-9a-f]{32}", key)


class TestQuotas:
    def test_a_days_quota_is_exact_and_says_when_the_next_begins(self, limit, clients, empty_database, institution):
        contract(empty_database, institution, calls_a_day=2, calls_a_month=50)
        limit()
        (call,) = clients()
        first = call()
        assert '"calls-a-day";q=2;w=86400' in first.headers["RateLimit-Policy"]
        assert re.search(r'"calls-a-day";r=1;t=\d+, "calls-a-month";r=49;t=\d+', first.headers["RateLimit"])
        assert call().status_code == 200
        refused = call()
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota-used-up")
        assert refused.json()["violated-policies"] == ["calls-a-day"]
        assert 0 < int(refused.headers["Retry-After"]) <= 86400
        assert calls(empty_database, institution) == {READ: 2}

    def test_whoever_used_up_a_quota_can_still_see_that(self, limit, clients, empty_database, institution):
        contract(empty_database, institution, calls_a_day=1)
        limit()
        (call,) = clients(scope=f"{READ} usage:read")
        assert [call().status_code for _ in range(2)] == [200, 429]
        usage = call(path="/v1/usage").json()["contract"]
        assert (usage["calls_today"], usage["calls_a_day"]) == (1, 1)
        month = f"{day_of(utc_now()):%Y-%m}"
        assert call(path=f"/v1/statements/{month}").json()["calls"] == 1


class TestWhatIsCounted:
    def test_a_failure_of_ours_and_a_wrong_token_are_not(
        self, limit, clients, empty_database, institution, app, monkeypatch
    ):
        app.testing = False
        limit()
        (call,) = clients()
        assert call().status_code == 200
        monkeypatch.setattr("creditlink.consents.routes.db.transaction", lambda **_: 1 / 0)
        assert call().status_code == 500
        assert calls(empty_database, institution) == {READ: 1}

    def test_a_refusal_by_a_limit_is_not(self, limit, clients, empty_database, institution):
        limit(institution=FEW)
        (call,) = clients()
        for _ in range(6):
            call()
        assert calls(empty_database, institution) == {READ: 3}

    def test_the_statement_tells_the_same_as_json_and_as_csv(self, limit, clients, empty_database, institution):
        limit()
        first, second = clients(2, scope=f"{READ} usage:read")
        for call in (first, first, second):
            call()
        month = f"{day_of(utc_now()):%Y-%m}"
        told = first(path=f"/v1/statements/{month}").json()
        assert (told["month"], told["calls"], told["profiles"], told["is_final"]) == (month, 3, 0, False)
        assert sorted(line["units"] for line in told["lines"]) == [1, 2]
        csv = first(path=f"/v1/statements/{month}", headers={"Accept": "text/csv"})
        assert csv.headers["Content-Type"].startswith("text/csv")
        lines = csv.text.splitlines()
        assert lines[0] == "day,client_id,unit,what,units"
        assert [line.split(",")[-1] for line in lines[1:]] == [str(line["units"]) for line in told["lines"]]

    def test_nobody_reads_the_statement_of_another(self, limit, clients, empty_database, http):
        limit()
        clients()[0]()
        other = flow.caller(empty_database, http, "usage:read", scopes=["usage:read"])
        month = f"{day_of(utc_now()):%Y-%m}"
        assert other("GET", f"/v1/statements/{month}").json()["lines"] == []

    @pytest.mark.parametrize("month", ["2026-13", "26-01", "2026-1", "2026-01-01", "x" * 300, "%00"])
    def test_what_is_no_month_is_refused(self, clients, month):
        (call,) = clients(scope="usage:read")
        assert call(path=f"/v1/statements/{month}").status_code in (400, 404, 422)


class TestTheStoreIsAway:
    class Down:
        def admit(self, buckets, charge):
            raise StoreDown("OperationalError")

    def test_nobody_is_refused_it_is_counted_and_said_once(self, limit, clients, monkeypatch):
        said = []
        monkeypatch.setattr(limits.log, "error", lambda event, **more: said.append(event))
        limit(store=self.Down())
        (call,) = clients()
        before = limits.LIMITS_SKIPPED._value.get()
        answers = [call() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
        assert "RateLimit" not in answers[0].headers
        assert limits.LIMITS_SKIPPED._value.get() >= before + 4
        assert limits.LIMITS_DOWN._value.get() == 1
        assert said == ["limits_fail_open"]

    def test_limits_hold_again_when_it_is_back(self, limit, clients, empty_database):
        limit(institution=FEW)
        (call,) = clients()
        assert call().status_code == 200
        with empty_database.transaction("owner") as session:
            session.execute(text("SELECT FROM limit_buckets FOR UPDATE"))
            assert call().status_code == 200  # nobody waits long for a lock, and nobody is refused for it
        assert limits.LIMITS_DOWN._value.get() == 1
        assert [call().status_code for _ in range(3)] == [200, 200, 429]
        assert limits.LIMITS_DOWN._value.get() == 0


def test_full_buckets_are_swept(limit, http, empty_database):
    from datetime import timedelta

    from creditlink.portal import tasks

    limit(address={"open": FEW})
    http.get("/v1/reason-codes")
    for hours, left in ((0, 1), (2, 0)):
        with empty_database.transaction("worker") as session:
            tasks.delete_from(session, "limit_buckets", now=utc_now() + timedelta(hours=hours))
        with empty_database.transaction("owner") as session:
            assert session.scalar(text("SELECT count(*) FROM limit_buckets WHERE key LIKE 'address:open%'")) == left

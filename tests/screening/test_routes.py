"""Discovery over HTTP: a bank's own products only, with its own scope, and nothing but counts."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.products import service
from creditlink.screening.city.results import Results
from creditlink.screening.qualify import qualify
from tests.oauth import flow


@pytest.fixture
def bank(app, empty_database):
    """Return what makes the software of an institution of some code, with a token for some scope."""
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as http:

        def make(code, scope="discovery:count", kind="bank", path="/v1/discovery/products/"):
            scopes = ["discovery:count", "financing:read", "screening:read"]
            call = flow.caller(empty_database, http, scope, scopes=scopes, code=code, kind=kind)
            return lambda product, query="": call("GET", f"{path}{product}{query}")

        yield make


@pytest.fixture
def offered(make_plan, town, screened, monkeypatch, app):
    """Offer the products of the screened town, whose results lie where the server looks."""
    plan = make_plan(town, screened)
    by_code = {terms.code: terms for terms in plan.products}
    listing = type("Held", (), {"by_code": by_code})
    monkeypatch.setattr(service, "listing", lambda session, settings: listing)
    monkeypatch.setattr("creditlink.screening.routes.results_folder", lambda settings: screened)
    return list(by_code.values())


def test_a_bank_counts_for_its_own_product_and_for_no_other(bank, offered):
    terms = offered[0]
    other = next(one for one in offered if one.institution_code != terms.institution_code)
    ask = bank(terms.institution_code)
    answer = ask(terms.code)
    assert answer.status_code == 200
    assert answer.json()["product"] == terms.code
    assert answer.json()["population"] == 200
    assert ask(other.code).status_code == ask("NO-SUCH").status_code == 404


def test_another_scope_does_not_open_it(bank, offered):
    answer = bank(offered[0].institution_code, "financing:read")(offered[0].code)
    assert answer.status_code == 403


def evidence(database, action):
    with database.transaction("owner") as session:
        found = select(AuditEntry.detail).where(AuditEntry.action == action).order_by(AuditEntry.seq)
        return list(session.scalars(found))


def test_each_count_leaves_evidence(bank, offered, empty_database):
    terms = offered[0]
    ask = bank(terms.institution_code)
    ask(terms.code)
    ask(terms.code)
    told = evidence(empty_database, "screening.count")
    assert [(one["product"], one["version"]) for one in told] == [(terms.code, terms.version)] * 2


class TestSubtracting:
    """Attack: publish a product again and again with another limit, count each time, and subtract."""

    def test_ends_after_so_many_sets_of_rules(self, bank, offered, monkeypatch):
        monkeypatch.setattr("creditlink.screening.questions.MOST", 2)
        terms = next(one for one in offered if any(isinstance(rule.limit, float) for rule in one.rules))
        at = next(i for i, rule in enumerate(terms.rules) if isinstance(rule.limit, float))
        ask = bank(terms.institution_code)
        answers = []
        for version in range(4):
            rule = replace(terms.rules[at], limit=terms.rules[at].limit + version)
            rules = (*terms.rules[:at], rule, *terms.rules[at + 1 :])
            held = type("Held", (), {"by_code": {terms.code: replace(terms, rules=rules, version=version + 1)}})
            monkeypatch.setattr(service, "listing", lambda session, settings, held=held: held)
            answers.append(ask(terms.code).status_code)
        assert answers == [200, 200, 429, 429]

    def test_the_same_rules_may_be_asked_for_again(self, bank, offered, monkeypatch):
        monkeypatch.setattr("creditlink.screening.questions.MOST", 1)
        ask = bank(offered[0].institution_code)
        assert [ask(offered[0].code).status_code for _ in range(3)] == [200] * 3


class TestOperator:
    @pytest.fixture
    def ask(self, bank):
        return bank("OPS", "screening:read", kind="operator", path="/v1/screening/products/")

    def test_reads_exact_counts_and_every_firm_page_by_page(self, ask, offered, screened, empty_database):
        results = Results(str(screened))
        terms = max(offered, key=lambda one: qualify(results, one, BY_NAME).qualify)
        answer = ask(terms.code).json()
        assert answer["population"] == 450
        whole = qualify(results, terms, BY_NAME)
        assert answer["qualify"] == whole.qualify > 10
        firms, cursor = [], ""
        while cursor is not None:
            page = ask(terms.code, f"?limit=7{cursor and '&cursor=' + cursor}").json()
            firms += page["firms"]
            cursor = page["next_cursor"]
        assert firms == [str(firm) for firm in whole.firms]
        told = evidence(empty_database, "screening.read")
        assert told[0]["product"] == terms.code
        assert sum(one["firms"] for one in told[1:]) == whole.qualify

    def test_moves_one_rule(self, ask, offered, screened):
        results = Results(str(screened))
        terms, effect = next(
            (one, effect)
            for one in offered
            for effect in qualify(results, one, BY_NAME).rules
            if effect.steps and effect.steps[-1][2] and sum(r.subject == effect.rule.subject for r in one.rules) == 1
            and isinstance(effect.rule.limit, float)
        )  # fmt: skip
        _, limit, gained = effect.steps[-1]
        before = ask(terms.code).json()["qualify"]
        moved = ask(terms.code, f"?move={effect.rule.subject}&to={limit}").json()
        assert moved["qualify"] == before + gained

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ("?move=indicator.nothing&to=3", "/move"),
            ("?move=indicator.headcount", "/to"),
            ("?limit=-1", "/limit"),
            ("?cursor=x", "/cursor"),
        ],
    )
    def test_a_wrong_query_is_named(self, ask, offered, query, pointer):
        answer = ask(offered[0].code, query)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer

    def test_is_for_the_operator_alone(self, bank, offered):
        """A lender whose client was given the scope by mistake finds nothing there."""
        lender = bank(offered[0].institution_code, "screening:read", path="/v1/screening/products/")
        assert lender(offered[0].code).status_code == 404

    def test_an_unknown_product_is_not_found(self, ask, offered):
        assert ask("NO-SUCH").status_code == 404

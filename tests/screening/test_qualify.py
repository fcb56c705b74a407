"""Reverse matching: against the plain count firm by firm, what a moved rule gains, what a bank is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from creditlink.cli.products import validate
from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.match import ELIGIBLE
from creditlink.engine.matching.products.terms import ProductInvalid, Rule
from creditlink.engine.profile.pipeline import profile_many
from creditlink.kit.errors import NotFound
from creditlink.products.files.seed import load_seed
from creditlink.screening.city.plan import tools
from creditlink.screening.city.results import Results
from creditlink.screening.discovery import counts_for_bank, counts_for_draft
from creditlink.screening.qualify import move_rule, qualify
from creditlink.screening.schemas import DiscoverySchema
from tests.engine.matching.samples import SEED
from tests.screening.conftest import AS_OF, FIRMS

pytestmark = pytest.mark.pure


@pytest.fixture(scope="module")
def results(screened):
    return Results(str(screened))


@pytest.fixture(scope="module")
def products():
    return {terms.code: terms for terms in load_seed(SEED)[1]}


def test_it_finds_the_firms_that_matching_finds_for_every_product(town, screened, make_plan, results, products):
    used = tools(make_plan(town, screened))
    records = RecordSet.of(**{name: pl.read_parquet(town / name / "*.parquet") for name in FRAME_SCHEMAS})
    matches = profile_many(records, as_of=AS_OF, live=used.live, book=used.book).matches
    found = 0
    for position, terms in enumerate(used.book.products):
        answer = qualify(results, products[terms.code], BY_NAME)
        np.testing.assert_array_equal(answer.firms, np.flatnonzero(matches.states[position] == ELIGIBLE))
        assert answer.qualify + answer.undetermined + (matches.states[position] == 2).sum() == FIRMS
        found += answer.qualify
    assert found > FIRMS


def test_what_a_step_promises_is_what_the_moved_rule_gives(results, products):
    gained_somewhere = 0
    for terms in list(products.values())[:20]:
        now = qualify(results, terms, BY_NAME)
        for effect in now.rules:
            for _, limit, gained in effect.steps:
                if (
                    effect.rule.operator in (">=", "<=")
                    and [r.subject for r in terms.rules].count(effect.rule.subject) == 1
                ):
                    then = qualify(results, move_rule(terms, effect.rule.subject, limit), BY_NAME)
                    assert then.qualify - now.qualify == gained
                    gained_somewhere += gained
    assert gained_somewhere


def test_a_product_that_was_never_screened(results, products):
    terms = replace(
        next(iter(products.values())), code="NEW", rules=(Rule("profile.grade", "at_least_grade", "A"),
                                                          Rule("registration.industry", "in", ("C", "F"))),
    )  # fmt: skip
    frame = results.columns(["grade", "industry"])
    wanted = frame.filter(pl.col("grade").cast(pl.String).is_in(["A+", "A"]) & pl.col("industry").str.contains("^[CF]"))
    assert qualify(results, terms, BY_NAME).qualify == wanted.height > 0


def test_a_rule_on_what_was_not_kept_is_refused_by_name(results, products):
    terms = replace(next(iter(products.values())), rules=(Rule("indicator.gas_idle_months_12", "<=", 2.0),))
    with pytest.raises(ProductInvalid, match=r"gas_idle_months_12.*not kept by this screening"):
        qualify(results, terms, BY_NAME)


class TestBank:
    def test_only_firms_that_opted_in_are_counted(self, results, products):
        terms = next(iter(products.values()))
        answer = qualify(results, terms, BY_NAME, discoverable_only=True)
        assert answer.population == 200
        assert answer.qualify <= qualify(results, terms, BY_NAME).qualify

    def test_no_count_tells_of_fewer_than_ten_and_none_is_exact(self, results, products):
        """Exact counts could be subtracted from one another, so that a step tells of one firm."""
        told = []
        for terms in list(products.values())[:40]:
            answer = qualify(results, terms, BY_NAME, discoverable_only=True).to_dict(least=10)
            told += [answer["population"], answer["qualify"], answer["undetermined"]]
            for rule in answer["rules"]:
                told += [rule["fails"], rule["alone"], *(step["gained"] for step in rule["steps"])]
        assert None in told
        assert not [count for count in told if count is not None and count % 10]

    def test_is_told_in_the_form_of_the_schema(self, screened, products, tmp_path):
        terms = next(iter(products.values()))
        told, _ = counts_for_bank(screened, terms)
        assert DiscoverySchema().dump(told) == told
        assert told["population"] == 200
        with pytest.raises(NotFound):
            counts_for_bank(tmp_path, terms)
        with pytest.raises(NotFound):
            counts_for_bank(screened, replace(terms, rules=(Rule("indicator.gas_idle_months_12", "<=", 2.0),)))

    def test_without_an_opt_in_nobody_is_counted(self, town, make_plan, tmp_path, products):
        from creditlink.screening.city import run
        from creditlink.screening.city.engines import InProcess
        from tests.screening.conftest import NOW

        run.screen(make_plan(town, tmp_path), InProcess(), now=NOW)
        terms = next(iter(products.values()))
        assert qualify(Results(str(tmp_path)), terms, BY_NAME, discoverable_only=True).population == 0


def test_a_file_of_products_is_counted_in_a_screening(screened, tmp_path, make_plan, town):
    (terms, *_) = make_plan(town, screened).products
    path = tmp_path / "products.json"
    path.write_text(json.dumps([terms.to_dict()]), "utf-8")
    result = CliRunner().invoke(validate, [str(path), "--screening", str(screened), "--json"])
    told = json.loads(result.stdout)["products"][0]["firms"]
    answer = qualify(Results(str(screened)), terms, BY_NAME)
    assert told == {"population": 450, "qualify": answer.qualify, "undetermined": answer.undetermined}
    assert told["qualify"] + told["undetermined"] > 0


def test_before_publishing_a_bank_is_told_counts_or_why_there_are_none(screened, tmp_path, make_plan, town):
    (terms, *_) = make_plan(town, screened).products
    told = counts_for_draft(screened, terms)
    counts, _ = counts_for_bank(screened, terms)
    assert told["available"]
    assert [told[name] for name in ("population", "qualify", "as_of")] == [
        counts[name] for name in ("population", "qualify", "as_of")
    ]
    assert all("steps" not in rule for rule in told["rules"])
    assert counts_for_draft(tmp_path, terms) == {
        "available": False, "reason": "no screening has been finished here",
    }  # fmt: skip
    unseen = replace(terms, rules=(Rule("indicator.water_idle_months", "<=", 3.0),))
    answer = counts_for_draft(screened, unseen)
    assert not answer["available"]
    assert "rules[0].subject" in answer["reason"]

"""What is kept of a firm's matches tells, word for word, what was decided, whatever the settings are by then."""

import json
from dataclasses import replace

import numpy as np
import pytest

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.encoding import StoredMatchesInvalid, pack, unpack
from creditlink.engine.matching.match import match_many
from creditlink.engine.matching.offers.offer import Ask
from creditlink.products.files.seed import load_seed
from tests.engine.matching.samples import GRADE_RULE, SEED, SETTINGS, crowd, firms, product, rule

pytestmark = pytest.mark.pure

OPEN = frozenset({"registration", "tax"})


@pytest.fixture(scope="module")
def seeded():
    return compile_book(load_seed(SEED)[1], BY_NAME, SETTINGS)


def told(firm):
    return [one.to_dict() for one in firm]


def test_every_product_reads_as_it_was_decided(seeded):
    matches = match_many(seeded, crowd(6), ask=Ask(50_000_000, 12))
    for i in range(6):
        firm = matches.explain(i)
        again = unpack(pack(firm), seeded)
        assert told(again) == told(firm)
        assert [m.to_dict() for m in again.near_misses(5)] == [m.to_dict() for m in firm.near_misses(5)]


def test_an_unscored_firm_with_withheld_categories_reads_as_it_was_decided(seeded):
    firm = match_many(seeded, firms(pd_12m=[np.nan], points=[np.nan], grade=[None], granted=OPEN)).explain(0)
    assert told(unpack(pack(firm), seeded)) == told(firm)


def test_the_same_decisions_give_the_same_bytes_whatever_zero_or_nan_they_hold():
    book = compile_book([product(rules=[GRADE_RULE, rule("indicator.sales_growth_12", ">=", 0)])], BY_NAME, SETTINGS)
    firm = match_many(book, firms(sales_growth_12=[0.0])).explain(0)
    other = match_many(book, firms(sales_growth_12=[-0.0])).explain(0)
    odd = np.frombuffer(np.uint64(0xFFF8000000000001).tobytes())
    evaluation = replace(firm.evaluation, gap=np.where(firm.evaluation.gap == 0, firm.evaluation.gap, odd))
    assert pack(firm) == pack(other) == pack(replace(firm, evaluation=evaluation))


def test_later_settings_change_nothing_of_what_is_told():
    terms = [product(rules=[GRADE_RULE])]
    firm = match_many(compile_book(terms, BY_NAME, SETTINGS), firms()).explain(0)
    dearer = replace(
        SETTINGS,
        operating_bps={kind: bps * 3 for kind, bps in SETTINGS.operating_bps.items()},
        grade_factor=dict.fromkeys(SETTINGS.grade_factor, 0.1),
    )
    later = compile_book(terms, BY_NAME, dearer)
    assert told(unpack(pack(firm), later)) == told(firm)
    assert told(match_many(later, firms()).explain(0)) != told(firm)


@pytest.mark.parametrize("term", [None, 6, 36])
def test_the_cost_told_is_of_the_term_that_was_priced(term):
    """A product with fees costs more the shorter it is lent, so that the term must be kept with what was decided."""
    book = compile_book([product(fees_bps=60, term_months_max=24)], BY_NAME, SETTINGS)
    firm = match_many(book, firms(), ask=Ask(term_months=term)).explain(0)
    later = compile_book([product(fees_bps=60, term_months_max=24)], BY_NAME, replace(SETTINGS, term_months=24))
    told = unpack(pack(firm), later)[0].offer
    assert told.term_months == {None: 12, 6: 6, 36: 24}[term]
    assert told.yearly_cost_bps == book.products[0].net_cost_bps(told.rate_bps, told.term_months)
    assert told == firm[0].offer


def test_a_profile_from_before_terms_were_kept_tells_the_cost_of_then():
    book = compile_book([product(fees_bps=60)], BY_NAME, SETTINGS)
    firm = match_many(book, firms(pd_12m=[0.02]), ask=Ask(term_months=6)).explain(0)
    head, _, columns = pack(firm).partition(b"\n")
    older = {name: value for name, value in json.loads(head).items() if name != "months"} | {"version": 2}
    told = unpack(json.dumps(older).encode() + b"\n" + columns, book)[0].offer
    assert (told.term_months, told.yearly_cost_bps) == (None, 540)
    assert told.yearly_cost_bps == firm.worth.yearly_cost_bps[0, 0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"",
        lambda raw: raw.replace(b'"version":3', b'"version":9'),
        lambda raw: raw.partition(b"\n")[2],
    ],
)
def test_damaged_bytes_are_refused(damage):
    book = compile_book([product(rules=[GRADE_RULE])], BY_NAME, SETTINGS)
    raw = pack(match_many(book, firms()).explain(0))
    with pytest.raises(StoredMatchesInvalid):
        unpack(damage(raw), book)


def test_another_book_is_refused(seeded):
    book = compile_book([product(rules=[GRADE_RULE])], BY_NAME, SETTINGS)
    with pytest.raises(StoredMatchesInvalid, match="rules, products are"):
        unpack(pack(match_many(book, firms()).explain(0)), seeded)

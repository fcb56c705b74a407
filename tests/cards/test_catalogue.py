"""What a card says: every fact has words and a definition, and what is not known is left out."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date

import pytest

from creditlink.cards.rules import bands
from creditlink.cards.rules.facts import BY_NAME, CATALOGUE, INDICATORS, CardBasis, RecordedRow, Stated, stated
from creditlink.cards.rules.settings import CardSettingsInvalid, parse
from creditlink.engine.features.catalogue import CATALOGUE as ALL_INDICATORS
from creditlink.engine.vocabulary import GRADES
from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure
TODAY, TOLD = date(2026, 12, 1), date(2026, 11, 20)
REGISTERED = CardBasis(
    today=TODAY, name="佛山某厂", uscc="91440604MA4UXC1234", region="440604", industry="C33", entity_type="company",
    status="active", established_on=date(2019, 12, 2),
)  # fmt: skip
FULL = replace(
    REGISTERED, grade="A+", points=712, scored_on=TOLD, indicators=dict.fromkeys(INDICATORS, 0.0),
    answered=dict.fromkeys(("tax", "social_security", "public_credit"), TOLD),
    newest={"tax_standing": RecordedRow({"taxpayer_grade": "M", "taxpayer_kind": "small_scale"}, TOLD)},
)  # fmt: skip


def test_of_the_register_alone_there_are_only_its_facts():
    said = stated(REGISTERED)
    assert {name: one.value for name, one in said.items()} == {
        "name": "佛山某厂", "uscc": "91440604MA4UXC1234", "entity_type": "company", "registration_status": "active",
        "region": "440604", "industry": "C", "years_in_business": "5_to_10",
    }  # fmt: skip
    assert {one.on for one in said.values()} == {TODAY}


def test_with_everything_known_every_fact_is_there_each_with_its_day():
    said = stated(FULL)
    assert set(said) == set(BY_NAME)
    assert said["grade_band"] == Stated("A", TOLD)
    assert said["points_band"] == Stated("700–749", TOLD)
    assert said["taxpayer_grade"] == Stated("M", TOLD)
    assert said["no_penalties"] == Stated("yes", TOLD)


@pytest.mark.parametrize("category", ["tax", "social_security", "public_credit"])
def test_an_office_that_has_not_answered_in_full_clears_nobody(category):
    answered = {name: day for name, day in FULL.answered.items() if name != category}
    said = stated(replace(FULL, answered=answered))
    assert {name for name in BY_NAME if BY_NAME[name].category == category and name in said} <= {
        "taxpayer_grade", "taxpayer_kind",  # of a row, which is there only with a full answer: see test_pages
    }  # fmt: skip
    unknown = stated(replace(FULL, indicators=dict.fromkeys(INDICATORS)))
    assert not {"no_penalties", "no_tax_arrears", "social_security_on_time", "red_list"} & set(unknown)


@pytest.mark.parametrize("name", [one.name for one in CATALOGUE if set(one.values) == {"yes", "no"}])
def test_what_is_against_the_firm_is_said_as_it_is(name):
    assert stated(FULL)[name].value in ("yes", "no")
    against = stated(replace(FULL, indicators=dict.fromkeys(INDICATORS, 3.0)))[name].value
    assert against == ("yes" if name == "red_list" else "no")


def test_every_fact_has_words_in_both_languages():
    for fact in CATALOGUE:
        for words in (fact.label, fact.says, *fact.values.values()):
            assert len(words) == 2
            assert all(words)
        value = stated(FULL)[fact.name].value
        assert not fact.values or value in fact.values, (fact.name, value)


def test_it_reads_indicators_that_there_are():
    assert set(INDICATORS) <= {one.name for one in ALL_INDICATORS}


def test_every_grade_and_number_has_a_band():
    assert {bands.grade_band(one) for one in GRADES} == set(bands.GRADES_BANDED)
    for ends in (bands.SALES, bands.HEADCOUNT):
        assert [ends.band_of(one) for one in ends.lower] == [code for code, _ in ends.bands]
        assert ends.band_of(-5) == ends.bands[0][0]
        assert ends.band_of(1e18) == ends.bands[-1][0]
    assert bands.years_in_business(date(2020, 2, 29), date(2021, 2, 28)) == "under_1"
    assert bands.years_in_business(date(2020, 2, 29), date(2021, 3, 1)) == "1_to_3"


def test_the_days_of_the_register_are_not_in_the_future():
    assert "years_in_business" not in stated(replace(REGISTERED, established_on=date(2027, 1, 1)))
    assert "years_in_business" not in stated(replace(REGISTERED, established_on=None))


SHIPPED = tomllib.loads((ROOT / "config" / "cards.toml").read_text())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"card_days": 0}, "card_days: must be a whole number 1"),
        ({"card_days": True}, "card_days: must be a whole number"),
        ({"list_size": 7}, "list_size: must be a whole number 8"),
        ({"longest_shown_days": 10}, "longest_shown_days: must be at least shown_days"),
        ({"stale_seconds": 10}, "stale_seconds: must be at least ttl_seconds"),
        ({"colour": 1}, "colour: 1 is not a field"),
    ],
)
def test_a_wrong_setting_is_named(values, said):
    with pytest.raises(CardSettingsInvalid, match=said):
        parse(SHIPPED | values)
    with pytest.raises(CardSettingsInvalid, match="ttl_seconds: is absent"):
        parse({name: value for name, value in SHIPPED.items() if name != "ttl_seconds"})

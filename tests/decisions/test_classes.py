"""The table of classes: every table with a firm's data is in it, and a wrong line is named."""

import copy
from datetime import UTC, datetime

import pytest

from creditlink.decisions.classes import RetentionInvalid, parse
from creditlink.decisions.kept import shipped_classes
from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import ROOT
from creditlink.retention.purge import PURGED

pytestmark = pytest.mark.pure

SHIPPED = read_toml(ROOT / "config" / "retention.toml")


def changed(place, **values):
    document = copy.deepcopy(SHIPPED)
    for name, value in values.items():
        if value is ...:
            del document["class"][place][name]
        else:
            document["class"][place][name] = value
    return document


def test_what_the_purge_deletes_from_is_in_a_class():
    named = {table for one in shipped_classes().classes for table in one.tables}
    assert set(PURGED) <= named


def test_what_goes_at_once_is_what_a_consent_brought_in():
    staying = {one.name: one.on_deletion for one in shipped_classes().staying}
    kept = dict.fromkeys(("evidence", "consents", "reviews", "disputes", "objections", "cards", "reports"), "stays")
    assert staying == {"decision_record": "sealed", **kept}


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (datetime(2026, 11, 29, 8, 30, tzinfo=UTC), datetime(2031, 11, 29, 8, 30, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2033, 3, 1, tzinfo=UTC)),
    ],
)
def test_years_are_counted_by_the_calendar(since, until):
    assert shipped_classes().of("decision_record").until(since) == until


def test_roles_look_for_their_purposes_only():
    kept = shipped_classes().of("decision_record")
    assert kept.refusal("risk", "replay") is None
    assert "role 'sales' may not look" in kept.refusal("sales", "replay")
    assert "purpose 'marketing' is not one of role risk" in kept.refusal("risk", "marketing")
    assert "may not look" in shipped_classes().of("evidence").refusal("risk", "replay")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "evidence"}, "class evidence: is there twice"),
        ({"holds_zh": " "}, "holds_zh: a text is expected, got ' '"),
        ({"source": ...}, "source: a text is expected, got None"),
        ({"for": "long"}, "for: one of data_life, years, ever, until_deleted is expected, got 'long'"),
        ({"on_deletion": "maybe"}, "on_deletion: one of goes, in_time, sealed, stays is expected"),
        ({"years": 0}, "years: a whole number 1"),
        ({"years": True}, "years: a whole number 1"),
        ({"years": ...}, "years: given where it is kept by years and nowhere else"),
        ({"tables": []}, "tables: a list of texts is expected"),
        ({"tables": ["a", 1]}, "tables: a text is expected, got 1"),
        ({"readers": {"risk": []}}, "readers.risk: a list of texts is expected"),
        ({"readers": {"risk": ["curiosity"]}}, "readers.risk: one of replay, .* is expected, got 'curiosity'"),
        ({"readers": ...}, "decision_record: readers are needed"),
        ({"colour": "red"}, "colour: 'red': is not a field"),
    ],
)
def test_a_wrong_line_is_named(values, said):
    place = [one["name"] for one in SHIPPED["class"]].index("decision_record")
    with pytest.raises(RetentionInvalid, match=said):
        parse(changed(place, **values))


def test_a_table_without_the_classes_that_decide_is_refused():
    for document, said in (
        ({"version": 1, "class": SHIPPED["class"][:1]}, "class decision_record: is needed"),
        ({"version": "1", "class": SHIPPED["class"]}, "version: a whole number"),
        ({"version": 1, "class": []}, "class: a list of tables"),
        ({"version": 1, "class": ["x"]}, "class: a table is expected"),
    ):
        with pytest.raises(RetentionInvalid, match=said):
            parse(document)

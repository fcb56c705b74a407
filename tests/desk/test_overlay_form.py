"""The overlay as a form: what it writes is what it shows again, row by row, and nothing needs a script."""

from __future__ import annotations

import re

import pytest

from creditlink.desk.pages.products.form import FormInvalid
from creditlink.desk.pages.products.overlay_form import OverlayFilled, filled_by, filled_in, terms_of
from creditlink.engine.overlay.terms import OverlayTerms
from creditlink.overlays.schemas import OverlayTermsSchema
from tests.desk.conftest import DESK
from tests.desk.test_institution import pair
from tests.overlays.conftest import BODY

__all__ = ["pair"]
TYPED = {
    "name_zh": "江河叠加", "name_en": "River overlay", "grade_at_least": "D", "pd_at_most": "7.5",
    "otherwise": "decline", "on_knock_out": "refer",
    "rules-0-code": "W1", "rules-0-label_zh": "不在观察名单", "rules-0-label_en": "not on our watch list",
    "rules-0-subject": "own.own_watch", "rules-0-operator": "<=", "rules-0-limit": "0", "rules-0-outcome": "refer",
    "rules-0-if_unknown": "refer",
    "weights-0-subject": "indicator.headcount", "weights-0-form": "standardised", "weights-0-mean": "20",
    "weights-0-deviation": "10", "weights-0-log_odds": "-0.1",
    # A row left blank between two others.
    "weights-1-form": "banded",
    "weights-2-subject": "own.own_late_days", "weights-2-form": "banded", "weights-2-steps": "1: -0.1； 30：0.2",
    "weights-2-otherwise": "0.5",
    "columns-0-name": "own_late_days", "columns-0-kind": "number", "columns-0-label_zh": "本行逾期天数",
    "columns-0-label_en": "Days late with us", "columns-0-minimum": "0", "columns-0-direction": "1",
    "columns-1-name": "own_watch", "columns-1-kind": "flag", "columns-1-label_zh": "观察名单",
    "columns-1-label_en": "On our watch list", "columns-1-direction": "0", "columns-1-required": "yes",
    "offsets-0-subject": "registration.industry", "offsets-0-one_of": "C33, C34", "offsets-0-log_odds": "0.05",
    "offsets-0-label_zh": "金属制品", "offsets-0-label_en": "Metal goods",
}  # fmt: skip


def whole(body) -> dict:
    """Return an overlay as the API keeps it."""
    loaded: OverlayTerms = OverlayTermsSchema().load(body)
    return loaded.to_dict()


def fields_of(filled: OverlayFilled) -> dict[str, str]:
    """Return what a browser sends of a form that shows this."""
    rows = {
        f"{part}-{at}-{name}": value
        for part, listed in filled.rows.items()
        for at, row in enumerate(listed)
        for name, value in row.items()
    }
    return {name: value for name, value in (filled.head | rows).items() if value}


@pytest.mark.pure
@pytest.mark.usefixtures("words")
class TestPure:
    @pytest.fixture
    def words(self):
        """Let the form say its words in English."""
        import flask
        from flask_babel import Babel

        app = flask.Flask("words")
        Babel(app)
        with app.test_request_context():
            yield

    @pytest.mark.parametrize("changed", [
        {},
        {"weights": [{"subject": "own.size", "form": "by_choice", "by_choice": {"大": -0.1, "a:b": 0.25},
                      "otherwise": 0.1}]},
        {"weights": [], "columns": [], "shown_to_firm": True},
        {"cut_offs": {"pd_at_most": 0.0123456789, "otherwise": "accept", "rules": [
            {"code": "A", "label_zh": "甲", "label_en": "a", "subject": "registration.region", "operator": "in",
             "limit": ["4406", "0012"], "if_unknown": "decline"},
            {"code": "B", "label_zh": "乙", "label_en": "b", "subject": "profile.points", "operator": "between",
             "limit": [600, 712.25]},
            {"code": "C", "label_zh": "丙", "label_en": "c", "subject": "profile.grade", "operator": "at_least_grade",
             "limit": "B"},
        ]}},
    ])  # fmt: skip
    def test_what_it_shows_of_an_overlay_is_that_overlay(self, changed):
        terms = whole(BODY | changed)
        assert whole(terms_of(filled_in(fields_of(filled_by(terms))))) == terms

    def test_blank_rows_are_left_out_and_numbers_may_be_written_as_in_china(self):
        read = terms_of(filled_in(TYPED))
        assert [one["subject"] for one in read["weights"]] == ["indicator.headcount", "own.own_late_days"]
        assert read["weights"][1]["bands"] == [{"below": 1, "log_odds": -0.1}, {"below": 30, "log_odds": 0.2}]
        assert read["cut_offs"]["pd_at_most"] == 0.075

    @pytest.mark.parametrize(("name", "value"), [
        ("pd_at_most", "７"), ("weights-0-mean", "nan"), ("weights-0-mean", "1e9"), ("weights-2-steps", "30"),
        ("weights-2-steps", "x: 0.1"), ("columns-0-direction", "up"), ("weights-0-log_odds", "0,5"),
        ("offsets-0-log_odds", "9" * 30),
    ])  # fmt: skip
    def test_what_does_not_read_is_named(self, name, value):
        with pytest.raises(FormInvalid):
            terms_of(filled_in(TYPED | {name: value}))


def test_an_overlay_is_written_by_the_form_and_shown_in_it_again(pair):
    ann, _ = pair
    ann.get(f"{DESK}/overlay?lang=en")
    more = ann.post(f"{DESK}/overlay", more="weights", **TYPED).text
    assert 'name="weights-5-subject"' in more  # two rows that hold something, one blank, three more
    assert 'value="indicator.headcount"' in more
    wrong = ann.post(f"{DESK}/overlay", **TYPED | {"weights-0-log_odds": "much"})
    assert wrong.status_code == 422
    assert "Weight 1, Log-odds by deviation must be a number." in wrong.text
    assert 'value="much"' in wrong.text
    refused = ann.post(f"{DESK}/overlay", **TYPED | {"weights-0-log_odds": "0.1"})
    assert refused.status_code == 422
    assert "turned round" in refused.text
    answer = ann.post(f"{DESK}/overlay", **TYPED)
    assert answer.status_code == 303, answer.text
    shown = ann.get(f"{DESK}/overlay").text
    for name, value in TYPED.items():
        if value and "operator" not in name and not name.startswith(("weights-1", "weights-2")):
            field = re.search(rf'<(?:input|select)[^>]*name="{name}"[^>]*>', shown)
            assert field, name
    assert 'value="1: -0.1; 30: 0.2"' in shown
    assert "<script" not in shown


@pytest.mark.parametrize("attack", ["a\0b", "\ud800", "<b>x</b>", "x" * 5000, "\ufeff", "\r"])
def test_odd_text_is_refused_or_shown_as_text(pair, attack):
    ann, _ = pair
    ann.get(f"{DESK}/overlay?lang=en")
    sent = TYPED | {"name_en": attack.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
    answer = ann.post(f"{DESK}/overlay", **sent)
    assert answer.status_code in (303, 400, 422)
    assert "<b>x</b>" not in answer.text

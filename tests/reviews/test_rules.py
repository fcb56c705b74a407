"""The rules of review: causes and clocks, limits of overrides, settings, words of notices, what counts as right."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta

import pytest

from creditlink.kit.files.textfile import read_toml
from creditlink.kit.settings import ROOT
from creditlink.reviews.monitor import MadeOverride, OverrideReport, grouped
from creditlink.reviews.notices.wording import EVENTS, ToldEvent, worded
from creditlink.reviews.rules import causes, overrides, states
from creditlink.reviews.rules.causes import CAUSES, ReviewSubject
from creditlink.reviews.rules.overrides import KINDS, OverrideRefused, WantedOverride, override_from
from creditlink.reviews.rules.settings import ReviewSettingsInvalid, parse
from creditlink.reviews.tables import AdverseNotice, OverrideOutcome, ReviewCase, ReviewOverride

pytestmark = pytest.mark.pure

SHIPPED = read_toml(ROOT / "config" / "reviews.toml")
SETTINGS = parse(SHIPPED)
NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
SCORED = {"state": "scored", "grade": "B", "points": 610, "partial": False, "knock_outs": ["K05"]}
UNSCORED = {"state": "not_scorable", "grade": None, "points": None, "partial": False, "knock_outs": []}
UP = {
    "kind": "grade_notch", "reason_code": "new_fact", "reason": "a contract", "evidence": "seen", "notches": 1,
    "expires_at": NOW + timedelta(days=30),
}  # fmt: skip


def subject(codes=(), *, result=UNSCORED, sole=True):
    return ReviewSubject("prf_x", sole, tuple(codes), result)


class TestCauses:
    @pytest.mark.parametrize(
        ("asked", "stands", "found"),
        [
            (subject(["H01"]), False, ()),
            (subject(["H01"]), True, ("sole_trader_asks",)),
            (subject(["H01"], sole=False), True, ()),
            (subject(["H02", "H03", "H02"]), False, ("partial", "contested")),
            (subject(["H04"]), False, ("model_frozen",)),
            (subject(["H03"], result=SCORED), True, ("sole_trader_asks", "contested", "knocked_out")),
        ],
    )
    def test_each_once_and_in_order(self, asked, stands, found):
        assert causes.causes_at_creation(asked, SETTINGS.codes, refusal_stands=stands) == found

    def test_the_shortest_clock_counts(self):
        assert causes.due_at(["contested"], SETTINGS.days, now=NOW) == NOW + timedelta(days=20)
        assert causes.due_at(["contested", "partial"], SETTINGS.days, now=NOW) == NOW + timedelta(days=10)


def test_the_life_of_a_case():
    assert states.after(states.after(states.after("open", "claim"), "release"), "expire") == "expired"
    for state, step in (("open", "decide"), ("decided", "claim"), ("expired", "claim"), ("claimed", "claim")):
        with pytest.raises(states.CaseStepRefused):
            states.after(state, step)


class TestOverrides:
    def checked(self, result=SCORED, **values):
        return overrides.checked(WantedOverride(**UP | values), result, SETTINGS.limits, now=NOW)

    @pytest.mark.parametrize(
        ("values", "result", "grade", "loosens"),
        [
            ({}, SCORED, "A", True),
            ({"notches": -2, "evidence": ""}, SCORED, "D", False),
            ({"notches": -1}, SCORED | {"partial": True}, "C", False),
            ({"kind": "scorable_despite", "notches": None, "grade": "C"}, UNSCORED, "C", True),
            ({"kind": "knock_out_set_aside", "notches": None, "knock_out": "K05"}, SCORED, None, True),
            ({"kind": "decline_automated", "notches": None, "evidence": ""}, UNSCORED, None, False),
        ],
    )
    def test_within_the_limits(self, values, result, grade, loosens):
        found = self.checked(result, **values)
        assert (found.grade, found.loosens) == (grade, loosens)
        assert override_from(found.wanted.to_dict()) == found.wanted

    @pytest.mark.parametrize(
        ("field", "values", "result"),
        [
            ("notches", {"notches": 2}, SCORED),
            ("notches", {"notches": -3}, SCORED),
            ("notches", {"notches": 0}, SCORED),
            ("notches", {"notches": None}, SCORED),
            ("notches", {"notches": 1}, SCORED | {"grade": "A+"}),
            ("notches", {"notches": -1}, SCORED | {"grade": "E"}),
            ("notches", {}, SCORED | {"partial": True}),
            ("kind", {}, UNSCORED),
            ("kind", {"kind": "points"}, SCORED),
            ("kind", {"kind": "scorable_despite", "notches": None, "grade": "C"}, SCORED),
            ("grade", {"kind": "scorable_despite", "notches": None, "grade": "B"}, UNSCORED),
            ("grade", {"kind": "scorable_despite", "notches": None, "grade": "Z"}, UNSCORED),
            ("grade", {"grade": "A"}, SCORED),
            ("knock_out", {"kind": "knock_out_set_aside", "notches": None, "knock_out": "K01"}, SCORED),
            ("evidence", {"evidence": " "}, SCORED),
            ("evidence", {"kind": "knock_out_set_aside", "notches": None, "knock_out": "K05", "evidence": ""}, SCORED),
            ("reason", {"reason": "\t"}, SCORED),
            ("reason_code", {"reason_code": "because"}, SCORED),
            ("expires_at", {"expires_at": NOW}, SCORED),
            ("expires_at", {"expires_at": NOW + timedelta(days=90, seconds=1)}, SCORED),
        ],
    )
    def test_beyond_them_the_member_is_named(self, field, values, result):
        with pytest.raises(OverrideRefused) as refused:
            self.checked(result, **values)
        assert refused.value.field == field


class TestSettings:
    @pytest.mark.parametrize(
        ("table", "name", "value", "said"),
        [
            ("days", "contested", 0, "days: contested: must be a whole number 1 … 365, got 0"),
            ("days", "contested", True, "got True"),
            ("days", "contested", ..., "days: contested: is absent"),
            ("days", "weather", 3, "days: weather: 3 is not a field"),
            ("codes", "H02", "weather", "codes: H02"),
            ("override", "most_share", 2.0, "override: most_share"),
            ("override", "best_grade_unscored", "Z", "override: best_grade_unscored"),
            ("notice", "due_days", 30.0, "notice: due_days"),
        ],
    )
    def test_a_wrong_line_is_named(self, table, name, value, said):
        changed = copy.deepcopy(SHIPPED)
        if value is ...:
            del changed[table][name]
        else:
            changed[table][name] = value
        with pytest.raises(ReviewSettingsInvalid, match=said):
            parse(changed)

    def test_a_table_that_is_none_is_named(self):
        with pytest.raises(ReviewSettingsInvalid, match="notice: a table is expected"):
            parse(SHIPPED | {"notice": 30})


def test_the_tables_know_the_words_that_the_rules_know():
    def named(table, name):
        text = next(str(one.sqltext) for one in table.__table__.constraints if str(one.name).endswith(name))
        return set(text.split("'")[1::2])

    assert named(ReviewCase, "_state") == set(states.STATES)
    assert named(ReviewCase, "_decision") == set(states.DECISIONS)
    assert named(ReviewOverride, "_kind") == set(KINDS)
    assert named(AdverseNotice, "_event") == set(EVENTS)
    assert {"good", "bad"} <= named(OverrideOutcome, "_label")
    assert set(SETTINGS.days) == set(CAUSES)


class TestWording:
    def told(self, event, **values):
        reasons = [
            {"by": by, "code": f"{by}{n}", "zh": f"原因{by}{n}", "en": f"reason {by}{n}"}
            for by in ("profile", "lender")
            for n in range(6)
        ]
        names = {"lender_zh": "江河银行", "lender_en": "River Bank", "on": date(2026, 11, 30), "reasons": reasons}
        return worded(ToldEvent(event, **names | {"is_sole_trader": False} | values))

    @pytest.mark.parametrize("event", EVENTS)
    def test_names_the_lender_the_day_and_four_reasons_of_each_side_at_most(self, event):
        texts = self.told(event)
        assert "江河银行" in texts.zh
        assert "2026年11月30日" in texts.zh
        assert "River Bank" in texts.en
        for by in ("profile", "lender"):
            assert [f"reason {by}{n}" in texts.en for n in range(6)] == [True] * 4 + [False] * 2
            assert [f"原因{by}{n}" in texts.zh for n in range(6)] == [True] * 4 + [False] * 2
        assert texts.en.index("reason lender0") < texts.en.index("reason profile0")

    def test_only_a_sole_trader_is_told_of_the_right_and_only_no_profile_of_none(self):
        assert "art. 24" not in self.told("declined").en
        assert "第二十四条" in self.told("declined", is_sole_trader=True).zh
        assert "No credit profile was used" in self.told("declined", has_profile=False).en
        assert "No credit profile" not in self.told("declined").en
        assert self.told("declined").sha256 != self.told("worse_terms").sha256


class TestMonitor:
    @pytest.mark.parametrize(
        ("loosens", "label", "hit"),
        [
            (True, "good", True), (True, "bad", False), (False, "bad", True), (False, "good", False),
            (True, "immature", None), (False, None, None),
        ],
    )  # fmt: skip
    def test_who_was_right(self, loosens, label, hit):
        assert MadeOverride("grade_notch", "ben", loosens, label).hit is hit

    def test_groups_and_a_rate_only_of_enough(self):
        made = [MadeOverride("grade_notch", "ben", True, "good")] * 9 + [
            MadeOverride("decline_automated", "cleo", False, "good"),
            MadeOverride("grade_notch", "cleo", True, "unreported"),
        ]
        report = OverrideReport(20, 11, 3, grouped(made), SETTINGS.limits).to_dict()
        assert (report["rate"], report["alert"]) == (0.55, True)
        assert [(row["name"], row["overrides"], row["ripe"]) for row in report["by_kind"]] == [
            ("grade_notch", 10, 9),
            ("decline_automated", 1, 1),
        ]
        (together,) = report["by_all"]
        assert (together["hits"], together["hit_rate"]) == (9, 0.9)
        assert [row["hit_rate"] for row in report["by_reviewer"]] == [None, None]
        few = OverrideReport(9, 9, 0, grouped([]), SETTINGS.limits).to_dict()
        assert (few["rate"], few["alert"], few["by_all"]) == (None, False, [])

"""Relief: what was late while a policy allowed it is not late; who, what, when, and known since when."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from creditlink.engine.facts.frames import FRAME_SCHEMAS, RecordSet
from creditlink.engine.facts.relief import RELIEVED, relieve
from creditlink.engine.facts.relief_policies import (
    PAYMENTS,
    ReliefBook,
    ReliefPolicy,
    policies_of,
    relief_book_from,
)
from creditlink.engine.features.compute import compute
from creditlink.kit.settings import ROOT
from tests.engine.features.builders import AS_OF, economy, frame, months_back, payroll, registration

pytestmark = pytest.mark.pure

DUE = date(2025, 10, 15)


def policy(**changes) -> ReliefPolicy:
    return ReliefPolicy(
        **{
            "code": "T-1",
            "name_zh": "测试",
            "name_en": "Test",
            "source": "佛府〔2025〕1号",
            "payments": ("social_security",),
            "regions": (),
            "industries": (),
            "due_from": date(2025, 10, 1),
            "due_before": date(2025, 11, 1),
            "extended_to": date(2025, 12, 31),
            "known_on": date(2025, 10, 3),
            "expires_on": date(2028, 1, 1),
        }
        | changes
    )


def paid(*days: date | None, due: date = DUE, firm: int = 0) -> pl.DataFrame:
    """One payroll month a payment, newest first, all due on one day."""
    rows = [
        {
            "firm": firm,
            "period": period,
            "due_fen": 100,
            "paid_fen": 100,
            "due_on": due,
            "paid_on": day,
            "known_on": due,
        }
        for period, day in zip(months_back(len(days)), days, strict=True)
    ]
    return frame("payroll_months", rows)


def due_days(*policies: ReliefPolicy, rows: pl.DataFrame, as_of: date = AS_OF, **firm) -> list[date]:
    records = RecordSet.of(registration=registration(firms=2, **firm), payroll_months=rows)
    return relieve(records, policies, as_of)[0].payroll_months["due_on"].to_list()


class TestTheDueDay:
    def test_a_late_payment_is_due_on_the_extended_day(self):
        assert due_days(policy(), rows=paid(date(2025, 12, 1), None)) == [date(2025, 12, 31)] * 2

    def test_what_was_paid_in_time_stays_as_it_was(self):
        assert due_days(policy(), rows=paid(DUE, DUE - timedelta(days=9))) == [DUE, DUE]

    def test_what_is_not_due_yet_stays_as_it_was(self):
        assert due_days(policy(), rows=paid(None), as_of=DUE - timedelta(days=1)) == [DUE]

    def test_where_lateness_does_not_count_it_is_due_when_paid_or_not_yet(self):
        forgiven = policy(extended_to=None)
        late = date(2026, 2, 3)
        assert due_days(forgiven, rows=paid(late, None)) == [late, AS_OF + timedelta(days=1)]
        # A payment after the day has not happened yet.
        assert due_days(forgiven, rows=paid(late), as_of=date(2026, 1, 9)) == [date(2026, 1, 10)]

    @pytest.mark.parametrize(
        ("due", "relieved"),
        [(date(2025, 9, 30), False), (date(2025, 10, 1), True), (date(2025, 10, 31), True), (date(2025, 11, 1), False)],
    )
    def test_due_days_are_half_open(self, due, relieved):
        assert (due_days(policy(), rows=paid(None, due=due)) == [date(2025, 12, 31)]) is relieved

    def test_a_day_is_never_brought_forward(self):
        earlier = policy(extended_to=date(2025, 10, 10))
        assert due_days(earlier, rows=paid(None)) == [DUE]

    def test_of_two_policies_the_kinder_one_counts(self):
        kinder = policy(code="T-2", extended_to=date(2026, 1, 31))
        for both in ((policy(), kinder), (kinder, policy())):
            assert due_days(*both, rows=paid(None)) == [date(2026, 1, 31)]


class TestTheTwoClocks:
    @pytest.mark.parametrize(
        ("as_of", "relieved"),
        [(date(2025, 11, 9), False), (date(2025, 11, 10), True), (date(2026, 5, 31), True), (date(2026, 6, 1), False)],
    )
    def test_a_policy_counts_from_when_it_was_known_until_its_entry_expires(self, as_of, relieved):
        known = policy(known_on=date(2025, 11, 10), expires_on=date(2026, 6, 1))
        assert (due_days(known, rows=paid(None), as_of=as_of) != [DUE]) is relieved

    def test_a_correction_known_later_relieves_nobody_before(self):
        rows = paid(None).with_columns(known_on=pl.lit(AS_OF + timedelta(days=1)))
        records = RecordSet.of(registration=registration(), payroll_months=rows)
        assert relieve(records, [policy()], AS_OF)[1] == ()


class TestWhom:
    @pytest.mark.parametrize(
        ("changes", "relieved"),
        [
            ({}, True),
            ({"regions": ("4406",)}, True),
            ({"regions": ("440604",)}, True),
            ({"regions": ("4401", "44")}, True),
            ({"regions": ("4401",)}, False),
            ({"industries": ("C",)}, True),
            ({"industries": ("C26",)}, True),
            ({"industries": ("C27", "I")}, False),
            ({"regions": ("44",), "industries": ("F",)}, False),
            ({"payments": ("tax",)}, False),
        ],
    )
    def test_region_industry_and_payment_must_fit(self, changes, relieved):
        one = policy(**changes)
        assert (due_days(one, rows=paid(None)) != [DUE]) is relieved
        if "payments" not in changes:
            assert one.covers("440604", "C26") is relieved

    def test_a_firm_without_region_or_industry_is_outside_of_what_names_some(self):
        assert due_days(policy(regions=("44",)), rows=paid(None), region=None) == [DUE]
        assert due_days(policy(industries=("C",)), rows=paid(None), industry=None) == [DUE]
        assert due_days(policy(), rows=paid(None), region=None, industry=None) != [DUE]

    def test_it_names_the_firms_that_it_relieved_and_no_others(self):
        rows = pl.concat([paid(DUE), paid(None, firm=1)])
        records = RecordSet.of(registration=registration(firms=3), payroll_months=rows)
        (applied,) = relieve(records, [policy(), policy(code="T-2", regions=("11",))], AS_OF)[1]
        assert (applied.policy.code, applied.firms.tolist()) == ("T-1", [1])
        assert [applied.is_for(firm) for firm in range(3)] == [False, True, False]

    def test_each_payment_relieves_its_own_frames(self):
        assert set(RELIEVED) == set(PAYMENTS)
        for payment, places in RELIEVED.items():
            for name, done in places:
                assert {"due_on", done} <= set(FRAME_SCHEMAS[name])
                assert FRAME_SCHEMAS[name]["due_on"] == pl.Date
                kind = {"kind": FRAME_SCHEMAS[name]["kind"].categories[0]} if "kind" in FRAME_SCHEMAS[name] else {}
                row = {"firm": 0, "period": date(2025, 9, 1), "due_on": DUE, "known_on": DUE} | kind
                records = RecordSet.of(registration=registration(), **{name: frame(name, [row])})
                changed, applied = relieve(records, [policy(payments=(payment,))], AS_OF)
                assert changed.frame(name)["due_on"].to_list() == [date(2025, 12, 31)], name
                assert len(applied) == 1


class TestCost:
    def test_without_a_policy_in_force_nothing_is_touched(self):
        records = economy(4)
        for none in ((), (policy(known_on=date(2027, 1, 1)),), (policy(expires_on=AS_OF),)):
            same, applied = relieve(records, none, AS_OF)
            assert same is records
            assert applied == ()

    def test_a_policy_for_nobody_changes_no_frame(self):
        records = economy(6)
        same, applied = relieve(records, [policy(payments=tuple(PAYMENTS), regions=("99",))], AS_OF)
        assert applied == ()
        for name in FRAME_SCHEMAS:
            assert_frame_equal(same.frame(name), records.frame(name))


class TestIndicators:
    def test_late_contributions_under_relief_do_not_count(self):
        rows = payroll([10] * 12).with_columns(paid_on=pl.col("due_on") + timedelta(days=20))
        records = RecordSet.of(registration=registration(), payroll_months=rows)
        lasting = policy(due_from=date(2025, 1, 1), due_before=date(2027, 1, 1), extended_to=None)
        before = compute(records, AS_OF)
        after = compute(relieve(records, [lasting], AS_OF)[0], AS_OF)
        assert before["contributions_late_12"][0] > 5
        assert after["contributions_late_12"][0] == 0
        assert after["contributions_worst_days_late_12"][0] == 0
        # The habit across offices pools that of contributions, here the only one.
        assert before["late_habit_across"][0] == pytest.approx(before["contributions_late_habit_36"][0])
        assert before["late_habit_across"][0] > 0.5
        pools = ["late_habit_across", "late_against_usual_36", "late_against_usual_3"]
        assert all(before[pool][0] > 0 for pool in pools)
        assert [after[pool][0] for pool in pools] == [0, 0, 0]
        same = [c for c in before.columns if "contributions" not in c and c not in pools]
        assert_frame_equal(before.select(same), after.select(same))

    def test_a_firm_alone_is_as_in_a_crowd(self):
        records = economy(30)
        every = policy(
            payments=tuple(PAYMENTS), due_from=date(2024, 1, 1), due_before=date(2027, 1, 1), industries=("C",)
        )
        together = compute(relieve(records, [every], AS_OF)[0], AS_OF)
        assert not together.equals(compute(records, AS_OF))
        for firm in records.registration["firm"].to_list()[:6]:
            alone = RecordSet.of(**{n: records.frame(n).filter(pl.col("firm") == firm) for n in FRAME_SCHEMAS})
            one = compute(relieve(alone, [every], AS_OF)[0], AS_OF)
            assert one.rows() == together.filter(pl.col("firm") == firm).rows()


GOOD = """
[[policies]]
code = "2026-FS"
name_zh = "测试"
name_en = "Test"
source = "公告"
payments = ["tax", "utility"]
regions = ["4406"]
industries = ["C", "I65"]
due_from = 2026-06-01
due_before = 2026-09-01
extended_to = 2026-12-31
known_on = 2026-06-03
expires_on = 2029-06-01
"""


class TestTheFile:
    def test_what_is_shipped_reads_and_has_nothing_in_force(self):
        book = relief_book_from(tomllib.loads((ROOT / "config" / "relief.toml").read_text()))
        assert book.on(date(2026, 11, 29)) == ()

    def test_a_policy_reads_and_comes_back_from_what_is_stored(self):
        (one,) = relief_book_from(tomllib.loads(GOOD)).policies
        assert policies_of([one.to_dict()]) == (one,)
        assert one.words()[0] == "测试：2026-06-01至2026-08-31到期的税款、水电燃气费延期至2026-12-31，期间不计逾期"

    def test_every_change_is_another_version(self):
        book = relief_book_from(tomllib.loads(GOOD))
        other = relief_book_from(tomllib.loads(GOOD.replace("2029-06-01", "2029-06-02")))
        assert book.sha256 != other.sha256 != ReliefBook().sha256
        assert book.sha256 == relief_book_from(tomllib.loads(GOOD)).sha256

    @pytest.mark.parametrize(
        ("found", "instead", "said"),
        [
            ('code = "2026-FS"', 'code = "x"', "policies[0].code"),
            ('code = "2026-FS"', "code = 7", "policies[0].code"),
            ('name_zh = "测试"', 'name_zh = " "', "name_zh"),
            ('name_zh = "测试"', 'name_zh = "a\\u0000b"', "name_zh"),
            ('name_zh = "测试"', 'name_zh = "\\ufeff测"', "name_zh"),
            ('name_zh = "测试"', f'name_zh = "{"长" * 401}"', "name_zh"),
            ('name_zh = "测试"', "", "missing ['name_zh']"),
            ('source = "公告"', 'source = "公告"\nextra = 1', "unknown ['extra']"),
            ('["tax", "utility"]', "[]", "payments"),
            ('["tax", "utility"]', '"tax"', "payments"),
            ('["tax", "utility"]', '["rent"]', "'rent'"),
            ('["tax", "utility"]', "[7]", "payments"),
            ('["4406"]', '["440"]', "regions"),
            ('["4406"]', '["４４"]', "regions"),
            ('["4406"]', "[4406]", "regions"),
            ('["4406"]', '"4406"', "regions"),
            ('["C", "I65"]', '["c"]', "industries"),
            ('["C", "I65"]', '["C2"]', "industries"),
            ('["C", "I65"]', '["X"]', "industries"),
            ("due_from = 2026-06-01", 'due_from = "2026-06-01"', "due_from"),
            ("due_from = 2026-06-01", "due_from = 2026-06-01T00:00:00+08:00", "due_from"),
            ("due_from = 2026-06-01", "due_from = 0001-01-01", "due_from"),
            ("due_from = 2026-06-01", "due_from = 2026-09-01", "due_before"),
            ("extended_to = 2026-12-31", "extended_to = 2026-06-01", "extended_to"),
            ("extended_to = 2026-12-31", "", "either extended_to"),
            ("extended_to = 2026-12-31", "extended_to = 2026-12-31\nlate_does_not_count = true", "either extended_to"),
            ("extended_to = 2026-12-31", "late_does_not_count = 1", "late_does_not_count"),
            ("expires_on = 2029-06-01", "expires_on = 2026-06-03", "expires_on"),
        ],
    )
    def test_what_is_wrong_is_named(self, found, instead, said):
        assert found in GOOD
        with pytest.raises(ValueError, match="policies") as refused:
            relief_book_from(tomllib.loads(GOOD.replace(found, instead)))
        assert said in str(refused.value)

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ({"policy": []}, "unknown 'policy'"),
            ({"policies": {}}, "policies must be a list"),
            ({"policies": ["x"]}, "must be a table"),
        ],
    )
    def test_what_is_no_book_is_refused(self, table, said):
        with pytest.raises(ValueError, match=said):
            relief_book_from(table)

    def test_a_code_is_given_once(self):
        with pytest.raises(ValueError, match="given twice"):
            relief_book_from(tomllib.loads(GOOD + GOOD))

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.engine import vocabulary
from creditlink.engine.explanation import sentences
from creditlink.engine.explanation.dimensions import sums_by
from creditlink.engine.explanation.ranking import rank, reason_book
from creditlink.engine.explanation.reasons import reasons_for
from creditlink.engine.facts.frames import CATEGORY_FRAMES
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring.model import load
from creditlink.engine.scoring.settings import ReasonSettings
from tests.engine.scoring.folders import frame, write_folder
from tests.engine.scoring.indicators import CATALOGUE, DIRECTIONS, GROUPS, NAMES

pytestmark = pytest.mark.pure

SETTINGS = ReasonSettings(limit=4, least_points=1.0, groups=GROUPS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "reasons"
    return load(write_folder(folder, names=NAMES, monotone_constraints=DIRECTIONS))


@pytest.fixture(scope="module")
def book(model):
    return reason_book(model.features, CATALOGUE, GROUPS)


@pytest.fixture(scope="module")
def firms():
    return frame(3000, NAMES, missing=0.25)


def told(model, book, features, missing=None, settings=SETTINGS, industry="C26", edition=vocabulary.EDITION):
    scores = model.score(features)
    count = len(features)
    return scores, reasons_for(
        scores,
        features,
        model,
        book,
        settings=settings,
        industries=[industry] * count,
        missing=missing or [{}] * count,
        edition=edition,
    )


def plainly(scores, book, row, missing):
    """The groups' contributions of one firm, written out: the reference for the vectorised ranking."""
    sums = {}
    for feature, indicator in enumerate(book.indicators):
        share = float(scores.contributions[row, feature])
        if np.isnan(scores.x[row, feature]):
            if any(c in missing for c in indicator.categories):
                continue  # absence is neutral: no reason
            key = f"missing:{indicator.category}"
        else:
            key = next((g for g, members in GROUPS.items() if indicator.name in members), indicator.name)
        sums[key] = sums.get(key, 0.0) + share
    return sums


@pytest.mark.parametrize("edition", [1, 2])
def test_ranking_is_what_a_plain_reading_gives(model, book, firms, edition):
    """Missing values compete with the others in the first edition; now they are one reason at most, and the last."""
    missing = [{"social_security": "not_granted"} if row % 3 else {} for row in range(len(firms))]
    settings = ReasonSettings(2, 1.0, GROUPS, least_missing_points=3.0)
    scores, found = told(model, book, firms, missing, settings, edition=edition)
    displaced = 0
    for row in range(0, len(firms), 7):
        sums = plainly(scores, book, row, missing[row])
        limit = 1 / abs(scores.points_per_logit)
        adverse = sorted((k for k in sums if sums[k] >= limit), key=lambda k: -sums[k])
        if edition > 1:
            short = [k for k in adverse if k.startswith("missing:") and sums[k] >= 3 * limit][:1]
            adverse = [k for k in adverse if not k.startswith("missing:")]
            if short and (len(adverse) < 2 or sums[short[0]] > sums[adverse[1]]):
                displaced += len(adverse) > 1
                adverse = [*adverse[:1], *short]
        adverse = adverse[:2]
        kept = {k for k in sums if sums[k] <= -limit and not k.startswith("missing:")}
        strengths = sorted(kept, key=lambda k: sums[k])[:2]
        assert [r.group for r in found[row].adverse] == adverse
        assert [r.group for r in found[row].strengths] == strengths
        for reason in (*found[row].adverse, *found[row].strengths):
            assert reason.contribution == pytest.approx(sums[reason.group], abs=1e-6)
            assert reason.points_contribution == pytest.approx(reason.contribution * scores.points_per_logit)
    assert edition == 1 or displaced > 5


def test_the_named_indicator_weighs_most_in_its_group(model, book, firms):
    scores, found = told(model, book, firms)
    groups_of_two = 0
    for row, firm in enumerate(found):
        for reason in firm.adverse:
            if reason.group != "sales_all":
                continue
            shares = {n: scores.contributions[row, NAMES.index(n)] for n in ("sales", "sales_growth")}
            present = {n: s for n, s in shares.items() if firms[n][row] is not None}
            groups_of_two += len(present) == 2
            assert reason.indicator == max(present, key=present.get)
            assert reason.code == CATALOGUE[reason.indicator].reason_code
            assert reason.value == firms[reason.indicator][row]
    assert groups_of_two > 30


def test_a_firms_reasons_are_the_same_alone_and_in_company(model, book, firms):
    missing = [{"utility": "source_down"}] * len(firms)
    _, together = told(model, book, firms, missing)
    for row in (0, 5, 2047, 2048, 2999):
        _, alone = told(model, book, firms[row : row + 1], missing[:1])
        assert alone == [together[row]]


def test_moving_the_named_indicator_as_said_moves_pd_as_said(model, book, firms):
    scores, found = told(model, book, firms)
    moved_rows = better = 0
    for adverse in (True, False):
        for row in range(0, 600):
            for reason in found[row].adverse if adverse else found[row].strengths:
                if reason.kind == "missing" or not reason.direction:
                    continue
                # Adverse: towards safety, which is against the direction of risk. A strength: away from it.
                step = -reason.direction if adverse else reason.direction
                features = pl.concat(
                    [
                        firms[row : row + 1].with_columns(pl.lit(reason.value + step * size).alias(reason.indicator))
                        for size in (0.5, 1.0, 2.0, 10.0)
                    ]
                )
                moved = model.score(features).pd_12m
                assert ((moved <= scores.pd_12m[row]) if adverse else (moved >= scores.pd_12m[row])).all()
                moved_rows += 1
                better += moved[-1] != scores.pd_12m[row]
    assert moved_rows > 500
    assert better > 0.95 * moved_rows


def test_a_category_of_which_nothing_is_known_is_no_reason_whatever_the_cause(model, book, firms):
    gone = firms.with_columns(late=pl.lit(None, pl.Float64), usage=pl.lit(None, pl.Float64))
    short = 0
    for cause in (*vocabulary.CAUSES, "delivered"):
        _, found = told(model, book, gone, [{"utility": cause}] * len(gone), ReasonSettings(8, 0.0, GROUPS))
        for firm in found:
            assert not [r for r in firm.strengths if r.kind == "missing"]
            for reason in firm.adverse:
                assert reason.indicator not in ("late", "usage")
                if reason.group != "missing:utility":
                    continue
                # Only what a delivered record was too short for; no firm can act on that either.
                assert cause == "delivered"
                assert (reason.code, reason.kind, reason.value) == ("R904", "missing", None)
                assert (reason.cause, reason.actionable) == ("not_computable", False)
                short += 1
    assert short


def test_no_sentence_says_that_an_absent_category_costs_points():
    for category in vocabulary.CATEGORIES:
        zh, en = sentences.missing_sentences([vocabulary.CATEGORIES[category].records], ("甲", "A"), 2, -3.0)
        for cause, (cause_zh, cause_en) in vocabulary.CAUSES.items():
            if cause != vocabulary.NOT_COMPUTABLE:
                assert cause_zh not in zh
                assert cause_en not in en


def test_an_indicator_over_two_categories_is_no_reason_where_one_is_absent(model, book):
    features = frame(400, NAMES, missing=0.0).with_columns(sales_per_head=pl.lit(None, pl.Float64))
    scores = model.score(features)
    column = NAMES.index("sales_per_head")
    rows = np.flatnonzero(scores.contributions[:, column] > 0)
    assert rows.size
    missing = range(len(book.groups), len(book.groups) + len(book.categories))
    for absent in ({"social_security": True}, {"tax": True}):
        ranking = rank(scores, book, limit=9, least_points=0.0, absent=absent)
        assert not np.isin(ranking.group, missing).any()
    ranking = rank(scores, book, limit=9, least_points=0.0, absent={"utility": True})
    number = len(book.groups) + book.categories.index("tax")
    for row in rows:
        place = list(ranking.group[row]).index(number)
        assert ranking.contribution[row, place] == scores.contributions[row, column]
        assert ranking.lead[row, place] == -1


def test_small_contributions_are_no_reasons(model, book, firms):
    scores = model.score(firms)
    for least in (0.0, 5.0, 20.0):
        for adverse in (True, False):
            ranking = rank(scores, book, least_points=least, adverse=adverse)
            points = np.abs(ranking.contribution * scores.points_per_logit)[ranking.group >= 0]
            assert (points >= least - 1e-3).all()
            assert (points > 0).all()
            assert ((ranking.contribution > 0) == adverse)[ranking.group >= 0].all()
            assert (ranking.contribution[ranking.group < 0] == 0).all()


def test_a_feature_outside_the_catalogue_is_named():
    with pytest.raises(ValueError, match="not in the catalogue: strange"):
        reason_book(("sales", "strange"), CATALOGUE, {})


def test_sums_by_dimension_are_the_margin(model, firms):
    scores = model.score(firms)
    sums = sums_by(scores, [CATALOGUE[n].dimension for n in scores.features])
    assert list(sums) == ["tax", "employment", "energy", "consistency", "standing"]
    np.testing.assert_allclose(scores.base_value + sum(sums.values()), scores.margin, atol=1e-6)
    alone = sums_by(model.score(firms[:1]), [CATALOGUE[n].dimension for n in scores.features])
    assert all(alone[name][0] == sums[name][0] for name in sums)
    with pytest.raises(ValueError, match="labels: 1 for 7"):
        sums_by(scores, ["tax"])


def test_a_reason_as_plain_values(model, book, firms):
    _, found = told(model, book, firms[:50])
    reason = next(r for firm in found for r in firm.adverse if r.comparison)
    plain = reason.to_dict()
    assert plain["comparison"]["peers"] in ("C", "*")
    assert set(plain) == set(vars(reason))


@pytest.mark.parametrize(
    ("name", "value", "unit", "zh", "en"),
    [
        ("sales", 123_456_789.0, "fen", "123.46万元", "CNY 1,234,568"),
        ("sales", 950.0, "fen", "9.5元", "CNY 9.5"),
        ("sales", -0.001, "fen", "0元", "CNY 0"),
        ("growth", -0.1234, "ratio", "-12.3%", "-12.3%"),
        ("age", 14.0, "months", "14个月", "14 months"),
        ("flag", 1.0, "flag", "是", "yes"),
        ("taxpayer_grade", 3.0, "rank", "M", "M"),
        ("taxpayer_grade", 9.0, "rank", "9", "9"),
        ("status_rank", 1.0, "rank", "停业", "suspended"),
        ("x", 0.00002, "kg/fen", "每万元20千克", "20 kg per CNY 10,000"),
        ("x", 250.0, "fen/kWh", "每千瓦时2.5元", "CNY 2.5 per kWh"),
        ("z", -2.456, "deviations", "-2.46个标准偏差", "-2.46 deviations"),
    ],
)
def test_values_with_their_units(name, value, unit, zh, en):
    assert sentences.value_text(name, value, unit) == (zh, en)


def test_a_whole_sentence():
    zh, en = sentences.indicator_sentences(
        name="sales",
        labels=("近12月销售额", "Sales of the last 12 months"),
        value=50_000_000.0,
        unit="fen",
        direction=-1,
        median=80_000_000.0,
        peers="C",
        points=-12.4,
    )
    assert zh == "近12月销售额为50万元，低于同行业中位数80万元；该指标越高，风险越低。评分因此减少12分。"
    assert en == (
        "Sales of the last 12 months: CNY 500,000, below the median of firms of the industry, CNY 800,000; "
        "higher is safer. This costs 12 points."
    )


@pytest.mark.parametrize(
    ("value", "points", "peers", "said"),
    [
        (0.005, 30.0, "C/small", "; among all firms it still lies on the safe side. This adds 30 points."),
        (0.005, -30.0, "C/small", "; higher is riskier. This costs 30 points."),
        (0.001, -9.0, "C/small", "; among all firms it still lies on the risky side. This costs 9 points."),
        (0.005, 30.0, "*", "; higher is riskier. This adds 30 points."),
    ],
)
def test_where_peers_and_points_say_different_things_the_sentence_says_why(value, points, peers, said):
    _, en = sentences.indicator_sentences(
        name="bill_late_habit", labels=("账单逾期倾向", "Habit of paying bills late"), value=value, unit="ratio",
        direction=1, median=0.002, peers=peers, points=points,
    )  # fmt: skip
    assert en.endswith(said)


def test_a_flag_that_most_share_is_no_reason(model, firms):
    """A yes or no that is for a firm as for most sets nobody apart; the first edition told it."""
    catalogue = CATALOGUE | {"late": replace(CATALOGUE["late"], unit="flag")}
    features = firms.with_columns(late=(pl.col("late") > 0).cast(pl.Float64))
    for usual in (0.0, 1.0):
        book = reason_book(model.features, catalogue, {}, {"late": usual})
        every = ReasonSettings(9, 0.0)
        for edition, told_of in ((1, {0.0, 1.0}), (2, {1.0 - usual})):
            _, found = told(model, book, features, settings=every, edition=edition)
            both = [r for firm in found for r in (*firm.adverse, *firm.strengths) if r.indicator == "late"]
            assert {r.value for r in both} == told_of


@pytest.mark.parametrize(
    ("peers", "zh", "en"),
    [
        ("*", "模拟城市全体企业", "the firms of the synthetic city"),
        ("C", "模拟城市同行业企业", "firms of the synthetic city in the same industry"),
        (
            "C/small",
            "模拟城市同行业同规模企业",
            "firms of the synthetic city in the same industry and of the same size",
        ),
    ],
)
def test_peers_are_named_for_what_they_are(peers, zh, en):
    assert sentences.peers_text(peers, sentences.POPULATIONS["synthetic city"]) == (zh, en)


def test_what_a_record_is_too_short_for_is_named_with_the_records_that_came():
    records = (("增值税申报", "VAT declarations"), ("增值税发票", "VAT invoices"))
    zh, en = sentences.missing_sentences(records, ("销售趋势(24月)", "Trend of sales over 24 months"), 1, -5.6)
    assert zh == "已取得的增值税申报、增值税发票记录不足以计算“销售趋势(24月)”等2项指标，评分因此减少6分。"
    assert en == (
        "Not computable from the VAT declarations and VAT invoices that were delivered: Trend of sales over 24 months "
        "and 1 other indicator. This costs 6 points."
    )


def test_one_is_one():
    _, en = sentences.indicator_sentences(
        name="headcount", labels=("参保人数", "Insured headcount"), value=1.0, unit="people", direction=-1, median=2.0,
        peers="*", points=-1.2, together=True,
    )  # fmt: skip
    assert en.startswith("Insured headcount: 1 person, below the median of all firms, 2 people;")
    assert en.endswith(" Together with similar indicators, this costs 1 point.")


def test_a_rank_is_told_as_a_word():
    zh, en = sentences.indicator_sentences(
        name="taxpayer_grade",
        labels=("纳税信用等级", "Taxpayer credit grade"),
        value=5.0,
        unit="rank",
        direction=1,
        median=2.0,
        peers="*",
        points=7.6,
    )
    assert zh == "纳税信用等级为D，全体企业中位数为B。评分因此增加8分。"
    assert en == "Taxpayer credit grade: D; the median of all firms is B. This adds 8 points."


@given(value=st.floats(-1e15, 1e15), unit=st.sampled_from(sorted({i.unit for i in BY_NAME.values()})))
def test_every_unit_of_the_catalogue_can_be_told(value, unit):
    for text in sentences.value_text("x", value, unit):
        assert text


def test_every_category_has_its_own_code_for_missing_values():
    assert set(sentences.MISSING_CODES) == set(vocabulary.CATEGORIES) == set(CATEGORY_FRAMES)
    codes = [*sentences.MISSING_CODES.values(), *(i.reason_code for i in BY_NAME.values())]
    assert len(set(codes)) == len(codes)

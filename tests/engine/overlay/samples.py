"""An overlay as a bank declares it, and firms that it is applied to."""

from creditlink.engine.overlay.result import BaseScore
from creditlink.engine.overlay.terms import (
    CutOffs,
    ExtraColumn,
    OverlayRule,
    OverlayTerms,
    OverlayWeight,
    SegmentOffset,
    WeightBand,
)
from creditlink.engine.scoring.scale import Scale

SCALE = Scale()
COLUMNS = (
    ExtraColumn("own_late_days", "number", "本行逾期天数", "Days late with us", "天", 0.0, 3650.0, direction=1),
    ExtraColumn("own_relation", "choice", "本行关系", "Relation with us", choices=("none", "deposit", "payroll")),
    ExtraColumn("own_watch", "flag", "观察名单", "On our watch list", direction=1, required=True),
)
WEIGHTS = (
    OverlayWeight("indicator.headcount", "standardised", mean=20.0, deviation=10.0, log_odds=-0.1),
    OverlayWeight("own.own_late_days", "banded", bands=(WeightBand(1.0, -0.1), WeightBand(30.0, 0.2)), otherwise=0.5),
    OverlayWeight("own.own_relation", "by_choice", by_choice={"payroll": -0.2, "deposit": -0.1}),
)
OFFSETS = (SegmentOffset("registration.industry", ("C30", "F"), 0.15, "陶瓷与批发", "Ceramics and wholesale"),)
RULES = (
    OverlayRule("W1", "不在观察名单", "not on our watch list", "own.own_watch", "<=", 0.0),
    OverlayRule(
        "T1", "近12月销售额不低于10万元", "sales of 12 months of CNY 100,000", "indicator.sales_12_fen", ">=", 1e7
    ),
)


def terms(**more):
    return OverlayTerms(
        **{
            "name_zh": "甲行小微叠加", "name_en": "Bank A overlay", "columns": COLUMNS, "weights": WEIGHTS,
            "offsets": OFFSETS, "cut_offs": CutOffs(grade_at_least="C", pd_at_most=0.06, rules=RULES),
        } | more
    )  # fmt: skip


def firm(**more):
    return BaseScore(
        **{
            "state": "scored", "points": 600, "points_exact": 600.123456789, "pd_12m": 0.047, "grade": "C",
            "values": {"headcount": 12.0, "sales_12_fen": 3e8},
            "registration": {"industry": "C30", "region": "440604", "entity_type": "company", "status": "active"},
        } | more
    )  # fmt: skip

"""A profile as it is stored, in plain data: the same records and model give the same bytes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import polars as pl

from creditlink.engine.explanation import reasons
from creditlink.engine.explanation.coverage import WithoutCategory, without_each
from creditlink.engine.explanation.dimensions import sums_by
from creditlink.engine.explanation.reasons import Reason
from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.features.indicator import DIMENSION_LABELS, SEVERAL, SEVERAL_LABEL
from creditlink.engine.matching import encoding
from creditlink.engine.matching.match import STATES, FirmMatches
from creditlink.engine.profile import content
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import Profiles
from creditlink.engine.scoring.limits import knockouts
from creditlink.engine.scoring.limits.contradicted import Contradicted
from creditlink.engine.scoring.limits.frozen import FrozenInputs, review
from creditlink.engine.scoring.limits.partial import Partial
from creditlink.engine.scoring.limits.scorable import NotScorable, refusal
from creditlink.engine.scoring.model import Scores
from creditlink.engine.scoring.scale import rounded
from creditlink.engine.vocabulary import CATEGORIES, EDITION, FEWEST_FIRMS, causes_of_evidence

BEST, NEAR = 3, 5


@dataclass(frozen=True)
class Snapshot:
    """One firm's profile, ready to be stored; every member is JSON, `matches` apart.

    `products` is what an answer says in words: counts, the best, the near misses. `matches` is every product with
    every rule, as `matching.encoding` packs it; empty where there is no score to match with.
    """

    state: str
    grade: str | None
    points: int | None
    pd_12m: float | None
    summary: dict[str, object]
    explanation: dict[str, object]
    products: dict[str, object]
    matches: bytes

    @property
    def sha256(self) -> str:
        """Hash of all that a replay must give again."""
        return content.decision_sha256(vars(self))


def snapshot(
    profiles: Profiles,
    i: int,
    *,
    live: LiveModel,
    missing: Mapping[str, str],
    incomplete: Mapping[str, str] = MappingProxyType({}),
    partial: Partial | None = None,
    contradicted: Contradicted | None = None,
    frozen: FrozenInputs | None = None,
    further: Mapping[str, object] = MappingProxyType({}),
    told: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    edition: int = EDITION,
    without: Sequence[WithoutCategory] | None = None,
) -> Snapshot:
    """Return the profile of the firm in row `i`.

    Parameters
    ----------
    missing : category of consent -> why it gave nothing (not_granted, no_record, source_down …).
    incomplete : category of consent -> why it gave less than it has.
    partial : required categories that it lacks, as given to `profile_many`.
    contradicted : files of the firm's that an office contradicts.
    frozen : since when a person looks at every decision of the model.
    further : members of the summary that stand beside the score.
    told : flag -> what else is known of it, in zh and en, which the flag's reason then says.
    edition : which rules choose the reasons, and which words tell them.
    without : the firm's of `without_granted`, where it was computed for many at once.
    """
    missing, incomplete = causes_of_evidence(missing, incomplete)
    scores, features = profiles.scores, profiles.features[i : i + 1]
    row, registration = features.row(0, named=True), profiles.registration.row(i, named=True)
    verdict = knockouts.judge(
        live.rules, registration=registration, features=row, missing=missing, incomplete=incomplete
    )
    scored = verdict.not_scorable is None
    if scored and without is None:
        (without,) = without_granted(profiles, live, slice(i, i + 1))
    firm = profiles.matches.explain(i) if scored else None
    alone = scores.take(i)
    explained = reasons.reasons_for(
        alone,
        features,
        live.model,
        live.reasons,
        settings=live.rules.reasons,
        industries=[registration["industry"]],
        missing=[missing],
        edition=edition,
    )[0]
    by_score = str(live.model.scale.grade(scores.pd_12m[i])) if scored else None
    summary = {
        "not_scorable_reason": None
        if verdict.not_scorable is None
        else _not_scorable(refusal(live.rules.scorable, edition), live),
        "partial": partial.to_dict(by_score) if partial else None,
        "human_review": [
            *(hit.to_dict() for hit in verdict.human_review),
            *(partial.review() if partial else ()),
            *(contradicted.review() if contradicted else ()),
            *((review(frozen),) if frozen else ()),
        ],
        "knock_outs": [hit.to_dict() for hit in verdict.knock_outs],
        "not_evaluated": [rule.to_dict() for rule in verdict.not_evaluated],
        "interval": _interval(scores, i, live, partial) if scored else None,
        "without_category": _without(without or (), partial) if scored else [],
        "dimensions": _sums(alone, "dimension") if scored else [],
        "categories": _sums(alone, "category") if scored else [],
        "reasons": [_told(r, told) for r in explained.adverse] if scored else [],
        "strengths": [r.to_dict() for r in explained.strengths] if scored else [],
        **further,
    }
    if relieved := _relief(profiles, int(registration["firm"])):
        summary["relief"] = relieved
    return Snapshot(
        state="scored" if scored else "not_scorable",
        grade=str(scores.grade[i]) if scored else None,
        points=int(scores.points[i]) if scored else None,
        pd_12m=float(scores.pd_12m[i]) if scored else None,
        summary=stored_form(summary),
        explanation=_explanation(scores, row, i),
        products=_no_products() if firm is None else stored_form(_products(firm)),
        matches=b"" if firm is None else encoding.pack(firm),
    )


def _told(reason: Reason, told: Mapping[str, tuple[str, str]]) -> dict[str, object]:
    """Return a reason; where it is a flag that is set, and more is known of it, its sentences say that too."""
    plain = reason.to_dict()
    if reason.indicator is None or reason.indicator not in told or not reason.value:
        return plain
    zh, en = told[reason.indicator]
    return plain | {"sentence_zh": f"{reason.sentence_zh}{zh}", "sentence_en": f"{reason.sentence_en} {en}"}


def stored_form(members: Mapping[str, object]) -> dict[str, object]:
    """Return `members` as they come back from the database, which has no -0.0: it becomes 0.0."""
    # Most members are plain numbers and texts, hundreds of them in each profile: no call is made for those.
    return {
        name: value + 0.0 if type(value) is float else value if type(value) is str else _stored_value(value)
        for name, value in members.items()
    }


def _stored_value(value: object) -> object:
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return stored_form(value)
    if isinstance(value, list | tuple):
        return [inner + 0.0 if type(inner) is float else _stored_value(inner) for inner in value]
    return value


def _not_scorable(why: NotScorable, live: LiveModel) -> dict[str, object]:
    """Return why there is no score, and how such firms fared where the model was judged: no verdict, but no riddle."""
    told = why.to_dict()
    measured = live.model.manifest.get("not_scorable")
    rate = None if measured is None else measured["not_scored_bad_rate"]
    if measured is None or rate is None or measured["not_scored"] < FEWEST_FIRMS:
        return told
    others = measured["scored_bad_rate"] or 0.0
    return told | {
        "observed_bad_rate": rate,
        "observed_firms": measured["not_scored"],
        "observed_zh": f"模型验证中，此类企业12个月内违约率为{rate:.1%}，可评分企业为{others:.1%}。",
        "observed_en": f"Where the model was judged, {rate:.1%} of such firms went bad within 12 months, and "
        f"{others:.1%} of those with a score.",
    }


def _interval(scores: Scores, i: int, live: LiveModel, partial: Partial | None) -> dict[str, object] | None:
    """Return the interval of the PD, and the points and grades at its ends; None where the model has none."""
    if scores.pd_low is None or scores.pd_high is None or live.model.interval is None:
        return None
    low, high = float(scores.pd_low[i]), float(scores.pd_high[i])
    scale = live.model.scale
    worst, best = (int(rounded(scale.points_exact(math.log(pd / (1 - pd))))) for pd in (high, low))
    return {
        "level": live.model.interval.level,
        "pd_low": low,
        "pd_high": high,
        "points_low": worst,
        "points_high": best,
        "grade_best": _allowed(str(scale.grade(low)), partial),
        "grade_worst": _allowed(str(scale.grade(high)), partial),
    }


def _relief(profiles: Profiles, firm: int) -> list[dict[str, object]]:
    """Return the policies under which something that the firm paid late did not count."""
    found: list[dict[str, object]] = []
    for applied in profiles.relief:
        if applied.is_for(firm):
            policy = applied.policy
            zh, en = policy.words()
            found.append({"code": policy.code, "source": policy.source, "text_zh": zh, "text_en": en})
    return found


def _allowed(grade: str, partial: Partial | None) -> str:
    return grade if partial is None else partial.capped(grade)


def without_granted(
    profiles: Profiles, live: LiveModel, rows: slice = slice(None)
) -> list[tuple[WithoutCategory, ...]]:
    """Return the scores of the firms in `rows` without each category that they granted: of many at once, or of one."""
    return without_each(
        live.model,
        profiles.scores.x[rows],
        categories=[c for c in CATEGORIES if c in profiles.granted],
        points=profiles.scores.points[rows],
        settings=live.rules.scorable,
    )


def _without(scores: Sequence[WithoutCategory], partial: Partial | None) -> list[dict[str, object]]:
    return [
        one.to_dict() | ({"grade": _allowed(one.grade, partial)} if one.grade is not None else {}) for one in scores
    ]


def _explanation(scores: Scores, row: Mapping[str, float | None], i: int) -> dict[str, object]:
    """Return it in its stored form: numbers plus 0.0, which makes 0.0 of -0.0 and nothing else of any other."""
    shares = (scores.contributions[i].astype(float) + 0.0).tolist()
    points = (scores.points_contributions[i].astype(float) + 0.0).tolist()
    return {
        "base_value": float(scores.base_value) + 0.0,
        "margin": float(scores.margin[i]) + 0.0,
        "pd_raw": float(scores.pd_raw[i]) + 0.0,
        "points_base": float(scores.points_base) + 0.0,
        "points_calibration": float(scores.points_calibration[i]) + 0.0,
        "points_exact": float(scores.points_exact[i]) + 0.0,
        "indicators": {
            name: [_number(row[name]), share, point]
            for name, share, point in zip(scores.features, shares, points, strict=True)
        },
    }


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value) + 0.0


_CATEGORY_LABELS = {code: (c.label_zh, c.label_en) for code, c in CATEGORIES.items()} | {SEVERAL: SEVERAL_LABEL}


def _sums(scores: Scores, by: str) -> list[dict[str, object]]:
    """Return the contributions of the one firm in `scores`, added up, the largest first."""
    rows: list[tuple[float, dict[str, object]]] = []
    labels = DIMENSION_LABELS if by == "dimension" else _CATEGORY_LABELS
    under = "dimension" if by == "dimension" else "told_under"
    for key, sums in sums_by(scores, [getattr(BY_NAME[name], under) for name in scores.features]).items():
        zh, en = labels[key]
        share = float(sums[0])
        points = share * scores.points_per_logit
        row = {"name": key, "label_zh": zh, "label_en": en, "contribution": share, "points_contribution": points}
        rows.append((-abs(points), row))
    return [row for _, row in sorted(rows, key=lambda one: one[0])]


def _products(firm: FirmMatches) -> dict[str, object]:
    return {
        "counts": {state: firm.count(state) for state in STATES},
        "best": [match.to_dict() for match in firm.top(BEST)],
        "near_misses": [match.to_dict() for match in firm.near_misses(NEAR)],
    }


def _no_products() -> dict[str, object]:
    return {"counts": dict.fromkeys(STATES, 0), "best": [], "near_misses": []}


def registration_json(frame: pl.DataFrame) -> dict[str, object]:
    """Return the one registration row as JSON, for replay."""
    row = frame.row(0, named=True)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def registration_frame(row: Mapping[str, object]) -> pl.DataFrame:
    """Return the frame that `registration_json` wrote."""
    days = {name for name, kind in FRAME_SCHEMAS["registration"].items() if kind == pl.Date}
    values = {name: date.fromisoformat(str(v)) if name in days and v else v for name, v in row.items()}
    return pl.DataFrame([values], schema=FRAME_SCHEMAS["registration"])

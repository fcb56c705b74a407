"""What would make a firm's profile better: what to do, when it shows, what it opens; and what is undecided, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from creditlink.engine.matching.outcomes import ProductMatch
from creditlink.engine.profile.improvements import improvements_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.processes import runtime
from creditlink.portal.firm.known.steps import shows_when, step_of
from creditlink.portal.site import lang, settings
from creditlink.products.service import book_of
from creditlink.profiles import wire
from creditlink.profiles.tables import Profile

_NEAR, _UNDECIDED, _OPENED = 3, 5, 3


@dataclass(frozen=True)
class StepShown:
    """One thing to do, the figure it moves, and when that shows."""

    todo: str
    figure: str
    when: str


@dataclass(frozen=True)
class PlanShown:
    """One way to a better grade: what to do together, where it leads, which products it opens."""

    grade: str
    points: int
    steps: list[StepShown]
    opened: list[str]  # the first few by name
    count: int  # all of them


@dataclass(frozen=True)
class UndecidedShown:
    """A product that cannot be decided, and what is missing for it."""

    name: str
    why: list[str]


@dataclass(frozen=True)
class Better:
    """What is shown of it; `state` says why there is nothing where there are no plans."""

    state: Literal["plans", "best", "nothing", "partial", "other_model", "not_scored"]
    plans: list[PlanShown]
    best_points: int
    near: list[str]
    undecided: list[UndecidedShown]


def better_of(session: Session, profile: Profile) -> Better:
    """Return what would raise a profile's grade and open products, by the model that made it."""
    live = runtime.part(LiveModel)
    if not live.scored(profile.model_id, profile.model_sha256):
        return Better("other_model", [], 0, [], [])
    book = book_of(session, settings(), profile.asked["products"])
    open_questions = [_undecided(one) for one in wire.undecided(profile, book, _UNDECIDED)]
    if profile.state != "scored":
        return Better("not_scored", [], 0, [], open_questions)
    if profile.summary.get("partial"):
        return Better("partial", [], 0, [], open_questions)
    values = {name: value for name, (value, *_) in profile.explanation["indicators"].items()}
    found = improvements_of(values, industry=profile.registration["industry"], live=live)
    plans = []
    for plan in found.plans:
        gained = wire.opened(profile, {one.indicator: one.after for one in plan.changes}, book, live)
        names = list(dict.fromkeys(_own(one.name_zh, one.name_en) for one in gained))
        steps = []
        for change in plan.changes:
            figure = _own(change.text_zh, change.text_en)
            todo = step_of(change.indicator, change.months)
            steps.append(StepShown(_own(*todo) if todo else figure, figure, _own(*shows_when(change.months))))
        plans.append(PlanShown(plan.grade, plan.points, steps, names[:_OPENED], len(gained)))
    codes = [match["product"] for match in profile.products["near_misses"][:_NEAR]]
    unlocked = [wire.unlocked(profile, code, book, live) for code in codes]
    near = [str(_own(str(one["text_zh"]), str(one["text_en"]))) for one in unlocked if one["opens"]]
    state: Literal["plans", "best", "nothing"] = "best" if not found.target else "plans" if plans else "nothing"
    return Better(state, plans, found.best_points, near, open_questions)


def _undecided(match: ProductMatch) -> UndecidedShown:
    why = [_own(rule.text_zh, rule.text_en) for rule in match.rules if rule.outcome == "unknown"]
    return UndecidedShown(_own(match.product.name_zh, match.product.name_en), list(dict.fromkeys(why)))


def _own(zh: str, en: str) -> str:
    return zh if lang() == "zh" else en

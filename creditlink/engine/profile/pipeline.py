"""The main job, in one straight line: records → relief → indicators → PD, points, grade → contributions → matches.

Pure. The API passes one firm, screening passes a partition; there is no second scoring path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from creditlink.engine.facts.frames import OPTIONAL_CATEGORIES, RecordSet
from creditlink.engine.facts.relief import AppliedRelief, relieve
from creditlink.engine.facts.relief_policies import ReliefPolicy
from creditlink.engine.features.compute import compute
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.match import Matches, match_many
from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.products.subjects import subjects_of
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.limits.partial import Partial
from creditlink.engine.scoring.model import Scores
from creditlink.engine.vocabulary import is_opened


@dataclass(frozen=True, eq=False)
class Profiles:
    """Profiles of n firms, by row: the order is that of `registration`, ascending by `firm`."""

    as_of: date
    registration: pl.DataFrame
    features: pl.DataFrame  # firm, and one column per indicator
    scores: Scores
    matches: Matches
    granted: frozenset[str]  # categories of evidence that these firms opened, as far as they are optional
    relief: tuple[AppliedRelief, ...] = ()  # policies under which something late did not count


def profile_many(
    records: RecordSet,
    *,
    as_of: date,
    live: LiveModel,
    book: ProductBook,
    granted: frozenset[str] | None = None,
    ask: Ask | None = None,
    approval: ApprovalModel | None = None,
    partial: Partial | None = None,
    relief: Sequence[ReliefPolicy] = (),
) -> Profiles:
    """Compute the profiles of every firm in `records`.

    Parameters
    ----------
    records : one registration row per firm; frames of categories that were not granted are empty.
    as_of : the day whose knowledge counts.
    live : the loaded credit model, the industry table that came with it, and the score's rules.
    book : the compiled products.
    granted : categories that these firms opened, of consent or of evidence; None: all. Public ones are always open.
    ask : the amount and term asked for; None: open.
    partial : required categories that these firms lack, and the best grade they therefore have; None: none. Rules of
        products see the profile's grade.
    approval : odds learned from lenders' answers; None: the published rule alone.
    relief : policies under which late payments do not count, as far as they are known and in force on the day.

    Raises
    ------
    ValueError
        The records disagree with their registration.
    """
    records, applied = relieve(records, relief, as_of)
    return decide_many(
        records.registration,
        compute(records, as_of, live.reference),
        as_of=as_of,
        live=live,
        book=book,
        granted=granted,
        ask=ask,
        approval=approval,
        partial=partial,
        applied=applied,
    )


def decide_many(
    registration: pl.DataFrame,
    features: pl.DataFrame,
    *,
    as_of: date,
    live: LiveModel,
    book: ProductBook,
    granted: frozenset[str] | None = None,
    ask: Ask | None = None,
    approval: ApprovalModel | None = None,
    partial: Partial | None = None,
    applied: Sequence[AppliedRelief] = (),
) -> Profiles:
    """Compute profiles from indicators: the second half of `profile_many`, which a replay without facts begins at.

    Parameters
    ----------
    registration : one row per firm.
    features : what `compute` gave: `firm` and a column per indicator, in the order of `registration`.
    applied : the policies that relieved something before the indicators were computed.

    Others are as for `profile_many`.
    """
    opened = frozenset(c for c in OPTIONAL_CATEGORIES if granted is None or is_opened(c, granted))
    scores = live.model.score(features)
    if partial is not None:
        scores = replace(scores, grade=np.array([partial.capped(str(grade)) for grade in scores.grade]))
    subjects = subjects_of(
        registration=registration,
        features=features,
        pd_12m=scores.pd_12m,
        points=scores.points.astype(np.int64),
        grade=scores.grade,
        as_of=as_of,
        granted=granted,
    )
    odds = None if approval is None else approval.odds(book, subjects, ask or Ask())
    matches = match_many(book, subjects, ask=ask, odds=odds)
    return Profiles(as_of, registration.sort("firm"), features, scores, matches, opened, tuple(applied))

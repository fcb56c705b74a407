"""What would raise the grade of a stored profile, verified by scoring the changed firm. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from creditlink.engine.explanation.improvement import Improvements, improvements
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.peers import size_of


def improvements_of(values: Mapping[str, float | None], *, industry: str | None, live: LiveModel) -> Improvements:
    """Return the plans of one firm.

    Parameters
    ----------
    values : indicator -> value as stored in the profile; None where missing
    industry : GB/T 4754 code of the firm, for its peers
    live : the model that scored it
    """
    known = [values[name] for name in live.model.features]
    row = np.array([np.nan if value is None else value for value in known], np.float32)
    return improvements(
        live.model,
        live.levers,
        row,
        industry=industry,
        size=size_of(values.get("sales_12_fen"), values.get("headcount")),
    )

"""What a cut-off would have earned on loans whose outcome is known. Pure.

Money is integer fen, rates are basis points of the amount lent. A good loan earns its margin, a bad one loses its share
of the amount, an application costs its handling whether it is approved or not. What is not known is not guessed: a
stricter cut-off than then is told from the loans of then, a looser one only where declined firms were lent to by lot.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from creditlink.engine.rounding import whole_fen

Floats = NDArray[np.float64]

LEVEL = 0.9
DRAWS = 400
STEPS = 40
"""Cut-offs that are tried: so many equal shares of the applicants."""


@dataclass(frozen=True)
class LoanEconomics:
    """What a loan earns and costs a lender."""

    amount_fen: int
    margin_bps: int  # over the life of a good loan, after funding
    loss_bps: int  # of the amount, of a bad loan, after recovery
    handling_fen: int = 0  # of each application

    def __post_init__(self) -> None:
        for name, low, high in (
            ("amount_fen", 1, 10**13), ("margin_bps", 1, 10_000), ("loss_bps", 1, 10_000), ("handling_fen", 0, 10**11),
        ):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: {value!r} is not between {low} and {high}")

    @property
    def break_even_pd(self) -> float:
        """The PD at which a loan earns nothing."""
        return self.margin_bps / (self.margin_bps + self.loss_bps)


@dataclass(frozen=True)
class CutoffFigures:
    """A cut-off: who would have been approved, and what an applicant would have earned in the mean, in fen."""

    pd_below: float
    approved_share: float
    bad_rate: float | None  # of the approved
    bads_declined: float  # share of all bads
    goods_declined: float  # share of all goods
    profit_fen: int
    profit_low_fen: int
    profit_high_fen: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class CutoffReport:
    """Every cut-off tried, the best one, and how sure it is."""

    rows: tuple[CutoffFigures, ...]
    best: int  # place in `rows`
    break_even_pd: float
    approve_all: int  # place of the cut-off that approves everybody in `rows`
    better_than_all: float  # share of draws in which the best one earns more than approving all

    def to_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {**asdict(self), "rows": [one.to_dict() for one in self.rows]}


def simulate_cutoffs(
    pd_12m: Floats,
    is_bad: NDArray[np.int8],
    economics: LoanEconomics,
    *,
    weight: Floats | None = None,
    firm: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> CutoffReport:
    """Return what each cut-off would have earned.

    Parameters
    ----------
    pd_12m : by a model that did not learn from these firms, shape (n,)
    is_bad : 0 or 1, shape (n,)
    weight : applicants that each loan stands for, shape (n,); None: one
    firm : a number for each firm, shape (n,), drawn together; None: each row is another

    Raises
    ------
    ValueError
        There is no row, or a PD is not between 0 and 1.
    """
    if not len(pd_12m) or not ((pd_12m >= 0) & (pd_12m <= 1)).all():
        raise ValueError("pd_12m: probabilities are needed, of one firm at least")
    rows = np.ones(len(pd_12m)) if weight is None else weight
    limits = np.unique(np.quantile(pd_12m, np.linspace(0, 1, STEPS + 1), method="nearest"))
    # A firm is approved below a cut-off: the first approves nobody, and one more approves everybody.
    limits = np.append(limits, np.nextafter(limits[-1], 2.0))
    earned = np.where(is_bad == 1, -economics.loss_bps, economics.margin_bps) * (economics.amount_fen / 10_000)
    place = np.searchsorted(limits, pd_12m, side="right")  # the first cut-off that approves the firm
    total = _by_limit(place, rows, len(limits))
    profit = _by_limit(place, rows * earned, len(limits)) / rows.sum() - economics.handling_fen
    rng = np.random.default_rng([seed, 3])
    _, member = np.unique(np.arange(len(rows)) if firm is None else firm, return_inverse=True)
    firms = int(member.max()) + 1
    drawn = np.empty((DRAWS, len(limits)))
    for k in range(DRAWS):
        w = rows * np.bincount(rng.integers(0, firms, firms), minlength=firms)[member]
        drawn[k] = _by_limit(place, w * earned, len(limits)) / max(float(w.sum()), 1e-12) - economics.handling_fen
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    bads, goods = _by_limit(place, rows * is_bad, len(limits)), _by_limit(place, rows * (1 - is_bad), len(limits))
    figures = tuple(
        CutoffFigures(
            pd_below=float(limits[k]),
            approved_share=float(total[k] / rows.sum()),
            bad_rate=float(bads[k] / total[k]) if total[k] else None,
            bads_declined=float(1 - bads[k] / bads[-1]) if bads[-1] else 0.0,
            goods_declined=float(1 - goods[k] / goods[-1]) if goods[-1] else 0.0,
            profit_fen=whole_fen(float(profit[k])),
            profit_low_fen=whole_fen(float(low[k])),
            profit_high_fen=whole_fen(float(high[k])),
        )
        for k in range(len(limits))
    )
    best = int(np.argmax(profit))
    return CutoffReport(
        figures, best, economics.break_even_pd, len(limits) - 1, float((drawn[:, best] > drawn[:, -1]).mean())
    )


def _by_limit(place: NDArray[np.int64], values: Floats, limits: int) -> Floats:
    """Return the sum of the values of all firms that each cut-off approves, shape (limits,)."""
    return np.asarray(np.cumsum(np.bincount(place, weights=values, minlength=limits))[:limits])

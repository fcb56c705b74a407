"""The hidden truth about each firm: kind, size, health month by month, default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creditlink.engine.vocabulary import SUPPLIES
from creditlink.sandbox.city import hazard
from creditlink.sandbox.city.economy import REGIONS, TRADES, USUAL_SIZE, Calendar, Floats, Ints, trade_column

Bools = npt.NDArray[np.bool_]

BLOCK_FIRMS = 2_000
"""Firms that share one random stream. A city of N firms is the first N firms of any larger city."""

NEVER = 1_000_000
"""A day or month index that never comes."""

STREAMS = (
    "firms",
    "health",
    "activity",
    "invoices",
    "declarations",
    "standing",
    "payroll",
    "meters",
    "events",
    "contracts",
    "grants",
    "shipments",
    "names",
    "registration",
    "income_tax",
    "tax_events",
    "fund",
    "customs",
)


@dataclass(frozen=True)
class Kind:
    """A kind of firm that the city has on purpose."""

    name: str
    share: float
    health: float  # mean level
    risk: float  # log-hazard beside health
    size: float  # shift of log sales
    growth: float  # log sales per year
    season: float  # factor on the trade's season
    gap: float  # chance of a month without any invoice
    coverage: Mapping[str, float]  # relative odds of being covered


KINDS: tuple[Kind, ...] = (
    Kind("healthy", 0.40, 1.00, 0.0, 0.3, 0.04, 1.0, 0.05, {}),
    Kind("seasonal", 0.09, 0.75, 0.1, 0.1, 0.03, 2.6, 0.08, {}),
    Kind("growing", 0.08, 0.85, 0.2, 0.1, 0.28, 1.0, 0.05, {}),
    Kind("distressed", 0.09, -0.95, 0.2, 0.0, -0.10, 1.0, 0.10, {}),
    Kind("dormant", 0.05, 0.0, -0.3, -2.2, -0.05, 1.0, 0.86, {"social_security": 0.4, "electricity": 0.6}),
    Kind("shell", 0.02, -0.30, 1.1, 0.6, 0.10, 0.6, 0.12, {"social_security": 0.8, "electricity": 0.8, "gas": 0.2}),
    Kind("manipulator", 0.02, -0.70, 0.5, 0.1, 0.0, 1.0, 0.05, {"social_security": 1.3, "electricity": 1.3}),
    Kind("thin", 0.07, 0.10, 0.3, -0.6, 0.15, 1.0, 0.35, {"tax": 0.8, "social_security": 0.4, "electricity": 0.5}),
    Kind("sole_trader", 0.18, 0.55, -0.2, -1.5, 0.02, 1.2, 0.12, {"social_security": 0.6, "electricity": 1.0}),
)
KIND = {kind.name: index for index, kind in enumerate(KINDS)}

COVERAGE: dict[str, float] = {
    "tax": 0.90,
    "social_security": 0.60,
    "electricity": 0.50,
    "water": 0.40,
    "gas": 0.15,
    "contract": 0.25,
    "intellectual_property": 0.12,
    "logistics": 0.20,
    "housing_fund": 0.45,
    "import_export": 0.14,
}
"""Share of firms that a source has records of; registration and public credit cover every firm."""

INFLATES = ("", "tax", "social_security")

SIZE_SLOPE = 0.80
"""Fall of the log-hazard per unit of log sales of the month, beside what health and age do.

With them the log-hazard falls by about 0.75 per unit; among real small firms it falls by 0.7 to 0.9.
"""
HEALTHY_SIZE = 0.25
"""Log sales per unit of health: the same on every day, so that size means the same risk in any year."""
YOUTH, YOUTH_MONTHS = 0.45, 30.0
"""Log-hazard of a firm just founded beside that of an old one, and the months in which it falls to 1/e."""
QUARTERLY, OCCASIONAL = 0.86, 0.08
"""Shares of small-scale taxpayers that file by quarter, as the law has it, and that of the small ones per occasion."""


def stream(seed: int, block: int, name: str) -> np.random.Generator:
    """Return the random stream of one block for one purpose, so that no part can disturb another."""
    key = np.random.SeedSequence(seed, spawn_key=(block, STREAMS.index(name)))
    return np.random.Generator(np.random.SFC64(key))


@dataclass(frozen=True)
class Firms:
    """Constants of the firms of one block; every array has shape (n,)."""

    seed: int
    block: int
    firm: Ints  # city-wide number
    kind: Ints
    trade: Ints
    region: Ints
    entity: Ints
    size: Floats  # log of usual monthly sales in yuan
    level: Floats  # mean health
    risk: Floats  # log-hazard beside health, size and youth
    sloppy: Floats  # pays late without being in trouble
    growth: Floats  # log sales per month
    season: Floats
    gap: Floats
    established_day: Ints  # days since 1970
    first_month: Ints  # month of the first record, may be 0 for older firms
    age_months: Ints  # at month 0, negative for firms not yet founded
    general: Bools  # general VAT taxpayer
    filing: Ints  # index into FILINGS: how often VAT is filed
    inflates: Ints  # index into INFLATES
    covered: Mapping[str, Bools]

    def __len__(self) -> int:
        return int(self.firm.size)

    def stream(self, name: str) -> np.random.Generator:
        """Return this block's random stream for one purpose."""
        return stream(self.seed, self.block, name)

    def of_trade(self, column: str) -> Floats:
        """Return a numeric column of each firm's trade."""
        return trade_column(column)[self.trade]

    def grown(self, calendar: Calendar) -> Floats:
        """Return by how much log sales lie above the usual ones by growth alone, shape (n, total months)."""
        return self.growth[:, None] * (np.arange(calendar.total) - calendar.months / 2)

    def is_kind(self, *names: str) -> Bools:
        """Whether each firm is of one of these kinds."""
        return np.isin(self.kind, [KIND[name] for name in names])


# The city's yuan is of one year: firms grow and shrink against one another, and all of them together stay as they are.
_MEAN_GROWTH = sum(k.share * k.growth for k in KINDS)
_TRADING = np.array([trade.code[0] == "C" or trade.code == "F51" for trade in TRADES])


def _pick(rng: np.random.Generator, shares: npt.ArrayLike, n: int) -> Ints:
    weights = np.asarray(shares, dtype=np.float64)
    return np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n), side="right").clip(0, weights.size - 1)


def _of_kind(kind: Ints, column: str) -> Floats:
    return np.array([getattr(k, column) for k in KINDS], dtype=np.float64)[kind]


def _draw_coverage(
    rng: np.random.Generator, kind: Ints, trade: Ints, size: Floats, targets: Mapping[str, float]
) -> dict[str, Bools]:
    n = kind.size
    # The meters share one draw: a firm that one utility knows is likelier known to the others.
    shared = rng.random(n)
    out: dict[str, Bools] = {}
    shares = np.array([k.share for k in KINDS])
    for name, target in targets.items():
        odds = np.array([k.coverage.get(name, 1.0) for k in KINDS])
        likely = np.minimum(target * (odds / (shares * odds).sum() * shares.sum())[kind], 1.0)
        own = rng.random(n)
        draw = np.where(own < 0.5, shared, rng.random(n)) if name in SUPPLIES else own
        if name == "social_security" and target < 1:
            # Larger firms insure their staff more often; the mean stays near the target.
            likely = np.clip(likely + 0.10 * np.tanh(size - USUAL_SIZE + 0.5), 0.02, 1.0)
        if name == "gas" and target < 1:
            uses = trade_column("gas")[trade] > 0
            likely = np.where(uses, np.minimum(likely * 1.7, 1.0), 0.0)
        if name == "housing_fund" and target < 1:
            # Who insures staff mostly pays into the fund too; hardly anybody else does.
            likely = np.minimum(target * np.where(out["social_security"], 1.6, 0.1), 1.0)
        if name == "import_export" and target < 1:
            likely = np.where(_TRADING[trade], np.minimum(target * 3.0 * np.exp(0.3 * (size - USUAL_SIZE)), 1.0), 0.0)
        out[name] = draw < likely
    return out


def draw_firms(seed: int, block: int, calendar: Calendar, coverage: Mapping[str, float]) -> Firms:
    """Draw the constants of one block of `BLOCK_FIRMS` firms."""
    rng, n = stream(seed, block, "firms"), BLOCK_FIRMS
    kind = _pick(rng, [k.share for k in KINDS], n)
    trade = _pick(rng, [t.share for t in TRADES], n)
    region = _pick(rng, [r[3] for r in REGIONS], n)
    sole = kind == KIND["sole_trader"]
    entity = np.where(sole, 2, np.array([0, 1, 3])[_pick(rng, [0.95, 0.035, 0.015], n)])
    size = USUAL_SIZE + 1.36 * rng.standard_normal(n) + _of_kind(kind, "size")

    thin = kind == KIND["thin"]
    years = rng.gamma(1.6, 5.0, n).clip(0.3, 38)
    young = rng.random(n) < np.where(thin, 0.7, np.where(kind == KIND["shell"], 0.45, 0.10))
    age = np.where(young, rng.integers(3 - calendar.months, 18, n), (years * 12).astype(np.int64) + 6)
    first_month = np.maximum(-age, 0)
    established = np.where(
        age <= 0,
        calendar.starts[np.minimum(first_month, calendar.months - 1)],
        calendar.starts[0] - (age * 30.4375).astype(np.int64),
    ) + rng.integers(0, 28, n)
    # Records begin in the month after the founding.
    first_month = np.where(age <= 0, first_month + 1, 0)

    level = _of_kind(kind, "health") + 0.80 * rng.standard_normal(n)
    size = np.clip(size + HEALTHY_SIZE * (level - 0.3), 8.5, 18.0)
    risk = _of_kind(kind, "risk") + trade_column("risk")[trade]
    # Above five million yuan of sales a year registration as a general taxpayer is a duty; others may register too.
    general = rng.random(n) < np.where(sole, 0.05, 1 / (1 + np.exp(-1.6 * (size - np.log(5e6 / 12)))))
    rhythm = rng.random(n)
    rare = (size < USUAL_SIZE - 0.5) & (rhythm < OCCASIONAL)
    filing = np.where(general, 0, np.where(rare, 2, np.where(rhythm < OCCASIONAL + QUARTERLY, 1, 0)))
    cheat = kind == KIND["manipulator"]
    covered = _draw_coverage(rng, kind, trade, size, coverage)
    by_staff = cheat & covered["social_security"] & (rng.random(n) < 0.35)
    inflates = np.where(by_staff, 2, np.where(cheat, 1, 0))
    # A manipulator inflates a source that has records of it.
    if coverage["tax"] >= COVERAGE["tax"]:
        covered["tax"] = covered["tax"] | (inflates == 1)
    season = _of_kind(kind, "season") * np.exp(0.35 * rng.standard_normal(n))
    gap_base = _of_kind(kind, "gap")
    gap = gap_base * np.exp(1.15 * rng.standard_normal(n) - 0.25 * (size - USUAL_SIZE))
    gap = np.clip(gap, 0.002, 0.93)
    return Firms(
        seed=seed,
        block=block,
        firm=block * BLOCK_FIRMS + np.arange(n),
        kind=kind,
        trade=trade,
        region=region,
        entity=entity,
        size=size,
        level=level,
        risk=risk,
        sloppy=0.25 * rng.standard_normal(n),
        growth=(_of_kind(kind, "growth") - _MEAN_GROWTH + 0.04 * rng.standard_normal(n)) / 12,
        season=season,
        gap=np.where(kind == KIND["dormant"], np.maximum(gap, 0.7), gap),
        established_day=established,
        first_month=first_month,
        age_months=age,
        general=general,
        filing=filing,
        inflates=inflates,
        covered=covered,
    )


@dataclass(frozen=True)
class Paths:
    """The hidden course of one block; matrices are (n, total months)."""

    departure: Floats  # of health from the firm's own level, without the shock
    health: Floats
    offset: Floats  # log-hazard at health = departure + shock
    default_month: Ints  # (n,) NEVER if none
    default_day: Ints  # (n,) days since 1970, NEVER if none
    leave_month: Ints  # (n,) first month without any record, NEVER if none
    since_default: Ints  # months since default, negative before

    def present(self, firms: Firms, months: int) -> Bools:
        """Whether a firm is at work in a month, shape (n, months)."""
        index = np.arange(months)
        return (index >= firms.first_month[:, None]) & (index < self.leave_month[:, None])


def draw_paths(firms: Firms, calendar: Calendar, hazard_times: float = 1.0) -> Paths:
    """Let one block's health drift and take shocks, and draw defaults and departures, at so many times the hazard."""
    rng, n, total = firms.stream("health"), len(firms), calendar.total
    burn_in = 36
    z = rng.standard_normal(n) * hazard.NOISE / np.sqrt(1 - hazard.PERSISTENCE**2)
    departure = np.empty((n, total))
    for t in range(-burn_in, total):
        z = hazard.step(z, rng.standard_normal(n), rng.random(n), rng.standard_exponential(n))
        if t >= 0:
            departure[:, t] = z
    exposure = firms.of_trade("exposure")
    shocked = departure + exposure[:, None] * calendar.health_shock
    index = np.arange(total)
    constant = hazard.BASE + np.log(hazard_times) + firms.risk - hazard.SLOPE * firms.level
    size = firms.size[:, None] + firms.grown(calendar) - USUAL_SIZE + 0.3
    youth = YOUTH * np.exp(-np.maximum(firms.age_months[:, None] + index, 0) / YOUTH_MONTHS)
    offset = constant[:, None] - SIZE_SLOPE * size + youth
    exists = index >= firms.first_month[:, None]

    fails = (rng.random((n, total)) < hazard.monthly(offset, shocked)) & exists
    leaves = (rng.random((n, total)) < hazard.LEAVE_CHANCE) & exists
    default = np.where(fails.any(axis=1), fails.argmax(axis=1), NEVER)
    leave = np.where(leaves.any(axis=1), leaves.argmax(axis=1), NEVER)
    default = np.where(leave < default, NEVER, default)
    day = calendar.starts[np.minimum(default, total)] + rng.integers(0, 28, n)
    # After a default two firms in three close within the year; the others go on, smaller.
    closes = default + 2 + rng.integers(0, 10, n)
    leave = np.where(default == NEVER, leave, np.where(rng.random(n) < 0.65, closes, NEVER))
    since = index - np.where(default == NEVER, NEVER, default)[:, None]
    return Paths(
        departure=departure,
        health=firms.level[:, None] + shocked,
        offset=offset,
        default_month=default,
        default_day=np.where(default == NEVER, NEVER, day),
        leave_month=leave,
        since_default=since,
    )


@dataclass(frozen=True)
class HazardTruth:
    """True hazards, firm-major; arrays of shape (n_firms * n_snapshots,)."""

    index: npt.NDArray[np.int64]  # positions of the firms
    snapshot: npt.NDArray[np.int64]  # month indices
    hazard_12m: npt.NDArray[np.float64]


def truth(firms: Firms, paths: Paths, calendar: Calendar, table: hazard.HazardTable) -> HazardTruth:
    """Return the true hazard of each firm at each quarter-end, NaN where it is not at risk."""
    exposure = firms.of_trade("exposure")
    columns = []
    for number, month in enumerate(calendar.snapshots):
        at_risk = (firms.first_month <= month) & (paths.default_month > month) & (paths.leave_month > month)
        # Growth moves the offset by a tenth in a year at most: its mean stands for it.
        offset = paths.offset[:, month + 1 : month + 1 + hazard.HORIZON].mean(axis=1)
        value = table.at(number, exposure, paths.departure[:, month], offset)
        columns.append(np.where(at_risk, value, np.nan))
    n, snapshots = len(firms), len(calendar.snapshots)
    return HazardTruth(
        index=np.repeat(np.arange(n), snapshots),
        snapshot=np.tile(calendar.snapshots, n),
        hazard_12m=np.stack(columns, axis=1).reshape(-1) if columns else np.empty(0),
    )

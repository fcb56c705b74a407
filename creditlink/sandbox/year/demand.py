"""Who asks in the year, when and for what, and what the platform computes for each firm on that day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from creditlink.engine.explanation.reasons import reasons_for
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import ProductBook
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.profile.pipeline import Profiles, profile_many
from creditlink.engine.scoring.limits.scorable import scorable
from creditlink.enterprises.service import Registration
from creditlink.financing.requests.ask import FinancingAsk
from creditlink.kit.clock import add_months, start_of_day
from creditlink.sandbox.year.policies import Applicant
from creditlink.training.city import City, CityError, read_frame
from creditlink.training.dataset import known_records

MONTHS = 12
HISTORY_MONTHS = 18
_STEP_FEN = 1_000_000
_AMOUNTS_FEN = (3_000_000, 3_000_000_000)
_TERMS = ((6, 0.2), (12, 0.5), (18, 0.1), (24, 0.15), (36, 0.05))
_LINKED = "linked_struck_off"
_USES = ("working_capital", "purchase", "payroll", "equipment", "technology", "refinancing")


@dataclass(frozen=True, eq=False)
class YearRequest:
    """One firm's request: when and for what, what the platform knows about the firm then, and what is true."""

    number: int
    at: datetime
    wanted: FinancingAsk
    registration: Registration
    subject: Subjects
    applicant: Applicant
    adverse: tuple[str, ...]  # reason codes of the profile, strongest first
    points_by_reason: dict[str, float]
    default_on: date | None  # the truth; no lender knows it

    @property
    def ask(self) -> Ask:
        """The request as matching takes it."""
        return Ask(self.wanted.amount_fen, self.wanted.term_months)


@dataclass
class Demand:
    """Every request of the year, in order, and how many firms could not be scored."""

    requests: list[YearRequest]
    unscorable: int


def first_month(city: City, *, follow: int) -> date:
    """Return the first of the twelve months: the last of them ends `follow` months before the city's records do.

    Raises
    ------
    CityError
        The city has too few months.
    """
    last = date.fromisoformat(str(city.manifest["last_period"]))
    start = add_months(last, -(MONTHS - 1) - follow)
    if add_months(city.first_period, HISTORY_MONTHS) > start:
        months = HISTORY_MONTHS + MONTHS + follow
        raise CityError(f"{city.path}/manifest.json: a year needs a city of at least {months} months")
    return start


def draw_demand(
    city: City,
    *,
    start: date,
    count: int,
    seed: int,
    live: LiveModel,
    book_of: Callable[[date], ProductBook],
    step: Callable[[int], None] = lambda _: None,
) -> Demand:
    """Return `count` requests spread evenly over twelve months, each of another firm in business and not in default.

    Profiles are those of the first day of the month, by the function that serves the API.

    Raises
    ------
    CityError
        The city has too few firms that could ask.
    """
    rng = np.random.default_rng([seed, 0])
    names = _names(city.path)
    pool = rng.permutation(city.records.registration["firm"].unique().sort().to_numpy())
    demand = Demand([], 0)
    drawn = 0
    for month in range(MONTHS):
        day = add_months(start, month)
        wanted = count * (month + 1) // MONTHS - len(demand.requests)
        while wanted > 0:
            batch, drawn = pool[drawn : drawn + max(2 * wanted, 20)], drawn + max(2 * wanted, 20)
            if not len(batch):
                raise CityError(f"{city.path}: only {len(demand.requests)} firms can ask, {count} are wanted")
            firms = _in_business(city, day, pl.Series("firm", np.sort(batch), dtype=pl.Int32))
            if firms.height:
                profiles = _profiles(city, firms["firm"], day, live, book_of(day))
                enough = scorable(profiles.features, live.rules.scorable)
                rows = np.flatnonzero(enough)
                demand.unscorable += int((~enough).sum())
                # A batch may hold more than the month still needs; the rest of it does not ask this year.
                chosen = np.sort(rng.permutation(rows)[:wanted])
                known = firms.join(names, on="firm", how="left", maintain_order="left")
                demand.requests += _requests(profiles, chosen.tolist(), known, live, rng, len(demand.requests))
                wanted -= len(chosen)
                step(len(chosen))
    demand.requests.sort(key=lambda one: (one.at, one.number))
    return demand


def _in_business(city: City, day: date, firms: pl.Series) -> pl.DataFrame:
    """Return `firm, hazard_12m, default_on` of firms in business at the last quarter's end that stay good all month."""
    quarter = max((one for one in city.snapshots if one <= day), default=None)
    if quarter is None:
        raise CityError(f"{city.path}/truth: has nothing by {day}")
    rows = city.truth.filter(
        (pl.col("as_of") == quarter)
        & pl.col("hazard_12m").is_not_null()
        & (pl.col("default_on").is_null() | (pl.col("default_on") > add_months(day, 1)))
        & pl.col("firm").is_in(firms.implode())
    )
    return rows.select("firm", "hazard_12m", "default_on").sort("firm")


def _profiles(city: City, firms: pl.Series, day: date, live: LiveModel, book: ProductBook) -> Profiles:
    records = known_records(city.records, day, firms)
    # The city's registration is that of its end; on the day a firm asks it is in business.
    then = records.registration.with_columns(pl.lit("active").alias("status"), pl.lit(value=False).alias(_LINKED))
    return profile_many(replace(records, registration=then), as_of=day, live=live, book=book)


def _requests(
    profiles: Profiles,
    rows: Sequence[int],
    known: pl.DataFrame,
    live: LiveModel,
    rng: np.random.Generator,
    first: int,
) -> Iterator[YearRequest]:
    """Yield the requests of the firms in `rows` of a month's profiles; `known` has their names and the truth."""
    scores, features = profiles.scores, profiles.features
    reasons = reasons_for(
        scores,
        features,
        live.model,
        live.reasons,
        settings=live.rules.reasons,
        industries=profiles.registration["industry"].to_list(),
        missing=[{}] * features.height,
    )
    codes = [BY_NAME[name].reason_code for name in scores.features]
    sales = features["sales_12_fen"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    days = (add_months(profiles.as_of, 1) - profiles.as_of).days
    for place, i in enumerate(rows):
        row, registration = known.row(i, named=True), profiles.registration.row(i, named=True)
        points: dict[str, float] = {}
        for code, share in zip(codes, scores.points_contributions[i].tolist(), strict=True):
            points[code] = points.get(code, 0.0) + share
        wanted = _draw_ask(float(sales[i]), rng)
        yield YearRequest(
            number=first + place,
            at=start_of_day(profiles.as_of)
            + timedelta(days=int(rng.integers(0, days)), minutes=int(rng.integers(8 * 60, 18 * 60))),
            wanted=wanted,
            registration=Registration(
                uscc=row["uscc"],
                name=row["name_zh"],
                industry=registration["industry"],
                region=registration["region"],
                entity_type=registration["entity_type"],
                registered_capital_fen=registration["registered_capital_fen"],
                paid_in_capital_fen=registration["paid_in_capital_fen"],
                established_on=registration["established_on"],
            ),
            subject=profiles.matches.subjects.take(i),
            applicant=Applicant(
                pd_12m=float(scores.pd_12m[i]),
                hazard_12m=row["hazard_12m"],
                sales_12_fen=float(sales[i]),
                section=registration["industry"][:1],
                amount_fen=wanted.amount_fen,
                term_months=wanted.term_months,
            ),
            adverse=tuple(reason.code for reason in reasons[i].adverse),
            points_by_reason=points,
            default_on=row["default_on"],
        )


def _draw_ask(sales_fen: float, rng: np.random.Generator) -> FinancingAsk:
    """Return what a firm asks for: around a tenth of its sales, in whole 10,000 yuan."""
    base = 20_000_000.0 if np.isnan(sales_fen) or sales_fen <= 0 else 0.10 * sales_fen
    amount = np.clip(base * np.exp(0.6 * rng.standard_normal()), *_AMOUNTS_FEN)
    terms, shares = zip(*_TERMS, strict=True)
    return FinancingAsk(
        amount_fen=max(round(float(amount) / _STEP_FEN), 1) * _STEP_FEN,
        term_months=int(rng.choice(terms, p=shares)),
        use=str(rng.choice(_USES)),
    )


def _names(folder: Path) -> pl.DataFrame:
    schema = {"firm": pl.Int32, "uscc": pl.String, "name_zh": pl.String}
    return read_frame(folder, "firms", schema, needed=schema)

"""The whole year in one call: read the city, run the market, carry out its deeds on a database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from uuid import UUID

from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching.book import ProductBook, compile_book
from creditlink.financing.funnel.funnel import Case
from creditlink.kit.clock import start_of_day
from creditlink.kit.postgres import db
from creditlink.kit.settings import Settings
from creditlink.products.files.seed import load_seed
from creditlink.products.files.templates import SeedInstitution
from creditlink.products.service import matching_settings
from creditlink.profiles.serving.live import load_live
from creditlink.sandbox.platform import seed as platform
from creditlink.sandbox.year.demand import MONTHS, Demand, draw_demand, first_month
from creditlink.sandbox.year.market import Market, Year, expected_end
from creditlink.sandbox.year.policies import draw_policies
from creditlink.sandbox.year.report import YearReport, report_of
from creditlink.sandbox.year.stage import YearStage, check_empty
from creditlink.training.city import read_city

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class YearPlan:
    """What year to live through."""

    city: Path
    requests: int
    lenders: int
    seed: int
    follow: int  # months in which nobody asks and the loans run on


@dataclass(frozen=True, eq=False)
class PlannedYear:
    """A year as it was computed, before any of it happens on a database."""

    plan: YearPlan
    demand: Demand
    year: Year

    @cached_property
    def report(self) -> YearReport:
        """The year in figures."""
        return report_of(self.year, unscorable=self.demand.unscorable)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain data; it depends on the city, plan, configuration and model, and nothing else."""
        return self.report.to_dict() | {"seed": self.plan.seed, "follow_months": self.plan.follow}


def plan_year(plan: YearPlan, settings: Settings, *, step: Step = lambda _: None) -> PlannedYear:
    """Return the year of a plan, computed in memory.

    Raises
    ------
    CityError
        The city cannot be used, or is too short or too small.
    ValueError
        More lenders are wanted than the seed has.
    SettingError
        A configuration file or the model is wrong.
    """
    city = read_city(plan.city)
    start = first_month(city, follow=plan.follow)
    live = load_live(settings)
    institutions, products = load_seed(settings.config_dir / "products.toml")
    codes = demo_lenders(institutions, plan.lenders)
    theirs = [terms for terms in products if terms.institution_code in codes]

    @lru_cache(maxsize=2 * MONTHS)
    def book_of(day: date) -> ProductBook:
        return compile_book(theirs, BY_NAME, matching_settings(settings.config_dir), on=day)

    def step_profiles(count: int) -> None:
        for _ in range(count):
            step("profile")

    demand = draw_demand(
        city, start=start, count=plan.requests, seed=plan.seed, live=live, book_of=book_of, step=step_profiles
    )
    policies = draw_policies(codes, requests_a_month=plan.requests / MONTHS, seed=plan.seed)
    market = Market(demand.requests, policies, book_of, start, expected_end(start, plan.follow), plan.seed)
    return PlannedYear(plan, demand, market.run(lambda: step("market")))


def demo_lenders(institutions: Sequence[SeedInstitution], count: int) -> tuple[str, ...]:
    """Return the codes of the first `count` that lend everywhere, a bank and a lender of another kind in turn.

    Raises
    ------
    ValueError
        There are not so many.
    """
    everywhere = [one for one in institutions if not one.regions]
    banks = [one.code for one in everywhere if one.kind == "bank"]
    others = [one.code for one in everywhere if one.kind != "bank"]
    if count > len(everywhere):
        raise ValueError(f"lenders: {count} are wanted, {len(everywhere)} of the seed lend everywhere")
    chosen: list[str] = []
    while len(chosen) < count:
        first, second = (banks, others) if len(chosen) % 2 == 0 else (others, banks)
        chosen.append((first or second).pop(0))
    return tuple(chosen)


def live_through(planned: PlannedYear, settings: Settings, *, step: Step = lambda _: None) -> YearStage:
    """Carry out a year on the process's database, which must have no request yet.

    Raises
    ------
    StageTaken
        It has some.
    """
    stage = YearStage(settings, planned.demand.requests, planned.year)
    with db.transaction("owner") as session:
        check_empty(session)
        platform.seed_lenders(session, settings, now=stage.first_instant)
        stage.prepare(session)
    stage.play(lambda: step("deed"))
    return stage


class NotReconciled(Exception):
    """What the platform reports of the year is not what happened: one of them is wrong."""


def reconcile(planned: PlannedYear, stage: YearStage, cases: Sequence[Case]) -> dict[str, int]:
    """Return the funnel of the platform's own rows, checked against the year application by application.

    Raises
    ------
    NotReconciled
        They differ, or the platform learned other odds from the answers than the year did; the message says where.
    """
    end = start_of_day(planned.year.until)
    happened: dict[str, dict[UUID, int]] = {"offer": {}, "decline": {}, "draw": {}, "closure": {}, "write_off": {}}
    for deed in planned.year.deeds:
        if deed.application is not None and deed.at <= end:
            kind = deed.kind if deed.outcome is None else deed.outcome.kind
            if kind in happened:
                fen = deed.application.terms.amount_fen if deed.outcome is None else deed.outcome.amount_fen
                amounts = happened[kind]
                key = stage.application_ids[deed.application.number]
                amounts[key] = amounts.get(key, 0) + fen
    amounts_of = {
        "offer": {one.application: one.approved_fen for one in cases if one.approved},
        "draw": {one.application: one.drawn_fen for one in cases if one.drawn_fen},
    }
    for kind, rows in amounts_of.items():
        if rows != happened[kind]:
            raise NotReconciled(f"{kind}: {len(rows)} applications on the platform, {len(happened[kind])} in the year")
    sets = {
        "decline": {one.application for one in cases if one.declined},
        "closure": {one.application for one in cases if one.repaid},
        "write_off": {one.application for one in cases if one.written_off},
    }
    for kind, keys in sets.items():
        if keys != set(happened[kind]):
            raise NotReconciled(f"{kind}: {len(keys)} applications on the platform, {len(happened[kind])} in the year")
    models = [model.sha256 for model in planned.year.models]
    if stage.learned != models:
        raise NotReconciled(f"approval odds: {stage.learned} learned on the platform, {models} in the year")
    return {
        "applied": len(cases),
        "approved": len(amounts_of["offer"]),
        "declined": len(sets["decline"]),
        "drawn": len(amounts_of["draw"]),
        "repaid": len(sets["closure"]),
        "written_off": len(sets["write_off"]),
    }

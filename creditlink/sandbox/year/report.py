"""The year in figures: what happened, how the ranking did against the truth, what was learned."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from rich.console import Console
from rich.table import Table

from creditlink.engine.matching.offers.approval import ApprovalModel
from creditlink.financing.funnel.funnel import FunnelGroup
from creditlink.sandbox.year import truth
from creditlink.sandbox.year.loans import BAD_DAYS
from creditlink.sandbox.year.market import LEARN_MONTH, Year
from creditlink.sandbox.year.policies import REASONS
from creditlink.sandbox.year.truth import OddsCalibration, OrderFigures

VERSION = 1


@dataclass(frozen=True, eq=False)
class YearReport:
    """A year in figures; the same city, seed and sizes give the same."""

    first_day: date
    after_last_day: date
    unscorable_firms: int
    requests: int
    applications: int
    happened: dict[str, int]  # kind of deed -> how many
    declined_for: dict[str, int]
    loans: dict[str, int]
    lenders: list[str]
    judged: int  # requests after odds were learned
    without_offer: int  # of them, those without any fitting offer
    mean_products_shown: float
    orders: list[OrderFigures]
    odds: list[OddsCalibration]
    models: list[ApprovalModel]
    deeds_sha256: str

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain data."""
        return {
            "version": VERSION,
            "first_day": self.first_day.isoformat(),
            "after_last_day": self.after_last_day.isoformat(),
            "learned_after_months": LEARN_MONTH,
            "requests": self.requests,
            "unscorable_firms": self.unscorable_firms,
            "applications": self.applications,
            "happened": self.happened,
            "declined_for": self.declined_for,
            "loans": self.loans,
            "lenders": self.lenders,
            "ranking": {
                "requests": self.judged,
                "without_any_fitting_offer": self.without_offer,
                "mean_products_shown": self.mean_products_shown,
                "orders": [figures.to_dict() for figures in self.orders],
            },
            "approval_odds": [calibration.to_dict() for calibration in self.odds],
            "models": [model.to_dict() | {"sha256": model.sha256} for model in self.models],
            "deeds_sha256": self.deeds_sha256,
        }


def report_of(year: Year, *, unscorable: int) -> YearReport:
    """Return the year in figures."""
    late = [judged for judged in year.requests if judged.after_learning]
    after = {judged.request.number for judged in late}
    return YearReport(
        first_day=year.start,
        after_last_day=year.until,
        unscorable_firms=unscorable,
        requests=len(year.requests),
        applications=len(year.applications),
        happened=dict(sorted(Counter(deed.kind for deed in year.deeds).items())),
        declined_for=_declines(year),
        loans=_loans(year),
        lenders=[policy.code for policy in year.policies],
        judged=len(late),
        without_offer=sum(truth.best_place(judged) is None for judged in late),
        mean_products_shown=_mean(len(judged.listing.in_force) for judged in late),
        orders=truth.judge_orders(late),
        odds=[
            *truth.of_answers(one for one in year.applications if one.request in after),
            *truth.of_everything_shown(late),
        ],
        models=year.models,
        deeds_sha256=deeds_sha256(year),
    )


def deeds_sha256(year: Year) -> str:
    """Return a hash over everything that happened, in order: two years are the same or they are not."""
    sha = hashlib.sha256()
    for deed in year.deeds:
        one = deed.application
        line = [
            deed.at.isoformat(),
            deed.kind,
            deed.request,
            None if one is None else [one.number, one.product.code, one.terms.to_dict() if deed.kind == "offer" else 0],
            None if deed.outcome is None else [deed.outcome.kind, deed.outcome.amount_fen, deed.outcome.days_past_due],
        ]
        sha.update(json.dumps(line, separators=(",", ":")).encode())
    return sha.hexdigest()


def _declines(year: Year) -> dict[str, int]:
    counts = Counter(REASONS[one.reason] for one in year.applications if not one.approved and not one.silent)
    return dict(sorted(counts.items())) | {"(no answer)": sum(one.silent for one in year.applications)}


def _loans(year: Year) -> dict[str, int]:
    reported = [(deed.request, deed.outcome) for deed in year.deeds if deed.outcome is not None]

    def requests(kind: str, least_days: int = 0) -> int:
        return len({r for r, out in reported if out.kind == kind and (out.days_past_due or 0) >= least_days})

    return {
        "drawn": requests("draw"),
        "drawn_fen": sum(out.amount_fen for _, out in reported if out.kind == "draw"),
        "closed": requests("closure"),
        "late_once": requests("repayment", 1),
        "bad": requests("repayment", BAD_DAYS),
        "written_off": requests("write_off"),
    }


def _mean(values: Iterable[int]) -> float:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 1) if numbers else 0.0


def show(report: YearReport, console: Console, *, rows: Sequence[FunnelGroup], league: Sequence[FunnelGroup]) -> None:
    """Print the report as tables."""
    happened, loans = report.happened, report.loans
    console.print(
        f"{report.first_day} … {report.after_last_day}: {report.requests} requests, "
        f"{report.applications} applications to {len(report.lenders)} lenders; "
        f"{happened.get('offer', 0)} offers, {happened.get('decline', 0)} declines, "
        f"{loans['drawn']} loans drawn, {loans['bad']} of them bad, {loans['written_off']} written off"
    )
    console.print(_orders(report))
    console.print(_odds(report))
    if rows:
        table = Table("lender", "firms", "applied", "approved", "drawn", "repaid", "90 days late", title="Funnel")
        for row in rows:
            counts = (row.firms, row.applied, row.approved, row.drawn, row.repaid, row.overdue_90)
            table.add_row(row.key, *map(str, counts))
        console.print(table)
    if league:
        table = Table("lender", "answered", "median hours", title="Answer times, the quickest first")
        for row in league:
            table.add_row(row.key, str(row.answered), f"{row.median_answer_hours}")
        console.print(table)


def _orders(report: YearReport) -> Table:
    title = (
        f"Was the best product first? {report.judged} requests after odds were learned, "
        f"{report.without_offer} of them without any fitting offer"
    )
    table = Table("order", "first", "in first three", "lenders asked until one offers", "dearer than best", title=title)
    for figures in report.orders:
        table.add_row(
            figures.order,
            f"{figures.top1:.1%}",
            f"{figures.top3:.1%}",
            f"{figures.lenders_tried:.2f}",
            f"{figures.cost_above_best_bps / 100:.2f} points",
        )
    return table


def _odds(report: YearReport) -> Table:
    table = Table("odds", "over", "answers", "approved", "mean odds", "ECE", "Brier", title="Did approval odds hold?")
    for one in report.odds:
        table.add_row(
            one.odds,
            one.over,
            str(one.answers),
            f"{one.approved:.1%}",
            f"{one.mean_odds:.1%}",
            f"{one.ece:.3f}",
            f"{one.brier:.3f}",
        )
    return table

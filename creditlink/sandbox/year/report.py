"""The year told: what happened, how the ranking did against the truth, what was learned."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from creditlink.financing.funnel.funnel import FunnelGroup
from creditlink.sandbox.year import truth
from creditlink.sandbox.year.loans import BAD_DAYS
from creditlink.sandbox.year.market import LEARN_MONTH, Year
from creditlink.sandbox.year.policies import REASONS

VERSION = 1


def report_of(year: Year, *, unscorable: int) -> dict[str, Any]:
    """Return the year as plain data; the same city, seed and sizes give the same."""
    late = [held for held in year.judged if held.after_learning]
    after = {held.asking.number for held in late}
    return {
        "version": VERSION,
        "first_day": year.start.isoformat(),
        "after_last_day": year.until.isoformat(),
        "learned_after_months": LEARN_MONTH,
        "requests": len(year.judged),
        "unscorable_firms": unscorable,
        "applications": len(year.tried),
        "happened": dict(sorted(Counter(deed.kind for deed in year.deeds).items())),
        "declined_for": _declines(year),
        "loans": _loans(year),
        "lenders": [policy.code for policy in year.policies],
        "ranking": {
            "requests": len(late),
            "without_any_fitting_offer": sum(truth.best_place(held) is None for held in late),
            "mean_products_shown": _mean(len(held.shown.in_force) for held in late),
            "orders": [figures.to_dict() for figures in truth.judge_orders(late)],
        },
        "approval_odds": [
            held.to_dict()
            for held in (
                *truth.of_answers(one for one in year.tried if one.request in after),
                *truth.of_everything_shown(late),
            )
        ],
        "models": [model.to_dict() | {"sha256": model.sha256} for model in year.models],
        "deeds_sha256": deeds_sha256(year),
    }


def deeds_sha256(year: Year) -> str:
    """Return a hash over everything that happened, in order: two years are the same or they are not."""
    sha = hashlib.sha256()
    for deed in year.deeds:
        one = deed.application
        told = [
            deed.at.isoformat(),
            deed.kind,
            deed.request,
            None if one is None else [one.number, one.product.code, one.terms.to_dict() if deed.kind == "offer" else 0],
            None if deed.outcome is None else [deed.outcome.kind, deed.outcome.amount_fen, deed.outcome.days_past_due],
        ]
        sha.update(json.dumps(told, separators=(",", ":")).encode())
    return sha.hexdigest()


def _declines(year: Year) -> dict[str, int]:
    counts = Counter(REASONS[one.reason] for one in year.tried if not one.approved and not one.silent)
    return dict(sorted(counts.items())) | {"(no answer)": sum(one.silent for one in year.tried)}


def _loans(year: Year) -> dict[str, int]:
    told = [(deed.request, deed.outcome) for deed in year.deeds if deed.outcome is not None]

    def requests(kind: str, least_days: int = 0) -> int:
        return len({r for r, out in told if out.kind == kind and (out.days_past_due or 0) >= least_days})

    return {
        "drawn": requests("draw"),
        "drawn_fen": sum(out.amount_fen for _, out in told if out.kind == "draw"),
        "closed": requests("closure"),
        "late_once": requests("repayment", 1),
        "bad": requests("repayment", BAD_DAYS),
        "written_off": requests("write_off"),
    }


def _mean(values: Iterable[int]) -> float:
    held = list(values)
    return round(sum(held) / len(held), 1) if held else 0.0


def show(
    report: dict[str, Any], console: Console, *, rows: Sequence[FunnelGroup], league: Sequence[FunnelGroup]
) -> None:
    """Print the report as tables."""
    happened, loans = report["happened"], report["loans"]
    console.print(
        f"{report['first_day']} … {report['after_last_day']}: {report['requests']} requests, "
        f"{report['applications']} applications to {len(report['lenders'])} lenders; "
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


def _orders(report: dict[str, Any]) -> Table:
    told = report["ranking"]
    title = (
        f"Was the best product first? {told['requests']} requests after odds were learned, "
        f"{told['without_any_fitting_offer']} of them without any fitting offer"
    )
    table = Table("order", "first", "in first three", "lenders asked until one offers", "dearer than best", title=title)
    for row in told["orders"]:
        table.add_row(
            row["order"],
            f"{row['top1']:.1%}",
            f"{row['top3']:.1%}",
            f"{row['lenders_tried']:.2f}",
            f"{row['cost_above_best_bps'] / 100:.2f} points",
        )
    return table


def _odds(report: dict[str, Any]) -> Table:
    table = Table("odds", "over", "answers", "approved", "mean odds", "ECE", "Brier", title="Did approval odds hold?")
    for row in report["approval_odds"]:
        table.add_row(
            row["odds"],
            row["over"],
            str(row["answers"]),
            f"{row['approved']:.1%}",
            f"{row['mean_odds']:.1%}",
            f"{row['ece']:.3f}",
            f"{row['brier']:.3f}",
        )
    return table

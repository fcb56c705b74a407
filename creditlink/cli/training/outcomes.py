"""`creditlink train outcomes|selection|cutoffs|alternatives`: learning from what became of real applicants."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click
from rich import box
from rich.console import Console
from rich.table import Table

from creditlink.cli.output import print_json
from creditlink.cli.training.learning import applicants_from, progress, source
from creditlink.engine.scoring.calibration.calibration import sigmoid
from creditlink.engine.scoring.model import ModelFolderError
from creditlink.kit.clock import utc_now
from creditlink.kit.money import fen_from_yuan, yuan_text
from creditlink.training.outcomes.alternatives import SEGMENT_CUTS, search_alternatives
from creditlink.training.outcomes.cutoffs import LoanEconomics, simulate_cutoffs
from creditlink.training.outcomes.fitting import FOLDS
from creditlink.training.outcomes.inference import METHODS, learn, lot_share
from creditlink.training.outcomes.package import train_on_outcomes
from creditlink.training.outcomes.selection import SelectionReport, selection_report
from creditlink.training.recalibration.outcomes import OutcomesUnusable

Arguments = ParamSpec("Arguments")

SHOWN_OF = 2
"""Every second cut-off is printed, besides the best and the last; JSON has all."""

_seed = click.option("--seed", type=int, default=2026, show_default=True, help="Folds and sampling.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")


def _refused(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """End a command with one line where its applicants or a value cannot be used."""

    @functools.wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (OutcomesUnusable, ModelFolderError, OSError, ValueError) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.command("outcomes")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@source
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write; must not exist.")
@click.option(
    *("--purpose", "purposes"),
    multiple=True,
    default=("underwriting",),
    show_default=True,
    help="What the model may be used for; may be given several times.",
)
@_seed
@_refused
def train_outcomes(
    model: Path,
    file: Path | None,
    from_database: bool,
    who: str | None,
    out: Path,
    purposes: tuple[str, ...],
    seed: int,
) -> None:
    """Train a model on the outcomes of real loans alone; no synthetic outcome is in it.

    \b
    creditlink train outcomes models/city-2026g --from-database --as wang --out models/loans-2027a
    creditlink train outcomes models/city-2026g --applicants var/applicants.parquet --out models/loans-2027a

    From MODEL comes nothing but the medians per industry that the indicators were computed with. 50 firms must have
    gone bad. The folder holds outcomes.json, card.md and datasheet.md: AUC and bad rates with intervals, on firms that
    were not learned from, and who is missing. Register the new model with `creditlink models register`.
    """
    if out.exists():
        raise click.UsageError(f"{out} exists; a model is never overwritten, give the new one another name")
    applicants = applicants_from(file, from_database, who, declined=False)
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("fold", total=FOLDS + 2)
        manifest, figures = train_on_outcomes(
            model,
            applicants,
            out,
            seed=seed,
            purposes=purposes,
            created_at=utc_now(),
            step=lambda done: bar.update(task, advance=1, description=done),
        )
    auc = figures["auc"]
    click.echo(f"{out}: {manifest['training']['rounds']} trees, {figures['rows']} loans of {figures['firms']} firms")
    click.echo(f"{figures['bads']} bad: {figures['bad_rate']['value']:.4f}, mean PD {figures['mean_pd']:.4f}")
    click.echo(f"AUC {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f}), ECE {figures['ece']:.4f}, held out")


@click.command("selection")
@source
@_seed
@_json
@_refused
def report_selection(file: Path | None, from_database: bool, who: str | None, seed: int, as_json: bool) -> None:
    """Tell what is known and what is only assumed of firms that were declined, and measure reject inference.

    \b
    creditlink financing labels --as wang --declined --out var/applicants.parquet
    creditlink train selection --applicants var/applicants.parquet

    Each method's error is measured where declined firms were lent to by lot: rows of the file with `approved` 0,
    `by_lot` 1 and an outcome. Without such rows the report says what each method assumes, and nothing shows which is
    right.
    """
    applicants = applicants_from(file, from_database, who, declined=True)
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("methods", total=len(METHODS))
        report = selection_report(
            applicants, seed=seed, step=lambda done: bar.update(task, advance=1, description=done)
        )
    if as_json:
        print_json(report, indent=None)
    else:
        show_selection(report, Console())


def show_selection(report: SelectionReport, console: Console) -> None:
    """Print a report of selection as tables."""
    known = report["known"]
    console.print(
        f"{known['applicants']} applicants, {known['approved']} approved, {known['labelled']} with an outcome, "
        f"{known['by_lot']} of them declined and lent to by lot. Known of the bad rate of all: between "
        f"{known['bad_rate_at_least']:.2%} and {known['bad_rate_at_most']:.2%}. PSI of declined against approved: "
        f"{known['psi_of_score']:.2f}"
    )
    if (by_lot := known["bad_rate_by_lot"]) is not None:
        console.print(
            f"Bad rate of declined firms by lot: {by_lot['value']:.2%} ({by_lot['low']:.2%} to {by_lot['high']:.2%})"
        )
    table = _narrow("method", "PD", "gap by lot", "AUC by lot", "true gap", "true ECE", "true AUC")
    table.title = "Declined firms: their mean PD by each method, and that less what happened"
    for one in report["methods"]:
        gap, error = one["gap_of_declined"], one["error_of_gap"]
        table.add_row(
            one["method"],
            f"{one['implied_bad_rate_of_declined']:.2%}",
            "not measured" if gap is None or error is None else f"{gap:+.2%}±{error:.2%}",
            _figure(one["auc"]),
            "" if one["true_gap_of_declined"] is None else f"{one['true_gap_of_declined']:+.2%}",
            _figure(one["true_ece"]),
            _figure(one["true_auc"]),
        )
    console.print(table)
    for one in report["methods"]:
        console.print(f"{one['method']} assumes: {one['assumes']}", style="dim")


def _narrow(*columns: str) -> Table:
    """Return a table that fits a terminal of 80 columns."""
    return Table(*columns, box=box.SIMPLE, pad_edge=False, collapse_padding=True)


def _yuan(fen: int) -> str:
    """Return whole yuan: what an applicant earns in the mean is not known to the fen."""
    return yuan_text(fen // 100 * 100).removesuffix(".00")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


@click.command("cutoffs")
@source
@click.option("--amount", default="1000000", show_default=True, metavar="YUAN", help="What a loan lends.")
@click.option("--margin-bps", default=300, show_default=True, help="What a good loan earns over its life.")
@click.option("--loss-bps", default=6000, show_default=True, help="What a bad loan loses after recovery.")
@click.option("--handling", default="200", show_default=True, metavar="YUAN", help="What an application costs.")
@_seed
@_json
@_refused
def cutoffs(
    file: Path | None,
    from_database: bool,
    who: str | None,
    amount: str,
    margin_bps: int,
    loss_bps: int,
    handling: str,
    seed: int,
    as_json: bool,
) -> None:
    """Tell what each cut-off would have earned on the loans of history.

    \b
    creditlink train cutoffs --applicants var/applicants.parquet --margin-bps 320 --loss-bps 5500

    PDs are those of a model that did not see the firm. Only loans whose outcome is known count; declined firms that
    were lent to by lot stand for the others. Without such firms, a cut-off looser than the lender's cannot be judged.
    """
    economics = LoanEconomics(fen_from_yuan(amount), margin_bps, loss_bps, fen_from_yuan(handling))
    applicants = applicants_from(file, from_database, who, declined=True)
    by_lot = lot_share(applicants) > 0
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("fold", total=FOLDS + 2)
        model, rows = learn(
            applicants,
            "by_lot" if by_lot else "approved_only",
            seed=seed,
            step=lambda done: bar.update(task, advance=1, description=done),
        )
    report = simulate_cutoffs(
        sigmoid(model.held_out_logit),
        rows.is_bad,
        economics,
        weight=rows.weight,
        firm=applicants.firm[rows.place],
        seed=seed,
    )
    if as_json:
        print_json(report.to_dict() | {"declined_firms": "by lot" if by_lot else "not known"}, indent=None)
        return
    table = _narrow("PD below", "approved", "bad rate", "bads out", "goods out", "yuan each", "90 %", "")
    for place, one in enumerate(report.rows):
        if place % SHOWN_OF and place not in (report.best, report.approve_all):
            continue
        table.add_row(
            f"{one.pd_below:.4f}",
            f"{one.approved_share:.1%}",
            "" if one.bad_rate is None else f"{one.bad_rate:.2%}",
            f"{one.bads_declined:.1%}",
            f"{one.goods_declined:.1%}",
            _yuan(one.profit_fen),
            f"{_yuan(one.profit_low_fen)}…{_yuan(one.profit_high_fen)}",
            "best" if place == report.best else "",
        )
    Console().print(table)
    who_counts = "declined firms by lot count for all declined" if by_lot else "declined firms are not known"
    click.echo(f"a loan breaks even at PD {report.break_even_pd:.4f}; {who_counts}")
    click.echo(f"the best cut-off earns more than approving all in {report.better_than_all:.0%} of draws")


@click.command("alternatives")
@source
@click.option("--segment", "by", type=click.Choice(list(SEGMENT_CUTS)), default="entity_type", show_default=True)
@click.option(
    "--approve", default=0.7, show_default=True, type=click.FloatRange(0.01, 0.99), help="Share of all approved."
)
@click.option(
    "--auc-lost", default=0.005, show_default=True, type=click.FloatRange(0, 0.5), help="What may be given up."
)
@_seed
@_json
@_refused
def alternatives(
    file: Path | None,
    from_database: bool,
    who: str | None,
    by: str,
    approve: float,
    auc_lost: float,
    seed: int,
    as_json: bool,
) -> None:
    """Search for a less discriminatory alternative: as good a model under which segments are approved more alike.

    \b
    creditlink train alternatives --applicants var/applicants.parquet --segment entity_type --auc-lost 0.005

    Some ten models are fitted, which takes minutes. An alternative is named where it costs no more AUC than --auc-lost
    and its gain holds for firms drawn anew. Whether segments ought to be approved alike is for people to say.
    """
    applicants = applicants_from(file, from_database, who, declined=False).labelled()
    with progress(Console(stderr=True)) as bar:
        task = bar.add_task("models", total=None)
        report = search_alternatives(
            applicants,
            by,
            approve_share=approve,
            most_auc_lost=auc_lost,
            seed=seed,
            step=lambda done: bar.update(task, advance=1, description=done),
        )
    if as_json:
        print_json(report.to_dict(), indent=None)
        return
    table = _narrow("model", "AUC", "lost", "alike", "of goods", "gain", "90 %")
    table.title = f"Approvals by {by}; alike: the lowest share over the highest"
    for one in report.candidates:
        table.add_row(
            one.name,
            f"{one.auc:.4f}",
            f"{one.auc_lost:+.4f}",
            f"{one.ratio:.3f}",
            f"{one.ratio_of_goods:.3f}",
            f"{one.gain:+.3f}",
            f"{one.gain_low:+.3f}…{one.gain_high:+.3f}",
        )
    Console().print(table)
    click.echo(f"less discriminatory at no more than {auc_lost:g} AUC: {report.found or 'none was found'}")

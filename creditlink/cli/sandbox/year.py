"""`creditlink sandbox year`: live through a year, and compare the ranking with the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from creditlink.cli.output import print_json
from creditlink.kit.settings import Settings, load_settings

if TYPE_CHECKING:
    from creditlink.financing.funnel.funnel import FunnelGroup

REPORT = "year.json"
Expect = Callable[[str, int], None]
Step = Callable[[str], None]


@click.command("year")
@click.option(
    *("--city", "folder"),
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A city of `sandbox city`, 30 months or longer, and --follow more.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the year.")
@click.option("--firms", default=500, show_default=True, type=click.IntRange(12, 100_000), help="How many firms ask.")
@click.option("--lenders", default=8, show_default=True, type=click.IntRange(3, 11), help="Banks and others in turn.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed and city: same year.")
@click.option("--follow", default=6, show_default=True, type=click.IntRange(0, 12), help="Months loans run on after.")
@click.option("--plan-only", is_flag=True, help="Only compute and measure; nothing happens on a database.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def year(
    folder: Path, out: Path, firms: int, lenders: int, seed: int, follow: int, plan_only: bool, as_json: bool
) -> None:
    """Let the demo lenders live through twelve simulated months on a city, and hold the ranking against the truth.

    Firms ask in the order that the platform shows them; each lender answers by a policy of its own that nobody sees:
    how cautious it is, what it knows from its own books, sectors it does not like, how many offers it makes a month.
    Firms take the cheapest offer that fits, loans are drawn, paid late and defaulted on as the city's truth has it.
    After eight months approval odds are learned; the requests of the last four judge them, and the three orders:
    by learned odds, by the published rule alone, and cheapest first.

    \b
    creditlink sandbox city --firms 2000 --months 48 --seed 20260 --out var/city
    creditlink sandbox year --city var/city --out var/year
    CREDITLINK_VAR_DIR=var/year creditlink financing funnel --by month
    CREDITLINK_VAR_DIR=var/year creditlink financing answer-times

    Everything happens through the services behind the API, on a database in --out (or that of DATABASE_URL, which must
    hold no request yet); the report is --out/year.json. The best product of a request is the one at the lowest yearly
    cost among those whose lender would truly offer at least four fifths of the amount over the very term.
    """
    # What these load takes seconds, which the help and the sandbox's processes should not wait for.
    from creditlink.financing.funnel import cases
    from creditlink.financing.funnel.funnel import funnel, league
    from creditlink.kit.postgres import db
    from creditlink.sandbox.platform.own_database import refuse_foreign
    from creditlink.sandbox.year.report import show
    from creditlink.sandbox.year.simulate import YearPlan, live_through, plan_year, reconcile
    from creditlink.sandbox.year.stage import StageTaken
    from creditlink.training.city import CityError

    console = Console(stderr=True)
    settings = load_settings()
    if not plan_only:
        refuse_foreign(settings)
    if (out / REPORT).exists():
        raise click.UsageError(f"{out} holds a year already: name another folder with --out, or remove it")
    plan = YearPlan(folder, firms, lenders, seed, follow)
    rows: list[FunnelGroup] = []
    best: list[FunnelGroup] = []
    try:
        with _steps(console) as expect_and_step:
            expect, step = expect_and_step
            expect("profile", firms)
            expect("market", firms)
            planned = plan_year(plan, settings, step=step)
            report = planned.to_dict()
            if not plan_only:
                expect("deed", len(planned.year.deeds))
                with _database(settings, out):
                    stage = live_through(planned, settings, step=step)
                    with db.transaction("owner") as session:
                        answered = cases.cases_of(session)
                    rows, best = funnel(answered, "institution"), league(answered)
                report["funnel"] = reconcile(planned, stage, answered) | {
                    "institutions": [row.to_dict() for row in rows]
                }
    except (CityError, StageTaken, ValueError) as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    beside = out / f".{REPORT}.new"
    beside.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(out / REPORT)
    if as_json:
        print_json(report, indent=None)
    else:
        show(planned.report, Console(), rows=rows, league=best)
        click.echo(f"{out / REPORT}: the whole report")


@contextmanager
def _database(settings: Settings, out: Path) -> Iterator[None]:
    """Open the year's database, built by the migrations, as that of this process."""
    from creditlink.sandbox.platform.own_database import open_own

    opened = open_own(replace(settings, var_dir=out))
    try:
        yield
    finally:
        opened.close()


@contextmanager
def _steps(console: Console) -> Iterator[tuple[Expect, Step]]:
    """Show a bar for each part of the work: how many steps it has, and each step."""
    columns = (TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def expect(name: str, total: int) -> None:
            tasks[name] = progress.add_task(name, total=total)

        yield expect, lambda name: progress.advance(tasks[name])

"""`creditlink sandbox years`: three years of a bank that learns from its own loans, held against the truth."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from creditlink.cli.output import iso, print_json
from creditlink.kit.settings import SettingError, load_settings


@click.command("years")
@click.option(
    *("--city", "folder"),
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A city of `sandbox city`, 57 months or longer.",
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed and city: same years.")
@click.option(
    "--ask", default=0.4, show_default=True, type=click.FloatRange(0.01, 0.99), help="Share that ask a quarter."
)
@click.option("--approve", default=0.7, show_default=True, type=click.FloatRange(0.05, 0.99), help="Share approved.")
@click.option(
    "--by-lot", default=0.1, show_default=True, type=click.FloatRange(0.01, 0.99), help="Share of the declined lent to."
)
@click.option("--method", default="by_lot", show_default=True, help="How models learn about declined firms.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the report to this JSON file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def years(
    folder: Path, seed: int, ask: float, approve: float, by_lot: float, method: str, out: Path | None, as_json: bool
) -> None:
    """Let a bank lend for three years and learn from nothing but its own loans; hold each model against the truth.

    The model in use decides the first year. Then, once a year, a new one is trained on the loans whose twelve months
    are over: on one quarter's loans for the second year, on five quarters' for the third. Officers see a little more
    than the score, and a few declined firms are lent to by lot, which measures what reject inference only assumes. AUC
    and calibration are those against the city's true probabilities, of all firms; no model sees these.

    \b
    creditlink sandbox city --firms 16000 --months 60 --hazard-times 2 --seed 31 --out var/risky
    creditlink sandbox years --city var/risky

    With --hazard-times 2 firms go bad twice as often as in the city that the model in use knows. It is all in memory:
    no database. Methods are those of `train selection`: approved_only, augmentation, extrapolation, parcelling, by_lot.
    """
    # What these load takes seconds, which the help should not wait for.
    from creditlink.cli.training.learning import progress
    from creditlink.cli.training.outcomes import show_selection
    from creditlink.profiles.serving.live import load_live
    from creditlink.sandbox.years.bank import BankPlan
    from creditlink.sandbox.years.report import show
    from creditlink.sandbox.years.simulate import STEPS, YearsPlan, live_years
    from creditlink.training.city import CityError, read_city
    from creditlink.training.outcomes.inference import METHODS
    from creditlink.training.recalibration.outcomes import OutcomesUnusable

    if method not in METHODS:
        raise click.BadParameter(f"{method!r}: one of {', '.join(METHODS)} is expected", param_hint="--method")
    try:
        live = load_live(load_settings())
        with progress(Console(stderr=True)) as bar:
            task = bar.add_task("city", total=STEPS)
            report = live_years(
                read_city(folder),
                live.model,
                live.reference,
                YearsPlan(seed, BankPlan(ask, approve, by_lot), method),
                step=lambda done: bar.update(task, advance=1, description=done),
            )
    except (CityError, SettingError, OutcomesUnusable) as error:
        raise click.ClickException(str(error)) from None
    if out is not None:
        beside = out.with_name(f".{out.name}.new")
        beside.write_text(json.dumps(report.to_dict(), default=iso, indent=1) + "\n", encoding="utf-8")
        beside.replace(out)
    if as_json:
        print_json(report.to_dict(), indent=None, default=iso)
        return
    console = Console()
    show(report, console)
    show_selection(report.selection, console)

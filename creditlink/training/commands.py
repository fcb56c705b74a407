"""`creditlink train …`: fit, calibrate and package a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditlink.clock import utc_now
from creditlink.features.catalogue import CATALOGUE
from creditlink.features.document import render_reference
from creditlink.training.champion import steps_of, train_champion
from creditlink.training.city import CityError, read_city
from creditlink.training.fit import Parameters
from creditlink.training.package import write_model
from creditlink.training.table_command import table
from creditlink.training.validation_command import validate_model


class DefaultGroup(click.Group):
    """A group whose first word may be a city folder: `creditlink train CITY` is `creditlink train city CITY`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front when the first word is not a command or an option."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["city", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup)
def train() -> None:
    r"""Fit, calibrate and package a model.

    \b
    creditlink sandbox city --firms 20000 --months 48 --seed 7 --out var/city
    creditlink train var/city --out models/city-2026b --seed 7

    `train CITY_DIR` is short for `train city CITY_DIR`.
    """


@train.command()
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Model folder to write, e.g. models/city-2026b."
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Folds, withheld categories, sampling.")
@click.option("--rounds", type=click.IntRange(10, 300), default=300, show_default=True, help="Trees at most.")
@click.option("--purpose", default="underwriting", show_default=True, help="What the model may be used for.")
@click.option("--replace", is_flag=True, help="Overwrite an existing model folder.")
def city(city_dir: Path, out: Path, seed: int, rounds: int, purpose: str, replace: bool) -> None:
    """Train on a synthetic city and write a model folder.

    Learns from every quarter-end with enough history whose outcomes were known by the newest one, and is judged on
    that newest one. The same city and seed give the same model.ubj, byte for byte.
    """
    if out.exists() and not replace:
        raise click.UsageError(f"{out} exists; give the model another name, or --replace it")
    parameters = Parameters(rounds=rounds)
    console = Console(stderr=True)
    try:
        with console.status(f"reading {city_dir}"):
            data = read_city(city_dir)
        columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("reference", total=steps_of(data, parameters))
            champion = train_champion(
                data,
                seed=seed,
                parameters=parameters,
                step=lambda done: progress.update(task, advance=1, description=done),
            )
            progress.update(task, completed=progress.tasks[0].total, description="done")
        manifest = write_model(
            out, champion, city_manifest=data.manifest, purpose=purpose, created_at=utc_now(), replace=replace
        )
    except (CityError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {champion.fitted.rounds} trees, model.ubj {manifest['files']['model.ubj'][:16]}…")
    for case, figures in champion.measured.items():
        click.echo(_line(case, figures))


@train.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("docs/indicators.md"), show_default=True
)
def indicators(out: Path) -> None:
    """Rewrite the reference of indicators from the catalogue."""
    out.write_text(render_reference(), encoding="utf-8")
    click.echo(f"{out}: {len(CATALOGUE)} indicators")


train.add_command(table)
train.add_command(validate_model)


def _line(case: str, m: dict[str, Any]) -> str:
    return (
        f"{case:28} AUC {m['auc']:.4f}  KS {m['ks']:.3f}  ECE {m['ece']:.4f}  expected AUC {m['expected_auc']:.4f} "
        f"of {m['best_expected_auc']:.4f} best = {m['share_of_best']:.3f}"
    )

"""`creditlink train scorecard …`: a WOE scorecard as a model folder, to fall back on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit.clock import utc_now
from creditlink.kit.settings import SettingError, load_settings
from creditlink.training.city import CityError, read_city
from creditlink.training.dataset import FEATURES
from creditlink.training.fitting import scorecard_trees
from creditlink.training.fitting.challenger import fit_scorecard
from creditlink.training.fitting.champion import FIT, Dataset, train_champion
from creditlink.training.fitting.fit import FittedBooster, Parameters
from creditlink.training.package import write_model
from creditlink.training.validation import figures

TABLE = "scorecard.json"
"""The file of the folder that says what each bin counts."""


@click.command("scorecard")
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Model folder to write, e.g. models/scorecard-2026f."
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Folds, withheld categories.")
@click.option("--purpose", "purposes", multiple=True, help="What it may be used for; default: every purpose.")
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite an existing model folder.")
def scorecard_model(city_dir: Path, out: Path, seed: int, purposes: tuple[str, ...], overwrite: bool) -> None:
    """Fit a WOE scorecard on a city and write it as a model folder, to fall back on when the live model drifts.

    \b
    creditlink sandbox city --firms 12000 --months 84 --seed 7 --until 2026-10 --out var/city12k
    creditlink train scorecard var/city12k --out models/scorecard-2026f

    The folder is that of any model: calibrated, with intervals, peers and a card, and scorecard.json, which a person
    can work through by hand. Have it approved in the register (creditlink models propose), and name it in
    config/watch.toml.
    """
    from creditlink.cli.training.train import PURPOSES

    if out.exists() and not overwrite:
        raise click.UsageError(f"{out} exists; give the model another name, or --replace it")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        rules = load_settings().parsed("score.toml", score_settings.parse)
        with console.status(f"reading {city_dir}"):
            data = read_city(city_dir)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("reference", total=27 + len(FEATURES) + figures.steps_of())

            def step(done: str) -> None:
                progress.update(task, advance=1, description=done)

            champion = train_champion(
                data, seed=seed, bounds=rules.scale.pd_bounds, parameters=Parameters(),
                fitter=lambda table: _fit(table, lambda: step("bins")), step=step,
            )  # fmt: skip
            manifest = write_model(
                out, champion, data, purposes=purposes or PURPOSES, created_at=utc_now(), replace=overwrite,
                evidence=rules.scorable, step=step,
            )  # fmt: skip
    except (CityError, SettingError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    trees = champion.fitted.rounds
    click.echo(f"{out}: {trees} trees of one split, model.ubj {manifest['files']['model.ubj'][:16]}…")


def _fit(table: Dataset, step: Callable[[], None]) -> tuple[FittedBooster, Mapping[str, object]]:
    rows = table.rows.filter(pl.Series(table.fold == FIT)).with_columns(pl.col(FEATURES).cast(pl.Float64))
    columns, is_bad = rows.select(FEATURES), rows["is_bad"].to_numpy()
    directions = {i.name: i.direction for i in CATALOGUE}
    card = fit_scorecard(columns, is_bad, directions=directions, step=step)
    counted, constant = scorecard_trees.columns_of(scorecard_trees.signed(card, columns, is_bad), columns)
    return (
        scorecard_trees.trees_of(counted, constant, FEATURES),
        {TABLE: scorecard_trees.described(counted, constant)},
    )

"""`creditlink train …`: fit, calibrate and package a model."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditlink.cli.training.outcomes import alternatives, cutoffs, report_selection, train_outcomes
from creditlink.cli.training.recalibrate import recalibrate_model
from creditlink.cli.training.scorecard import scorecard_model
from creditlink.cli.training.seasons import seasons
from creditlink.cli.training.swarm import swarm
from creditlink.cli.training.table import table
from creditlink.cli.training.validate import scorecard, validate_model
from creditlink.engine.features.catalogue import CATALOGUE
from creditlink.engine.features.document import render_reference
from creditlink.engine.scoring import settings as score_settings
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.settings import SettingError, Settings, load_settings
from creditlink.training.city import CityError, read_city
from creditlink.training.fitting.champion import read_dataset, steps_of, train_champion
from creditlink.training.fitting.fit import Parameters
from creditlink.training.fitting.search import as_toml
from creditlink.training.fitting.search import search as run_search
from creditlink.training.package import write_model
from creditlink.training.validation import figures
from creditlink.training.validation.document import CaseFigures, ValidationDocument

PURPOSES = ("prequalification", "underwriting", "monitoring", "report", "cultivation")


class DefaultGroup(click.Group):
    """A group whose first word may be a city folder: `creditlink train CITY` is `creditlink train city CITY`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front when the first word is not a command or an option."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["city", *args]
        return super().parse_args(ctx, args)


_allow = click.option(
    "--allow-leak",
    multiple=True,
    metavar="INDICATOR",
    help="Go on although this indicator seems to know the outcome; several times for several.",
)


@click.group(cls=DefaultGroup)
def train() -> None:
    """Fit, calibrate and package a model.

    \b
    creditlink sandbox city --firms 20000 --months 48 --seed 7 --out var/city
    creditlink train var/city --out models/city-2026g --seed 7

    `train CITY_DIR` is short for `train city CITY_DIR`.
    """


@train.command()
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Model folder to write, e.g. models/city-2026g."
)
@click.option("--seed", type=int, default=2026, show_default=True, help="Folds, withheld categories, sampling.")
@click.option("--rounds", type=click.IntRange(10, 300), help="Trees at most; default: as config/champion.toml says.")
@click.option(
    *("--purpose", "purposes"),
    multiple=True,
    default=PURPOSES,
    show_default=True,
    help="What the model may be used for; may be given several times.",
)
@click.option(
    *("--beside", "beside_dirs"),
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="A city of another seed and as many months, whose firms calibrate too; may be given several times.",
)
@_allow
@click.option("--challenger/--no-challenger", default=True, show_default=True, help="Compare with a WOE scorecard.")
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite an existing model folder.")
def city(
    city_dir: Path,
    out: Path,
    seed: int,
    rounds: int | None,
    purposes: tuple[str, ...],
    beside_dirs: tuple[Path, ...],
    allow_leak: tuple[str, ...],
    challenger: bool,
    overwrite: bool,
) -> None:
    """Train on a synthetic city and write a model folder.

    Learns from every quarter-end with enough history whose outcomes were known by the newest one, and is judged on
    that newest one: validation.json, and card.md made from it, are part of the folder. Hyper-parameters are those of
    config/champion.toml, grades those of config/score.toml. The same city and seed give the same model.ubj, byte for
    byte, and cities beside change the calibration alone. An indicator that knows the outcome stops the run by name.
    """
    if out.exists() and not overwrite:
        raise click.UsageError(f"{out} exists; give the model another name, or --replace it")
    console = Console(stderr=True)
    try:
        settings = load_settings()
        parameters = champion_parameters(settings)
        if rounds is not None:
            parameters = replace(parameters, rounds=rounds)
        rules = settings.parsed("score.toml", score_settings.parse)
        with console.status(f"reading {city_dir}"):
            data = read_city(city_dir)
        with _progress(console) as progress:
            steps = steps_of(data, parameters, cities=1 + len(beside_dirs))
            task = progress.add_task("reference", total=steps + figures.steps_of())

            def step(done: str) -> None:
                progress.update(task, advance=1, description=done)

            champion = train_champion(
                data,
                seed=seed,
                bounds=rules.scale.pd_bounds,
                parameters=parameters,
                allowed=allow_leak,
                beside=[partial(read_city, folder) for folder in beside_dirs],
                step=step,
            )
            # Rounds that early stopping spared are done as well.
            progress.update(task, completed=steps)
            manifest = write_model(
                out,
                champion,
                data,
                purposes=purposes,
                created_at=utc_now(),
                replace=overwrite,
                challenger=scorecard if challenger else None,
                evidence=rules.scorable,
                step=step,
            )
    except (CityError, SettingError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for leak in champion.leaks:
        click.echo(f"warning: {leak}", err=True)
    click.echo(f"{out}: {champion.fitted.rounds} trees, model.ubj {manifest['files']['model.ubj'][:16]}…")
    validation: ValidationDocument = json.loads((out / "validation.json").read_text())
    for case, measured in validation["cases"].items():
        click.echo(_line(case, measured))


@train.command()
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--trials", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many tries.")
@click.option("--seed", type=int, default=2026, show_default=True, help="Folds, what is withheld, and the tries.")
@click.option(
    *("--share", "share"),
    type=click.FloatRange(0.05, 1.0),
    default=0.5,
    show_default=True,
    help="Share of the firms to fit each try on.",
)
@_allow
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("config/champion.toml"), show_default=True
)
def search(city_dir: Path, trials: int, seed: int, share: float, allow_leak: tuple[str, ...], out: Path) -> None:
    """Search hyper-parameters on a city with optuna and write them down.

    Starts from those in use, judges by the log loss of held-out firms, and never ends worse than it began. Commit the
    file, then train.
    """
    console = Console(stderr=True)
    try:
        start = champion_parameters(load_settings())
        with console.status(f"reading {city_dir}"):
            data = read_city(city_dir)
        with _progress(console) as progress:
            task = progress.add_task("dataset", total=trials)
            table = read_dataset(data, seed=seed, allowed=allow_leak)
            result = run_search(
                table,
                start=start,
                trials=trials,
                seed=seed,
                share=share,
                step=lambda loss: progress.update(task, advance=1, description=f"loss {loss:.5f}"),
            )
    except (CityError, SettingError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    origin = ", ".join(f"{k} {data.manifest.get(k)}" for k in ("firms", "months", "seed", "generator_version"))
    beside = out.with_name(f".{out.name}.new")
    beside.write_text(as_toml(result, f"city of {origin}", day_of(utc_now())), encoding="utf-8")
    beside.replace(out)
    click.echo(f"{out}: log loss {result.loss:.6f}, {result.loss_before:.6f} before")


def champion_parameters(settings: Settings) -> Parameters:
    """Return the hyper-parameters of `config/champion.toml`.

    Raises
    ------
    SettingError, ValueError
        The file is absent, not TOML, or has other contents.
    """
    return Parameters.from_table(settings.read_toml("champion.toml").get("parameters", {}))


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


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
train.add_command(recalibrate_model)
train.add_command(scorecard_model)
train.add_command(seasons)
train.add_command(swarm)
for command in (train_outcomes, report_selection, cutoffs, alternatives):
    train.add_command(command)


def _line(case: str, m: CaseFigures) -> str:
    return (
        f"{case:28} AUC {m['auc']:.4f}  KS {m['ks']:.3f}  ECE {m['ece']:.4f}  expected AUC {m['expected_auc']:.4f} "
        f"of {m['best_expected_auc']:.4f} best = {m['share_of_best']:.3f}  coverage {m['interval_coverage']:.3f}  "
        f"shift {m['shift']:+.5f}"
    )

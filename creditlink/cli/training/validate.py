"""`creditlink train validate`: the validation pack of a model."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import click
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from creditlink.engine.features.catalogue import BY_NAME, CATALOGUE
from creditlink.engine.features.reference import Reference
from creditlink.engine.scoring import settings as score_settings
from creditlink.engine.scoring.manifest import ModelManifest
from creditlink.engine.scoring.model import ModelFolderError, load
from creditlink.kit.settings import load_settings
from creditlink.training.card import render_card
from creditlink.training.city import CityError, read_city
from creditlink.training.validation.document import ValidationDocument, rounded
from creditlink.training.validation.figures import steps_of, validate
from creditlink.training.validation.page import render_page


@click.command("validate")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--city", "city_dir", required=True, type=click.Path(path_type=Path), help="The city to judge on.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; must not exist.")
@click.option("--challenger/--no-challenger", default=True, show_default=True, help="Also fit a WOE scorecard.")
def validate_model(model: Path, city_dir: Path, out: Path, challenger: bool) -> None:
    """Measure a model on a city; write validation.html, validation.json and card.md from the same figures.

    \b
    creditlink train validate models/city-2026g --city var/city --out var/validation

    Discrimination, calibration, segments and parity, stability over time, gains, sensitivity, monotonicity on a grid,
    power of the cross-checks, the WOE scorecard and the best possible. Needs the training extra.
    """
    if out.exists():
        raise click.UsageError(f"{out} exists; give the pack another name")
    try:
        import matplotlib  # noqa: F401 (whether it is there, before any long work)
    except ImportError:
        raise click.ClickException("validation needs the training extra: pip install 'creditlink[training]'") from None
    console = Console(stderr=True)
    try:
        loaded = load(model)
        wrong = loaded.version_mismatches({name: indicator.version for name, indicator in BY_NAME.items()})
        if wrong:
            raise click.ClickException("; ".join(wrong))
        reference = Reference.from_json(json.loads((model / "reference.json").read_text()))
        with console.status(f"reading {city_dir}"):
            city = read_city(city_dir)
        columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("measure", total=steps_of())
            figures = validate(
                loaded,
                reference,
                city,
                challenger=scorecard if challenger else None,
                evidence=load_settings().parsed("score.toml", score_settings.parse).scorable,
                step=lambda done: progress.update(task, advance=1, description=done),
            )
    except (ModelFolderError, CityError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    write_pack(rounded(figures), loaded.manifest, out)
    o = figures["overall"]
    click.echo(f"{out}: AUC {o['auc']:.4f}, ECE {o['ece']:.4f}, {o['share_of_best']:.3f} of the best possible")


def write_pack(figures: ValidationDocument, manifest: ModelManifest, out: Path) -> None:
    """Write the page, the JSON and the card; the folder appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        (beside / "validation.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (beside / "card.md").write_text(render_card(manifest, figures), "utf-8")
        (beside / "validation.html").write_text(render_page(figures), "utf-8")
        beside.chmod(0o755)
        os.replace(beside, out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def scorecard(columns: pl.DataFrame, is_bad: NDArray[np.int8], judged: pl.DataFrame) -> NDArray[np.float64]:
    """Fit a WOE scorecard with the catalogue's directions and return its PDs; the challenger of `validate`."""
    from creditlink.training.fitting.challenger import fit_scorecard

    directions = {i.name: i.direction for i in CATALOGUE}
    return fit_scorecard(columns, is_bad, directions=directions).pd(judged)

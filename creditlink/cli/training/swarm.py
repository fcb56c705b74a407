"""`creditlink train swarm …`: what moves a model's scores over many firms, for the page of the model."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from creditlink.kit.settings import SettingError, load_settings
from creditlink.profiles.serving.live import live_model
from creditlink.training.city import CityError, read_city
from creditlink.training.dataset import plan_for
from creditlink.training.validation import swarm as measuring


@click.command("swarm")
@click.argument("model_id")
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seed", type=int, default=7, show_default=True, help="Of the sample and the mixing.")
def swarm(model_id: str, city_dir: Path, seed: int) -> None:
    """Compute the contributions of a model over a sample of a city's firms; written to models/swarms/.

    creditlink train swarm city-2026g var/city4k

    The file holds, for each of the indicators that move the points most, its points and the ranks of its values and of
    its partner's, each indicator mixed by itself: no firm can be read from it.
    """
    from creditlink.engine.scoring import settings as score_settings
    from creditlink.lifecycle.swarms import write_swarm

    if Path(model_id).name != model_id or model_id.startswith("."):
        raise click.ClickException(f"{model_id!r} is not the name of a folder under models/")
    settings = load_settings()
    console = Console(stderr=True)
    try:
        live = live_model(settings.models_dir / model_id, settings.parsed("score.toml", score_settings.parse))
        with console.status(f"reading {city_dir}"):
            city = read_city(city_dir)
        with console.status("contributions and interactions"):
            day = plan_for(city.snapshots, city.first_period).test
            named = {name: city.manifest.get(name) for name in ("firms", "months", "seed", "generator_version")}
            found = measuring.swarm(live.model, live.reference, city, day, sample=named, seed=seed)
    except (CityError, SettingError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    path = write_swarm(model_id, found, settings.models_dir)
    click.echo(f"{path}: {len(found.indicators)} indicators over {found.firms} firms")

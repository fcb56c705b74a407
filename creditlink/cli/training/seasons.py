"""`creditlink train seasons …`: the watch's reference for a model from before folders kept one."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from creditlink.kit.settings import SettingError, load_settings
from creditlink.profiles.serving.live import live_model
from creditlink.training.city import CityError, read_city
from creditlink.training.dataset import plan_for
from creditlink.training.fitting import seasons as measuring


@click.command("seasons")
@click.argument("model_id")
@click.argument("city_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
def seasons(model_id: str, city_dir: Path) -> None:
    """Measure a model's inputs and scores through its city's newest year; written to models/seasons/.

    creditlink train seasons city-2026g var/city12k

    New models keep this in their folder. The city should be the one that the model learned from; of one seed, a smaller
    city is the beginning of a larger one.
    """
    from creditlink.engine.scoring import settings as score_settings
    from creditlink.watch.references import write_reference

    if Path(model_id).name != model_id or model_id.startswith("."):
        raise click.ClickException(f"{model_id!r} is not the name of a folder under models/")
    settings = load_settings()
    console = Console(stderr=True)
    try:
        live = live_model(settings.models_dir / model_id, settings.parsed("score.toml", score_settings.parse))
        with console.status(f"reading {city_dir}"):
            city = read_city(city_dir)
        with console.status("24 days"):
            plan = plan_for(city.snapshots, city.first_period)
            found = measuring.seasons(live.model, live.reference, city, plan.test)
    except (CityError, SettingError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    named: dict[str, object] = {
        name: city.manifest.get(name) for name in ("firms", "months", "seed", "generator_version", "last_period")
    }
    path = write_reference(live.model, found, settings.models_dir, city=named)
    click.echo(f"{path}: {len(found.edges)} series on {len(found.days)} days")

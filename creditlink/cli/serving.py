"""The model of commands that work on files: the register's where there is a database, else that of the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError

from creditlink.engine.profile.live_model import LiveModel
from creditlink.kit.postgres import embedded
from creditlink.kit.processes.process import fault, open_database
from creditlink.kit.settings import SettingError, Settings
from creditlink.profiles.serving.in_use import model_in_use
from creditlink.profiles.serving.live import load_live

Command = TypeVar("Command", bound=Callable[..., object])


def of_a_model(command: Command) -> Command:
    """Give a command the option `--model`, as the parameter `model`."""
    option = click.option(
        "--model", metavar="NAME",
        help="The model, a folder of models/. Default: the one that the register has live; without a database, that "
        "of the settings.",
    )  # fmt: skip
    return option(command)


def model_for(settings: Settings, name: str | None, purpose: str) -> LiveModel:
    """Return the model of a command that needs no database.

    A register that cannot be read stops the command in production, where nobody may be scored by a model that nobody
    signed for; elsewhere it is said, and the model of the settings serves.

    Parameters
    ----------
    name : of a model's folder, where the command names it; it is held against the file of the register alone.

    Raises
    ------
    SettingError
        There is no such model, it is damaged, or the register has none for the purpose.
    """
    if name is not None:
        if name not in {path.name for path in settings.models_dir.iterdir()}:
            raise SettingError(f"--model {name!r}: there is no such folder in {settings.models_dir}")
        return load_live(replace(settings, model=name))
    if not embedded.has_database(settings):
        return load_live(settings)
    try:
        database = open_database(settings)
        try:
            with database.probing() as session:
                return model_in_use(session, settings, purpose)
        finally:
            database.close()
    except SQLAlchemyError as error:
        why = fault(error) or type(error).__name__
        if settings.is_production:
            raise SettingError(f"the register of models cannot be read ({why}): name a model with --model") from None
        click.echo(f"the register of models cannot be read ({why}): model {settings.model} of the settings", err=True)
        return load_live(settings)

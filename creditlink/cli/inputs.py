"""What the operator's commands share: how they read files, and their transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.orm import Session

from creditlink.kit import keyring
from creditlink.kit.processes.process import start

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def read_keys(file: Path) -> dict[str, object]:
    """Return the JWK set in a file, or end the command with one line.

    Raises
    ------
    click.ClickException
        It is not text, not JSON or not a set.
    """
    try:
        return keyring.key_set_of(file)
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None


@contextmanager
def refusing(refusal: type[Exception]) -> Iterator[None]:
    """End the command with one line where its work is refused.

    Raises
    ------
    click.ClickException
        It was, in the words of `refusal`.
    """
    try:
        yield
    except refusal as refused:
        raise click.ClickException(str(refused)) from None


@contextmanager
def operator_transaction(refusal: type[Exception]) -> Iterator[Session]:
    """Open the operator's transaction; a refusal ends the command with one line and undoes everything."""
    _, database = start("owner")
    with refusing(refusal), database.transaction("owner") as session:
        yield session

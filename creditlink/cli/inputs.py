"""What the operator's commands share: how they read files, and how they end where work is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from creditlink.kit import keyring

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
READABLE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""A file, or `-` for standard input: to be opened with `click.open_file`."""


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

"""`creditlink audit`: export the evidence, verify it without the database."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TextIO

import click
from sqlalchemy import select

from creditlink.audit import chain, service
from creditlink.enterprises.tables import Enterprise
from creditlink.process import start


@click.group()
def audit() -> None:
    """Export and verify what was disclosed, to whom, under which consent."""


@audit.command()
@click.option("--uscc", help="The firm; without it the chain of events in which no firm was known.")
@click.option("--out", type=click.File("w"), default="-", help="File to write (JSON lines); default standard output.")
def export(uscc: str | None, out: TextIO) -> None:
    """Write one firm's chain of evidence, oldest first, one JSON object a line."""
    _, database = start("owner")
    with database.transaction("owner") as session:
        chain_id = service.NO_FIRM
        if uscc:
            found = session.scalar(select(Enterprise.id).where(Enterprise.uscc == uscc.strip().upper()))
            if found is None:
                raise click.ClickException(f"--uscc {uscc}: no such firm is registered")
            chain_id = found
        for line in service.export(session, chain_id):
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


@audit.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(file: Path) -> None:
    """Check an exported chain; needs no database. Exit status 1 when it does not hold."""
    entries = []
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(text)
        except ValueError as error:
            raise click.ClickException(f"{file.name} line {number}: not JSON: {error}") from None
        if not isinstance(entry, dict):
            raise click.ClickException(f"{file.name} line {number}: not a JSON object")
        entries.append(entry)
    broken = chain.verify(entries)
    if broken:
        click.echo(f"{file.name} line {broken.line}: {broken.reason}")
        sys.exit(1)
    last = entries[-1]["digest"] if entries else chain.GENESIS
    click.echo(f"{file.name}: {len(entries)} entries, the chain holds; last digest {last}")

"""`creditlink models seed …`: models/registry.json, from which a fresh sandbox's database starts."""

from __future__ import annotations

from pathlib import Path

import click

from creditlink.engine.scoring import registry
from creditlink.engine.scoring.model import ModelFolderError, load
from creditlink.engine.scoring.registry import RegisterEntry, RegistryError
from creditlink.kit.clock import utc_now
from creditlink.kit.settings import load_settings

_operator = click.option("--by", required=True, help="Your account as an operator.")
_reason = click.option("--reason", required=True, help="Why; kept with the entry.")


@click.group()
def seed() -> None:
    """Write the file that a fresh database's register starts from: models/registry.json, beside the folders.

    creditlink models seed register city-2026g --owner risk-team --by ada --reason "trained on the new city"

    Names are names: nobody signs here. Who is live is decided in the database (creditlink models propose).
    """


@seed.command("list")
def list_models() -> None:
    """Show every model: status, since when, purposes, owner, and what is proposed."""
    with _problems():
        standings = registry.standings(_read(_path()))
    for one in standings.values():
        proposal = f"; {one.proposed[0]} proposed by {one.proposed[1]}" if one.proposed else ""
        status = f"{one.status} since {one.since}, owner {one.owner}, {', '.join(one.purposes)}{proposal}"
        click.echo(f"{one.model_id}: {status}")


@seed.command()
@click.argument("model_id")
@click.option("--owner", required=True, help="Who answers for the model.")
@_operator
@_reason
def register(model_id: str, owner: str, by: str, reason: str) -> None:
    """Make a model folder a candidate, its files checked; purposes are those of its manifest."""
    folder = load_settings().models_dir / model_id
    with _problems():
        model = load(folder)
        entries = _read(_path())
        entry = registry.register(
            entries,
            model_id=model_id,
            manifest_sha256=model.sha256,
            purposes=model.purposes,
            owner=owner,
            by=by,
            at=utc_now(),
            reason=reason,
        )
        _write(_path(), (*entries, entry))
    click.echo(f"{model_id}: candidate")


@seed.command()
@click.argument("model_id")
@click.argument("status", type=click.Choice(["validated", "shadow", "live"]))
@_operator
@_reason
def propose(model_id: str, status: str, by: str, reason: str) -> None:
    """Propose a status; another operator must approve it."""
    _step(model_id, "propose", status, by, reason)
    click.echo(f"{model_id}: {status} proposed by {by}")


@seed.command()
@click.argument("model_id")
@click.argument("status", type=click.Choice(["validated", "shadow", "live"]))
@_operator
@_reason
def approve(model_id: str, status: str, by: str, reason: str) -> None:
    """Approve what another operator proposed. A new live model retires the one of the same purposes."""
    _step(model_id, "approve", status, by, reason)
    click.echo(f"{model_id}: {status}")


@seed.command()
@click.argument("model_id")
@_operator
@_reason
def retire(model_id: str, by: str, reason: str) -> None:
    """Take a model out of use; one operator is enough, and there is no way back."""
    _step(model_id, "retire", "retired", by, reason)
    click.echo(f"{model_id}: retired")


class _problems:  # noqa: N801 (a context manager, used as a verb)
    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Show in one line what is wrong."""
        if isinstance(error, (RegistryError, ModelFolderError, OSError)):
            raise click.ClickException(str(error)) from error


def _step(model_id: str, action: str, status: str, by: str, reason: str) -> None:
    with _problems():
        entries = _read(_path())
        entry = registry.step(
            entries, model_id=model_id, action=action, status=status, by=by, at=utc_now(), reason=reason
        )
        _write(_path(), (*entries, entry))


def _path() -> Path:
    return load_settings().models_dir / registry.FILE


def _read(path: Path) -> tuple[RegisterEntry, ...]:
    return registry.from_json(path.read_text(encoding="utf-8")) if path.exists() else ()


def _write(path: Path, entries: tuple[RegisterEntry, ...]) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(registry.to_json(entries), encoding="utf-8")
    beside.replace(path)

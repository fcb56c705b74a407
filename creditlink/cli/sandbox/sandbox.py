"""`creditlink sandbox`: the synthetic city, a bureau server, a demo bank, the sandbox's credentials."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import click
import flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from werkzeug.serving import make_server

from creditlink.cli.sandbox.year import year
from creditlink.cli.sandbox.years import years
from creditlink.kit.clock import last_complete_month, utc_now
from creditlink.kit.settings import load_settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def sandbox() -> None:
    """Make a synthetic city, serve the offices that hold its records, live through a year on it."""


sandbox.add_command(year)
sandbox.add_command(years)


@sandbox.command()
@click.option("--firms", default=2000, show_default=True, type=click.IntRange(1, 100_000_000))
@click.option("--months", default=48, show_default=True, type=click.IntRange(6, 240), help="Months of records.")
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0), help="The same seed gives the same bytes."
)
@click.option("--until", help="Last month, YYYY-MM; default the last complete one.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option(
    "--coverage",
    "shares",
    multiple=True,
    metavar="SOURCE=SHARE",
    help="Share of firms that a source knows, 0 to 1: tax, social_security, electricity, water, gas, utility (all "
    "three), contract, intellectual_property, logistics. May be repeated.",
)
@click.option(
    "--partition-firms", default=100_000, show_default=True, type=click.IntRange(1, 10_000_000), help="Firms per file."
)
@click.option(
    "--processes",
    default=lambda: os.cpu_count() or 1,
    show_default="one per processor",
    type=click.IntRange(1, 1024),
    help="Partitions written at once.",
)
@click.option(
    "--hazard-times",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 10.0),
    help="How many times as often firms go bad.",
)
@click.option("--force", is_flag=True, help="Replace the city that the folder holds; anything else is never replaced.")
def city(
    firms: int,
    months: int,
    seed: int,
    until: str | None,
    out: Path,
    shares: tuple[str, ...],
    partition_firms: int,
    processes: int,
    hazard_times: float,
    force: bool,
) -> None:
    """Write a synthetic city: firms, records of every source with two clocks, and the truth about each firm.

    The folder appears when the city is complete; if anything fails there is nothing. A city of N firms is the
    beginning of any larger one of the same seed and months; how it is cut into files changes no record.

    \b
    creditlink sandbox city --firms 20000 --months 48 --out var/city20k
    creditlink sandbox city --firms 50000 --coverage utility=0.046 --out var/few-meters
    """
    from creditlink.sandbox.city import FolderRefused, FolderTaken, write_city

    coverage = dict(_share(text) for text in shares)
    columns = (TextColumn("firms"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("firms", total=firms)
        try:
            manifest = write_city(
                out,
                firms=firms,
                months=months,
                seed=seed,
                until=_month(until),
                partition_firms=partition_firms,
                coverage=coverage,
                hazard_times=hazard_times,
                overwrite=force,
                processes=processes,
                progress=lambda done, _all: progress.update(task, completed=done),
            )
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        except FolderTaken as error:
            raise click.ClickException(f"--out {error} (--force replaces a city)") from None
        except FolderRefused as error:
            raise click.ClickException(f"--out {error}") from None
    rows = sum(manifest["rows"].values())
    click.echo(
        f"{out}: {firms} firms, {manifest['first_period']} to {manifest['last_period']}, {rows} rows, seed {seed}"
    )


@sandbox.command()
@click.option("--city", "folder", required=True, type=_FOLDER, help="A folder that `sandbox city` wrote.")
@click.option("--firms", default=300, show_default=True, type=click.IntRange(1, 100_000), help="How many firms.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
def invoices(folder: Path, firms: int, out: Path) -> None:
    """Write the single VAT invoices of a city's firms, in the layout in which real ones are published.

    Example: creditlink sandbox invoices --city var/city20k --firms 300 --out var/invoices
    """
    from creditlink.sandbox.city import FolderRefused
    from creditlink.sandbox.invoice_folder import write_invoice_folder

    try:
        count = write_invoice_folder(folder, out, firms=firms)
    except FolderRefused as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {count} invoices")


def _share(text: str) -> tuple[str, float]:
    source, _, share = text.partition("=")
    try:
        return source, float(share)
    except ValueError:
        raise click.BadParameter(f"needs SOURCE=SHARE, got {text!r}", param_hint="--coverage") from None


def _month(text: str | None) -> date:
    if text is None:
        return last_complete_month(utc_now())
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise click.BadParameter(f"needs YYYY-MM, got {text!r}", param_hint="--until")
    return date(int(text[:4]), int(text[5:]), 1)


@sandbox.command()
@click.argument("kind", type=click.Choice(("tax", "social_security", "utility")))
@click.option("--city", "folder", required=True, type=_FOLDER, help="A folder that `sandbox city` wrote.")
@click.option("--invoices", type=_FOLDER, help="tax only: also serve the firms of a folder of real VAT invoices.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", required=True, type=click.IntRange(1, 65535))
def bureau(kind: str, folder: Path, invoices: Path | None, host: str, port: int) -> None:
    """Serve one bureau over a city's records; docs/bureaus.md is its manual.

    Credentials come from the environment (CREDITLINK_BUREAU_TAX_SECRET …), with public sandbox defaults.
    """
    from creditlink.sandbox.bureaus.holdings import HoldingsError
    from creditlink.sandbox.bureaus.real_invoices import RealInvoicesError
    from creditlink.sandbox.bureaus.serving import bureau_app

    if invoices is not None and kind != "tax":
        raise click.BadParameter("only the tax bureau holds invoices", param_hint="--invoices")
    try:
        app = bureau_app(kind, folder, invoices, os.environ)
    except (HoldingsError, RealInvoicesError) as error:
        raise click.ClickException(str(error)) from None
    _serve(app, host, port)


@sandbox.command()
@click.option("--city", "folder", required=True, type=_FOLDER, help="A folder that `sandbox city` wrote.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="OFFICE=PORT",
    help="Where an office listens; by default public_credit 7004, contract 7005, intellectual_property 7006, "
    "logistics 7007, import_export 7008, housing_fund 7009. Give it for each office that is to be served.",
)
def offices(folder: Path, host: str, ports: tuple[str, ...]) -> None:
    """Serve the six smaller offices over a city's records, from one process; docs/offices.md is their manual.

    Credentials come from the environment (CREDITLINK_BUREAU_CONTRACT_PASSWORD …), with public sandbox defaults.
    """
    from creditlink.sandbox.bureaus.holdings import HoldingsError
    from creditlink.sandbox.offices.serving import PORTS, office_apps, serve

    wanted = dict(_office_port(text, PORTS) for text in ports) or PORTS
    if len(wanted) < len(ports):
        raise click.BadParameter("an office is named twice", param_hint="--port")
    try:
        serve(office_apps(folder, wanted, os.environ), wanted, host)
    except HoldingsError as error:
        raise click.ClickException(str(error)) from None


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=7010, show_default=True, type=click.IntRange(1, 65535))
def identity(host: str, port: int) -> None:
    """Serve two providers of identity, at /one_pass and /e_licence: they believe whoever says who they are.

    The platform finds them by CREDITLINK_IDENTITY_ONE_PASS_URL and CREDITLINK_IDENTITY_E_LICENCE_URL.
    """
    from creditlink.sandbox.identity.provider import IdentityDesk

    _serve(IdentityDesk(f"http://{host}:{port}").application(), host, port)


@sandbox.command()
@click.argument("names", nargs=-1)
@click.option(
    "--to", required=True, type=click.Path(file_okay=False, path_type=Path), help="One folder for each office."
)
def golden(names: tuple[str, ...], to: Path) -> None:
    """Make the golden wire files of offices (NAMES; none: all) anew, for the conformance kit.

    Each is a conversation of the connector with the sandbox's office over scripted rows, and what comes of it.

    Example: creditlink sandbox golden tax electricity --to tests/conformance/wire
    """
    from creditlink.conformance.recording import OFFICES, record_office

    if unknown := sorted(set(names) - set(OFFICES)):
        raise click.BadParameter(f"{unknown[0]!r}: there are {', '.join(OFFICES)}", param_hint="NAMES")
    for name in names or OFFICES:
        click.echo(f"{name}: {len(record_office(name, to / name))} golden files in {to / name}")


def _office_port(text: str, known: Mapping[str, int]) -> tuple[str, int]:
    office, _, port = text.partition("=")
    if office not in known or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise click.BadParameter(f"needs one of {', '.join(known)}, and a port: got {text!r}", param_hint="--port")
    return office, int(port)


@sandbox.command()
@click.argument("index", type=click.IntRange(0))
@click.option("--credentials", "file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def bank(index: int, file: Path) -> None:
    """Serve demo bank INDEX (from 0): an OAuth client in a process of its own."""
    from creditlink.sandbox.banks.app import create_bank_app
    from creditlink.sandbox.banks.bank import DemoBank, load_key
    from creditlink.sandbox.platform.credentials import Credentials

    known = Credentials.read(file)
    if index >= len(known.banks):
        raise click.BadParameter(f"{index}: there are {len(known.banks)} demo banks", param_hint="INDEX")
    client = known.banks[index]
    desk = DemoBank(
        client_id=client.client_id,
        redirect_uri=client.redirect_uri,
        issuer=known.issuer,
        key=load_key(Path(client.key_file).read_text()),
    )
    _serve(create_bank_app(desk, webhook_secret=client.webhook_secret), "127.0.0.1", client.port)


@sandbox.command()
def credentials() -> None:
    """Print the credentials of the sandbox that `make run` started, as JSON."""
    from creditlink.sandbox.platform.stack import credentials_path

    path = credentials_path(load_settings())
    if not path.exists():
        raise click.ClickException("there are none yet: start the sandbox with `make run` first")
    click.echo(path.read_text(), nl=False)


def _serve(app: flask.Flask, host: str, port: int) -> None:
    # Request lines hold USCCs.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    make_server(host, port, app, threaded=True).serve_forever()

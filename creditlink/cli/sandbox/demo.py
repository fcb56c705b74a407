"""`creditlink up` and `creditlink demo`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from creditlink.kit.processes.stopping import Stopped
from creditlink.kit.settings import load_settings
from creditlink.sandbox.platform.credentials import DeskLogin, SandboxStaff
from creditlink.sandbox.platform.own_database import refuse_foreign
from creditlink.sandbox.platform.services import ServiceFailed, Services
from creditlink.sandbox.platform.stack import DEMO_DATABASE, RUN_DATABASE, Ports, Stack, start_stack
from creditlink.sandbox.walk.walk import Walk, WalkFailed

REAL = click.option(
    "--real",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of real VAT invoices (see the README): the tax bureau serves those firms too.",
)


@click.command()
@REAL
@click.option("--api-processes", default=1, show_default=True, type=click.IntRange(1, 8), help="Separate API servers.")
def up(real: Path | None, api_processes: int) -> None:
    """Start the whole sandbox and leave it running: database, bureaus, worker, API, four demo banks.

    Prints addresses and sandbox credentials; Ctrl-C stops everything.
    """
    console = Console(highlight=False)
    settings = load_settings()
    refuse_foreign(settings)
    try:
        with Services(settings.var_dir / "log") as services:
            ports = Ports.fixed(api_processes)
            say = _StepPrinter(console)
            stack = start_stack(services, ports, database=RUN_DATABASE, real=real, say=say)
            _print_addresses(console, stack)
            while True:
                services.look_after(say)
                time.sleep(0.5)
    except Stopped:
        console.print("stopped")
        raise
    except ServiceFailed as error:
        raise click.ClickException(str(error)) from None


@click.command()
@REAL
@click.option("--firms", type=click.IntRange(1), help="With --real: how many of the firms; default all.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Also write the profiles as JSON lines.")
def demo(real: Path | None, firms: int | None, out: Path | None) -> None:
    """Walk through the main job over real HTTP, then stop everything that was started.

    A bank (its own process) asks a firm for consent; the firm grants it on the real pages; records come
    from the offices; the profile is computed, explained and matched. The firm asks for a loan: four banks
    answer, each under a consent of its own; one offer is accepted, signed, drawn and repaid. The firm revokes,
    and the next read is refused.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    settings = load_settings()
    refuse_foreign(settings)
    began = time.monotonic()
    try:
        with Services(settings.var_dir / "log-demo") as services:
            say = _StepPrinter(console)
            stack = start_stack(services, Ports.free(), database=DEMO_DATABASE, real=real, say=say)
            say("everything is up")
            with closing(Walk(console, stack, began=began)) as walk:
                if real is None:
                    walk.synthetic_firms()
                else:
                    walk.real_firms(limit=firms, out=out)
            console.print(f"\n[bold green]done[/] in {time.monotonic() - began:.1f} s; stopping what was started")
    except (KeyboardInterrupt, Stopped):
        raise click.ClickException("interrupted") from None
    except (ServiceFailed, WalkFailed) as error:
        raise click.ClickException(str(error)) from None


class _StepPrinter:
    """Prints each step with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {text}")


def _print_addresses(console: Console, stack: Stack) -> None:
    table = Table(title="CreditLink sandbox", show_header=False, title_justify="left")
    for url in stack.api_urls:
        table.add_row("API and pages", url)
    table.add_row("API reference", f"{stack.issuer}/reference")
    table.add_row("sign in as a firm", f"{stack.issuer}/portal/")
    staff, desk = stack.credentials.staff, stack.credentials.desk
    table.add_row("sign in as staff", f"{stack.issuer}/portal/staff/sign-in  ({_logins(staff)})")
    if desk:
        table.add_row(
            f"sign in at {desk[0].institution}'s desk", f"{stack.issuer}/portal/desk/sign-in  ({_logins(desk)})"
        )
    table.add_row("sign up as a developer", f"{stack.issuer}/portal/developers/join")
    for name, url in stack.bureau_urls.items():
        table.add_row(f"{name} bureau", url)
    for bank, url in zip(stack.credentials.banks, stack.bank_urls, strict=True):
        table.add_row(f"demo bank {bank.institution}", f"{url}  (client_id {bank.client_id})")
    table.add_row("credentials as JSON", "creditlink sandbox credentials")
    console.print(table)
    people = Table("firm", "kind", "login", "password", title="Who may sign in", title_justify="left")
    for firm in stack.credentials.firms[:20]:
        people.add_row(firm.name, firm.kind, firm.login, firm.password)
    console.print(people)
    console.print("Ctrl-C stops everything.")


def _logins(people: Iterable[SandboxStaff | DeskLogin]) -> str:
    return ", ".join(one.login for one in people)

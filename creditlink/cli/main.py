"""`creditlink …`: every command of the platform. A group's module is loaded when it is used."""

from __future__ import annotations

import importlib
import sys

import click

from creditlink import __version__
from creditlink.kit.files import text
from creditlink.kit.processes import stopping
from creditlink.kit.settings import SettingError

# Command -> (where it lives, the line that `creditlink --help` shows).
COMMANDS: dict[str, tuple[str, str]] = {
    "db": ("creditlink.cli.platform:database", "Upgrade, downgrade, reset or open the database"),
    "doctor": ("creditlink.cli.doctor.command:doctor", "Name everything that is missing or weak, and what mends it"),
    "run": ("creditlink.cli.platform:run", "Serve the API and the pages"),
    "worker": ("creditlink.cli.platform:worker", "Run the background worker (pulls, expiry, purge)"),
    "up": ("creditlink.cli.sandbox.demo:up", "Start the whole sandbox and leave it running"),
    "demo": ("creditlink.cli.sandbox.demo:demo", "Walk through the main job over real HTTP, then stop"),
    "sandbox": ("creditlink.cli.sandbox.sandbox:sandbox", "The synthetic city, the bureau servers, credentials"),
    "train": ("creditlink.cli.training.train:train", "Fit, calibrate and package a model"),
    "screen": ("creditlink.cli.screening.screen:screen", "Screen a whole city; ask who qualifies for a product"),
    "models": ("creditlink.cli.training.models:models", "Register, promote and retire models, with four eyes"),
    "watch": ("creditlink.cli.watch:watch", "How the models in use are doing: drift, outcomes, alarms"),
    "login": ("creditlink.cli.login:login", "Sign in through a browser, to act in your own name"),
    "logout": ("creditlink.cli.login:logout", "Forget who signed in at this terminal"),
    "staff": ("creditlink.cli.staff:staff", "Who works for the platform, and what waits for a second person"),
    "institutions": ("creditlink.cli.institutions:institutions", "Add, list, suspend or resume institutions"),
    "clients": (
        "creditlink.cli.institutions:clients",
        "Register, rotate, suspend or resume OAuth clients",
    ),
    "desk": ("creditlink.cli.desk:desk", "Open an institution's desk of pages; invite its first people"),
    "products": ("creditlink.cli.products:products", "Check files of products; write, check, publish, retire"),
    "webhooks": ("creditlink.cli.webhooks:webhooks", "Set webhook addresses, see what failed, send it again"),
    "backup": ("creditlink.cli.backup:backup", "Back the database up; prove that a backup can be brought back"),
    "restore": ("creditlink.cli.backup:restore", "Restore a backup into an empty database"),
    "keys": ("creditlink.cli.keys:keys", "The server's keys: list them, a new one, seal anew with it"),
    "jobs": ("creditlink.cli.jobs:jobs", "How background work is doing, what failed, do it again"),
    "sources": ("creditlink.cli.sources:sources", "What the sources sent that did not read, back to them"),
    "relief": ("creditlink.cli.relief:relief", "Policies under which a late payment does not count"),
    "enterprises": ("creditlink.cli.enterprises:enterprises", "Register firms, check USCCs, appoint who may act"),
    "registry": ("creditlink.cli.registry:registry", "Load the registry of firms, clear codes that cannot be right"),
    "consents": ("creditlink.cli.consents:consents", "Try new limits, verify receipts, delete what is over"),
    "cards": ("creditlink.cli.cards:cards", "Verify what a firm shows of its credit card, offline"),
    "financing": ("creditlink.cli.financing:financing", "The funnel, answer times, outcomes from a lender's file"),
    "audit": ("creditlink.cli.audit:audit", "Export, verify and check the evidence"),
    "profiles": ("creditlink.cli.profiles:profiles", "What changed between two profiles of a firm, and why"),
    "decisions": ("creditlink.cli.decisions:decisions", "Find, export, verify and check archived decisions"),
    "disputes": ("creditlink.cli.disputes:disputes", "Disputes of firms: queue, answers by hand, statistics, receipts"),
    "reviews": ("creditlink.cli.reviews:reviews", "Cases for a person, overrides and their monitor, notices"),
    "reports": ("creditlink.cli.reports:reports", "Verify the file of a credit report, offline"),
    "replay": ("creditlink.cli.replay:replay", "Make any decision again, and compare it byte by byte"),
    "openapi": ("creditlink.cli.platform:openapi", "Print the OpenAPI document"),
}

# These run until they are asked to end, so that being asked is no failure.
_SERVERS = ("run", "worker", "up", "sandbox bureau", "sandbox offices", "sandbox bank")


class _Text(click.types.StringParamType):
    """A text that we can store: input that is not UTF-8 arrives as halves of characters."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; end the command if a character is refused."""
        converted = super().convert(value, param, ctx)
        if wrong := text.flaw(converted):
            self.fail(f"{text.printable(converted)!r} {wrong}: send UTF-8", param, ctx)
        return converted


def _guard(command: click.Command) -> None:
    """Check every text that a command and its subcommands take."""
    for parameter in command.params:
        if type(parameter.type) is click.types.StringParamType:
            parameter.type = _Text()
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _guard(inner)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` is quick."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import and return one command."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _guard(command)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """CreditLink: consented records of small firms, explained credit profiles, matched loan products."""


def main() -> None:
    """Run a command; a wrong setting, or a database that fails, ends it with one line, not a trace."""
    stopping.watch(serving=" ".join(sys.argv[1:3]).startswith(_SERVERS))
    try:
        cli()
    except SettingError as error:
        click.echo(f"creditlink: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        from creditlink.kit.processes.process import fault

        line = fault(error)
        if line is None:
            raise
        click.echo(f"creditlink: the database: {line}", err=True)
        sys.exit(2)
    finally:
        stopping.ignore()  # what runs at exit (an embedded server's end, say) runs whole

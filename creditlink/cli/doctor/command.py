"""`creditlink doctor`: the command."""

from __future__ import annotations

import sys

import click

from creditlink.cli.doctor import findings as found
from creditlink.cli.output import print_json
from creditlink.kit.clock import wall_clock
from creditlink.kit.processes.log import configure_logging
from creditlink.kit.settings import survey


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: status, and each finding with code and mend.")
@click.option("--accept", "accepted", multiple=True, metavar="CODE", help="A warning that was decided, e.g. mail_off.")
@click.option("--api-processes", type=click.IntRange(1, 1000), default=2, show_default=True, help="In all.")
@click.option("--workers", type=click.IntRange(1, 1000), default=1, show_default=True, help="In all.")
def doctor(as_json: bool, accepted: tuple[str, ...], api_processes: int, workers: int) -> None:
    """Name everything that is missing or weak here, at once, and what mends it.

    Looks at settings, files, secrets, offices, the database with its roles, models and workers, and at the certificate
    and the proxy of the issuer's address. Changes nothing. Ends with status 1 if there is an error.
    """
    from creditlink.cli.doctor.outside import look_from_outside
    from creditlink.cli.doctor.stored import look_at_database
    from creditlink.cli.doctor.written import look_at_settings

    settings, faults = survey()
    if settings is not None:
        configure_logging(settings)
    seen = list(look_at_settings(settings, faults))
    if settings is not None:
        seen += look_at_database(settings, api_processes=api_processes, workers=workers)
        seen += look_from_outside(settings, wall_clock())
    left = found.without(seen, accepted)
    if as_json:
        print_json(found.as_json(left))
    else:
        for one in left:
            click.echo(f"{one.level.upper():7}  {one.code}: {one.what}\n         → {one.mend}")
        errors = sum(one.level == "error" for one in left)
        click.echo(f"{errors} errors, {len(left) - errors} warnings" if left else "all is well")
    sys.exit(any(one.level == "error" for one in left))

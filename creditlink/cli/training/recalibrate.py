"""`creditlink train recalibrate`: a model's level fitted to real outcomes."""

from __future__ import annotations

from pathlib import Path

import click

from creditlink.cli.acting import named
from creditlink.cli.training.learning import applicants_from
from creditlink.engine.scoring.model import CreditModel, ModelFolderError, load
from creditlink.kit.clock import utc_now
from creditlink.training.recalibration.outcomes import OutcomesUnusable, RealOutcomes, outcomes_of, read_outcomes
from creditlink.training.recalibration.package import recalibrate


@click.command("recalibrate")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--outcomes",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Real outcomes: .csv or .parquet.",
)
@click.option(
    "--from-database",
    is_flag=True,
    help="The outcomes that lenders reported of loans on this platform, and the sealed records of their decisions.",
)
@named
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write; must not exist.")
def recalibrate_model(model: Path, file: Path | None, from_database: bool, who: str | None, out: Path) -> None:
    """Fit the level of MODEL to real outcomes and write it as a new model; the trees stay the same bytes.

    \b
    creditlink train recalibrate models/city-2026g --outcomes var/outcomes.csv --out models/portfolio-2026a
    creditlink train recalibrate models/city-2026g --from-database --as wang --out models/portfolio-2026a

    A row of outcomes is a firm on a day: is_bad (1: 90 days past due within the 12 months after), and pd_12m as the
    model gave it, or margin, or every indicator as `financing labels` writes them. Optional: firm (rows of one firm
    count as one), as_of, weight.

    From the database come the loans of firms that neither withdrew nor asked for deletion; opening a record is in its
    firm's log, with your name.

    100 firms must have gone bad; from 200 on a slope is fitted too, where a likelihood-ratio test asks for one. A file
    with a wrong row is refused, and each such row is named. Register the new model with `creditlink models register`.
    """
    if (file is None) == (not from_database):
        raise click.UsageError("give either --outcomes FILE or --from-database")
    if out.exists():
        raise click.UsageError(f"{out} exists; a model is never overwritten, give the new one another name")
    try:
        loaded = load(model)
        outcomes = read_outcomes(file, loaded) if file is not None else _of_database(loaded, who)
        manifest, document = recalibrate(model, outcomes, out, created_at=utc_now())
    except (ModelFolderError, OutcomesUnusable, OSError) as error:
        raise click.ClickException(str(error)) from error
    told, before, after = manifest["recalibration"], document["before"], document["after"]
    click.echo(f"{out}: log-odds times {told['slope']:g} and {told['level']:+.4f} ± {told['level_error']:.4f}")
    click.echo(f"{told['rows']} rows, {told['bads']} bad: {before['bad_rate']:.4f}")
    click.echo(f"mean PD {before['mean_pd']:.4f} before, {after['mean_pd']:.4f} after")
    click.echo(f"ECE {before['ece']:.4f} before, {after['ece']:.4f} after, on rows not fitted to")


def _of_database(model: CreditModel, who: str | None) -> RealOutcomes:
    """Return the outcomes of the platform's loans, as known today, with the indicators of their sealed records."""
    found = applicants_from(None, True, who, declined=False).labelled()
    return outcomes_of(found.rows, model, source=found.source, sha256=found.sha256)

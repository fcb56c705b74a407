"""`creditlink consents …`: try limits on past requests, verify receipts, delete what is over, verify that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select

from creditlink.audit import chain
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE, read_keys
from creditlink.cli.output import print_json
from creditlink.consents.agreement import limits, receipts
from creditlink.consents.agreement.limits import FairUse
from creditlink.consents.tables import Consent
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.files.textfile import TextUnreadable, json_of, read_file, read_toml
from creditlink.kit.processes.process import DATABASE_OPTION, confirm_destruction, start
from creditlink.retention import certificates, recheck
from creditlink.retention import purge as purging


@click.group()
def consents() -> None:
    """Try new fair-use limits on past requests; verify receipts; delete data whose life is over, and verify that."""


@consents.command()
@click.argument("file", type=FILE)
@click.option("--show", type=click.IntRange(0, 1000), default=20, show_default=True, help="How many to list.")
def simulate(file: Path, show: int) -> None:
    """Judge every past request by the limits in FILE (the layout of config/purposes.toml). Nothing is changed."""
    proposed = _read_limits(file)
    _, database = start("owner")
    breaches: Counter[str] = Counter()
    states: Counter[str] = Counter()
    listed: list[dict[str, object]] = []
    judged = 0
    with database.transaction("owner") as session:
        rows = session.scalars(select(Consent).order_by(Consent.requested_at, Consent.id))
        for consent in rows.yield_per(500):
            judged += 1
            breach = judge(consent, proposed)
            if breach is None:
                continue
            breaches[f"{consent.purpose}.{breach.attribute}"] += 1
            states[consent.state] += 1
            if len(listed) < show:
                listed.append({"consent": consent.wire_id, "state": consent.state, "breach": breach.message})
    print_json(
        {
            "version": proposed.version,
            "requests": judged,
            "would_be_refused": sum(breaches.values()),
            "by_attribute": dict(breaches.most_common()),
            "by_state": dict(states.most_common()),
            "listed": listed,
        }
    )


def judge(consent: Consent, proposed: FairUse) -> limits.Breach | None:
    """Return which limit a past request would have breached when it was sent."""
    if consent.purpose not in proposed.templates:
        return limits.Breach("purpose", consent.purpose, ", ".join(proposed.templates))
    return limits.breach(consent.details(), proposed, consent.requested_at)


def _read_limits(file: Path) -> FairUse:
    try:
        return limits.fair_use_from(read_toml(file))
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None


@consents.command("verify-receipt")
@click.argument("file", type=FILE)
@click.option("--keys", type=FILE, required=True, help="The JWK set from /v1/receipt-keys, kept from then.")
def verify_receipt(file: Path, keys: Path) -> None:
    """Verify the receipt in FILE; no database and no network are needed. Ends with 1 if it does not hold."""
    known = read_keys(keys)
    try:
        receipt = receipts.verify(read_file(file).whole(), known)
    except (receipts.ReceiptRefused, TextUnreadable) as refused:
        raise click.ClickException(f"{file.name}: {refused}") from None
    print_json({"valid": True, "kid": receipt.kid, **receipt.claims})


@consents.command("verify-deletion")
@click.argument("file", type=FILE)
@click.option("--keys", type=FILE, required=True, help="The JWK set from /v1/receipt-keys, kept from then.")
@click.option(
    "--answers", type=FILE, help="The profiles that you were given, one JSON answer a line: recheck the hash."
)
@click.option("--evidence", type=FILE, help="The firm's chain (`audit export`): recheck the hash and its entry.")
def verify_deletion(file: Path, keys: Path, answers: Path | None, evidence: Path | None) -> None:
    """Verify the certificate of deletion in FILE; needs no database. Ends with 1 if it does not hold.

    The signature says who certifies. What was deleted you recheck with what you kept: a bank with the profiles that it
    was given, a firm or an auditor with the firm's chain of evidence.
    """
    known = read_keys(keys)
    try:
        certificate = certificates.verify(read_file(file).whole(), known)
    except (keyring.SignatureRefused, TextUnreadable) as refused:
        raise click.ClickException(f"{file.name}: {refused}") from None
    rechecked = []
    for kept, compare in ((answers, recheck.against_answers), (evidence, _against_chain)):
        if kept is None:
            continue
        try:
            why = compare(certificate.claims, _json_lines(kept))
        except (ValueError, KeyError, TypeError) as error:
            raise click.ClickException(f"{kept.name}: {error}") from None
        if why:
            raise click.ClickException(f"{file.name} against {kept.name}: {why}")
        rechecked.append(kept.name)
    print_json({"valid": True, "kid": certificate.kid, "rechecked_with": rechecked, **certificate.claims})


def _against_chain(claims: Mapping[str, object], lines: list[dict[str, object]]) -> str | None:
    entries = [line for line in lines if set(line) != {"head"}]
    broken = chain.verify(entries)
    if broken:
        return f"line {broken.line}: {broken.reason}"
    return recheck.against_evidence(claims, entries)


def _json_lines(file: Path) -> list[dict[str, object]]:
    lines = [json_of(line) for line in read_file(file).whole().split("\n") if line.strip()]
    if not all(isinstance(line, dict) for line in lines):
        raise ValueError("needs one JSON object a line")
    return lines


@consents.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@DATABASE_OPTION
@named
def purge(dry_run: bool, database_name: str | None, who: str | None) -> None:
    """Delete facts and profiles whose data life is over; the worker does the same every hour.

    Each firm is one transaction with its certificates: stop it at any time and run it again.
    """
    settings, database = start("owner")
    if not dry_run:
        confirm_destruction(settings, database, database_name, "deleting data by hand")
    now = utc_now()
    with database.transaction("owner") as session:
        actor = name_of(actor_for(session, who, "operator", now=now))
        firms = purging.firms_due(session, now)
    counts: Counter[str] = Counter()
    issued: list[str] = []
    columns = (TextColumn("firms"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for firm in progress.track(firms):
            with database.transaction("owner") as session:
                done = purging.purge_firm(
                    session, firm, issuer=settings.issuer, secret=settings.secret_key, now=now, actor=actor
                )
                counts.update(done.rows)
                issued += [certificate.wire_id for certificate in done.certificates]
                if dry_run:
                    session.rollback()
    print_json(
        {"dry_run": dry_run, "firms": len(firms), "rows": dict(sorted(counts.items())), "certificates": len(issued)}
    )

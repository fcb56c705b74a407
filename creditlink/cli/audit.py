"""`creditlink audit`: export the evidence, verify it without the database, check all that is stored."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import bindparam, select, union
from sqlalchemy.orm import Session

from creditlink.audit import anchors, chain, service, stamps
from creditlink.audit.places import Place, open_place
from creditlink.audit.tables import AuditEntry, AuditHead
from creditlink.cli.acting import actor_for, name_of, named
from creditlink.cli.inputs import FILE, read_keys
from creditlink.engine.profile import content
from creditlink.enterprises.tables import Enterprise
from creditlink.kit import ids, keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.files.text import flaws, pointer
from creditlink.kit.files.textfile import JsonInvalid, TextUnreadable, json_of, read_file
from creditlink.kit.processes.process import start
from creditlink.profiles.disclosures import binding, rows
from creditlink.profiles.tables import Profile

_PROFILES = select(Profile.id).where(Profile.enterprise_id == bindparam("firm")).order_by(Profile.created_at)


@click.group()
def audit() -> None:
    """Export and verify what was disclosed, to whom, under which consent."""


@audit.command()
@click.option("--uscc", help="The firm; without it the chain of events in which no firm was known.")
@click.option("--out", type=click.File("w"), default="-", help="File to write (JSON lines); default standard output.")
@click.option(
    "--profiles", type=click.File("w"), help="Also write the firm's stored profiles (JSON lines), for verify."
)
@named
def export(uscc: str | None, out: TextIO, profiles: TextIO | None, who: str | None) -> None:
    """Write one firm's chain of evidence, oldest first, one JSON object a line; the last line is its signed head.

    That profiles are taken out is in the firm's log, and so in what is written.
    """
    if profiles is not None and not uscc:
        raise click.UsageError("--profiles needs --uscc: where no firm is known there are none")
    settings, database = start("owner")
    with database.transaction("owner") as session:
        chain_id = service.NO_ENTERPRISE
        if uscc:
            firm_id = session.scalar(select(Enterprise.id).where(Enterprise.uscc == uscc.strip().upper()))
            if firm_id is None:
                raise click.ClickException(f"--uscc {uscc}: no such firm is registered")
            chain_id = firm_id
        now = utc_now()
        actor = name_of(actor_for(session, who, "auditor", "risk", "operator", now=now))
        stored = [] if profiles is None else session.scalars(_PROFILES, {"firm": chain_id}).all()
        if stored:
            service.record(
                session, action="profile.export", result="disclosed", actor=actor, now=now, enterprise_id=chain_id,
                detail={"profiles": [ids.external("prf", one) for one in stored]},
            )  # fmt: skip
    with database.transaction("owner") as session:  # another: nothing goes out before the evidence of it is stored
        lines = service.export_sealed(
            session, chain_id, issuer=settings.issuer, secret=settings.secret_key, now=utc_now()
        )
        for line in lines:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
        if profiles is not None:
            for row in rows.rows_of(session, chain_id):
                if row["id"] in stored:
                    profiles.write(json.dumps(content.to_json(row), ensure_ascii=False) + "\n")


@audit.command()
@click.argument("file", type=FILE)
@click.option("--keys", type=FILE, help="The JWK set from /v1/receipt-keys, kept from then: verifies the head.")
@click.option("--head", "pinned", help="A head you noted earlier, SEQ:DIGEST: the chain must still hold that link.")
@click.option("--profiles", type=FILE, help="Stored profiles that `export` wrote: each must be what the chain names.")
def verify(file: Path, keys: Path | None, pinned: str | None, profiles: Path | None) -> None:
    """Check an exported chain; needs no database and no network. Exit status 1 when it does not hold.

    A changed, removed or reordered line breaks the chain of digests. A tail that was cut off breaks nothing by
    itself: the chain's end is pinned by the last line, its head, signed by the server. Give --keys to hold that
    signature to keys you have kept, or --head to hold the chain to a link you noted before.
    """
    lines = _read(file)
    if not lines or set(lines[-1]) != {"head"}:
        _report_break(file, chain.Break(len(lines) + 1, "there is no head: the end may have been cut off"))
    entries = lines[:-1]
    claims = _head_claims(file, str(lines[-1]["head"]), keys)
    seq = claims.get("seq")
    head = chain.Head(seq if isinstance(seq, int) else -1, str(claims.get("digest", "")))
    broken = chain.verify(entries, head) or _break_at_pin(entries, pinned)
    if broken is None and entries and entries[0].get("chain_id") != claims.get("chain_id"):
        broken = chain.Break(len(lines), "the head is another chain's")
    if broken:
        _report_break(file, broken)
    if profiles is not None:
        _check_profiles(profiles, entries)
    trust = "signed by the given keys" if keys else "signature not verified (give --keys)"
    click.echo(f"{file.name}: {len(entries)} entries, the chain holds; head {head.seq}:{head.digest}, {trust}")


@audit.command()
@click.option("--to", "address", help="A folder or an address that fsspec knows; default the setting `anchors`.")
def anchor(address: str | None) -> None:
    """Write the heads of the chains that moved outside the database, signed; the worker does so every hour.

    With the setting `timestamp_url` the newest anchor is also stamped by that authority (RFC 3161), and the stamp kept
    beside it: it covers every anchor before it. While the authority is away the anchor is kept without one, and the
    worker asks again every ten minutes, as this command does when it is run again.
    """
    settings, database = start("owner")
    place = open_place(address or settings.anchors_place)
    written = anchors.anchor(
        lambda: database.transaction("owner"), place, issuer=settings.issuer, secret=settings.secret_key, now=utc_now()
    )
    if not written:
        click.echo("no head has moved since the last anchor")
    else:
        heads = sum(len(one.heads) for one in written)
        click.echo(
            f"{len(written)} anchors, {heads} heads, to {place.address}; note elsewhere: the last is anchor "
            f"{written[-1].number}, {written[-1].number}:{written[-1].sha256}"
        )
    if (authority := stamps.authority_of(settings)) is None:
        return
    try:
        stamped = stamps.stamp_newest(lambda: database.transaction("owner"), place, authority)
    except stamps.NotStamped as error:
        click.echo(f"the newest anchor is kept, and not time-stamped yet: {error}", err=True)
        return
    if stamped is not None:
        click.echo(f"anchor {stamped.number} is time-stamped {stamped.at.isoformat()}", err=True)


@audit.command()
@click.option("--anchors", "address", help="Where the anchors are; default the setting `anchors`; `none`: leave out.")
@click.option("--keys", type=FILE, help="The JWK set that signed the anchors; default this server's own.")
@click.option("--last", help="An anchor you noted elsewhere, NUMBER:SHA256: it must be there.")
@click.option("--roots", type=FILE, help="PEM roots of the time-stamping authority; default `timestamp_roots`.")
@click.option(
    "--stamped-from",
    "since",
    type=click.IntRange(1, 2**31),
    metavar="NUMBER",
    help="The first anchor that a time stamp must cover within a day; default the first that bears one.",
)
def check(address: str | None, keys: Path | None, last: str | None, roots: Path | None, since: int | None) -> None:
    """Check every chain in the database: its digests and head, the profiles stored, and what was anchored of it.

    A chain that was removed, rewound or rewritten together with its head agrees with itself; the anchors name it and
    the entry. Time stamps beside the anchors are verified against the roots of their authority: each is over its
    anchor as it is now, and no anchor was written more than a day before the first stamp that covers it. Exit status 1
    when something does not hold.
    """
    if last is not None and not re.fullmatch(r"\d{1,10}:[0-9a-f]{64}", last):
        raise click.BadParameter(f"needs NUMBER:SHA256, got {last!r}", param_hint="--last")
    settings, database = start("owner")
    with database.transaction("owner") as session:
        known = set(session.scalars(union(select(AuditHead.chain_id), select(AuditEntry.chain_id))))
        chains = sorted(known | rows.firms_with_profiles(session))
        broken = 0
        columns = (TextColumn("chains"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for chain_id in progress.track(chains):
                faults = list(_faults_of(session, chain_id))
                broken += bool(faults)
                for fault in faults:
                    click.echo(f"chain {chain_id}{fault}")
        lost, summary = 0, ""
        if address != "none":
            signed_by = read_keys(keys) if keys else keyring.public_keys(settings.secret_key)
            place = open_place(address or settings.anchors_place)
            stamped = _stamps_at(session, place, roots or settings.timestamp_roots, since)
            for fault in anchors.faults(session, place, signed_by, last=last, stamps=stamped):
                lost += 1
                click.echo(fault)
            summary = _stamp_summary(stamped, place)
    click.echo(f"{len(chains)} chains, {broken} do not hold; {lost} faults against the anchors{summary}")
    if broken or lost:
        sys.exit(1)


def _stamps_at(session: Session, place: Place, roots: Path | None, since: int | None) -> stamps.Examination | None:
    if roots is None:
        if since is not None:
            raise click.UsageError("--stamped-from needs --roots or the setting timestamp_roots")
        return None
    known = stamps.stamp_instants(session)
    return stamps.Examination(place, stamps.roots_of(roots), now=utc_now(), noted=known, since=since)


def _stamp_summary(stamped: stamps.Examination | None, place: Place) -> str:
    if stamped is None:
        unread = sum(name.endswith(".tsr") for name in place.names())
        return f"; {unread} time stamps not verified (give --roots)" if unread else ""
    if not stamped.instants:
        return "; no time stamp holds"
    newest = max(stamped.instants)
    at = stamped.instants[newest].isoformat()
    return f"; {len(stamped.instants)} time stamps hold, the last of anchor {newest}, {at}"


def _faults_of(session: Session, chain_id: UUID) -> Iterator[str]:
    broken = service.check(session, chain_id)
    if broken:
        yield f", line {broken.line}: {broken.reason}"
    for fault in binding.unbound(service.export(session, chain_id), rows.rows_of(session, chain_id)):
        yield f", {fault}"


def _check_profiles(file: Path, entries: list[dict[str, object]]) -> None:
    try:
        rows = [content.from_json(line) for line in _read(file)]
    except ValueError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    faults = list(binding.unbound(entries, rows, gone=False))
    for fault in faults:
        click.echo(f"{file.name}: {fault}")
    if faults:
        sys.exit(1)
    click.echo(f"{file.name}: {len(rows)} profiles, each with the content that the chain names")


def _read(file: Path) -> list[dict[str, object]]:
    lines = []
    try:
        text = read_file(file).whole()
    except TextUnreadable as error:
        raise click.ClickException(f"{file.name} {error}") from None
    texts = text.removesuffix("\n").split("\n") if text else []
    for number, one in enumerate(texts, start=1):
        try:
            line = json_of(one)
        except JsonInvalid as error:
            raise click.ClickException(f"{file.name} line {number}: not JSON: {error}") from None
        for where, problem in flaws(line):
            raise click.ClickException(f"{file.name} line {number}: {pointer(where)} {problem}")
        if not isinstance(line, dict):
            raise click.ClickException(f"{file.name} line {number}: not a JSON object")
        lines.append(line)
    return lines


def _head_claims(file: Path, head: str, keys: Path | None) -> dict[str, object]:
    try:
        if keys is None:
            return keyring.unverified(head)
        return dict(keyring.verify(head, read_keys(keys), typ=service.HEAD_TYPE).claims)
    except (keyring.SignatureRefused, ValueError, TypeError) as error:
        raise click.ClickException(f"{file.name}: the head in the last line: {error}") from None


def _break_at_pin(entries: list[dict[str, object]], pinned: str | None) -> chain.Break | None:
    """Return a break when the link that was noted before is not in the chain."""
    if pinned is None:
        return None
    seq, _, digest = pinned.partition(":")
    if not (seq.isascii() and seq.isdigit()) or len(digest) != len(chain.GENESIS):
        raise click.BadParameter(f"needs SEQ:DIGEST, got {pinned!r}", param_hint="--head")
    stored = entries[int(seq) - 1]["digest"] if 1 <= int(seq) <= len(entries) else None
    if int(seq) == 0 or stored == digest:
        return None
    return chain.Break(int(seq), f"seq {seq} is not the link that was noted: rewritten or cut off")


def _report_break(file: Path, broken: chain.Break) -> None:
    click.echo(f"{file.name} line {broken.line}: {broken.reason}")
    sys.exit(1)

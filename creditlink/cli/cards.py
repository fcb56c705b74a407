"""`creditlink cards …`: verify what a firm shows of its credit card, without a database and without a network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from creditlink.cards.rules import checking, statuses
from creditlink.cards.rules.checking import CheckedPresentation, StatusOf
from creditlink.cards.rules.facts import BY_NAME
from creditlink.cards.rules.statuses import StatusListRefused
from creditlink.cli.inputs import FILE, READABLE, read_keys
from creditlink.cli.output import print_json
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.files.textfile import TextUnreadable, decode, read_file
from creditlink.kit.settings import load_settings

EXITS = {
    checking.VALID: 0, "refused": 1, "expired": 3, "ended": 3, checking.REVOKED: 4, checking.SUSPENDED: 4, "unknown": 5,
}  # fmt: skip
"""Verdict -> how the command ends; 2 is a wrong call, as of every command."""

_MOST_BYTES = 4 * checking.LONGEST + 1


@click.group()
def cards() -> None:
    """Verify what firms show of their credit cards."""


@cards.command()
@click.argument("file", type=READABLE)
@click.option("--keys", type=FILE, help="The JWK set from /v1/receipt-keys. Default: this server's own keys.")
@click.option("--status", "status_file", type=FILE, help="The status list that the card names, saved. Default: none.")
@click.option("--issuer", help="Who must have issued it. Default: this server.")
@click.option("--audience", help="For whom it must be shown: what the firm wrote. Default: it is shown.")
@click.option("--nonce", help="The challenge that the holder's proof must answer. Default: it is not compared.")
def verify(
    file: Path,
    keys: Path | None,
    status_file: Path | None,
    issuer: str | None,
    audience: str | None,
    nonce: str | None,
) -> None:
    """Say whether the card in FILE (`-`: standard input) is genuine and good.

    Needs no database and no network. Whether it was revoked since, only the status list that it names can say.

    \b
    Ends with 0: genuine and good              1: not to be trusted: altered, a copy, or none of ours
              3: its time is over              4: revoked, or paused
              5: genuine, but its status is unknown (no list given, another list, or one too old)

    \b
    On another machine, PLATFORM being our address; the list's is in what the first call prints:
        curl -o keys.json PLATFORM/v1/receipt-keys
        creditlink cards verify card.txt --keys keys.json --issuer PLATFORM
        curl -o list.jwt ADDRESS
        creditlink cards verify card.txt --keys keys.json --issuer PLATFORM --status list.jwt
    """
    settings = None if keys is not None and issuer is not None else load_settings()
    known = read_keys(keys) if keys is not None else keyring.public_keys(settings.secret_key if settings else "")
    expected = issuer or (settings.issuer if settings else "")
    now = utc_now()
    try:
        with click.open_file(str(file), "rb") as sent:
            presented = decode(sent.read(_MOST_BYTES)).whole()
    except TextUnreadable as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    status_of: StatusOf = statuses.nothing_known
    why = "no status list was given"
    if status_file is not None:
        try:
            status_of = statuses.of_token(read_file(status_file).whole(), known, issuer=expected, now=now)
            why = "the card is of another status list"
        except (StatusListRefused, TextUnreadable) as refused:
            why = f"{status_file.name}: {refused}"
    found = checking.check(
        presented, known, issuer=expected, status_of=status_of, now=now, audience=audience, nonce=nonce
    )
    print_json(told(found) | ({"unknown_because": why} if found.verdict == "unknown" else {}))
    sys.exit(EXITS[found.verdict])


def told(found: CheckedPresentation) -> dict[str, object]:
    """Return what is to be said of a presentation; the facts of one that is refused are not told."""
    if found.reason is not None:
        return {"verdict": found.verdict, "reason": found.reason, "reason_en": checking.REASONS[found.reason][1]}
    return {
        "verdict": found.verdict,
        "issuer": found.issuer,
        "audience": found.audience,
        "shown_at": found.shown_at and found.shown_at.isoformat(),
        "good_until": found.good_until and found.good_until.isoformat(),
        "issued_at": found.issued_at and found.issued_at.isoformat(),
        "expires_at": found.expires_at and found.expires_at.isoformat(),
        "status_list": found.place and {"uri": found.place.uri, "idx": found.place.index},
        "facts": {
            one.name: {
                "value": one.value,
                "on": one.on,
                "label_en": BY_NAME[one.name].label[1],
                "value_en": BY_NAME[one.name].text_of(one.value)[1],
            }
            for one in found.facts
        },
    }

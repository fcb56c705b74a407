"""`creditlink reports …`: verify the file of a credit report, without a database and without a network."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from creditlink.cli.inputs import FILE, READABLE, read_keys
from creditlink.cli.output import print_json
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.settings import load_settings
from creditlink.reports import signing
from creditlink.reports.signing import ReportRefused, Verified

VALID, NOT_OURS, OVER = 0, 1, 3
"""How `verify` ends; 2 is a wrong command, as everywhere."""

_SAID = {
    "valid": "genuine, and within its time",
    "expired": "genuine, and its time is over",
    "pages_changed": "the signed report is genuine, and the pages of this PDF were altered: rely on the claims alone",
    "pages_unsealed": "the signed report is genuine, and the pages of this PDF carry no seal: rely on the claims alone",
}


@click.group()
def reports() -> None:
    """Verify the file of a credit report."""


@reports.command()
@click.argument("file", type=READABLE)
@click.option("--keys", type=FILE, help="The JWK set from /v1/receipt-keys. Default: this server's own keys.")
def verify(file: Path, keys: Path | None) -> None:
    """Say whether the report in FILE (PDF, JSON or JWS; `-`: standard input) is genuine and within its time.

    Needs no database and no network. Whether it was revoked since, only the address that it names can say.

    \b
    Ends with 0: genuine and within its time   1: not to be trusted: altered, or none of ours
              3: its time is over

    \b
    On another machine, PLATFORM being our address:
        curl -o keys.json PLATFORM/v1/receipt-keys
        creditlink reports verify report.pdf --keys keys.json
    """
    known = keyring.public_keys(load_settings().secret_key) if keys is None else read_keys(keys)
    with click.open_file(str(file), "rb") as opened:
        content = opened.read(signing.MOST_BYTES + 1)
    try:
        found = signing.verify(content, known)
    except ReportRefused as refused:
        print_json({"verdict": "refused", "reason": refused.reason, "reason_en": str(refused)})
        sys.exit(NOT_OURS)
    verdict, code = _judged(found)
    print_json(
        {
            "verdict": verdict,
            "verdict_en": _SAID[verdict],
            "kind": found.kind,
            "pages": found.pages,
            "kid": found.kid,
            "digest": found.digest,
            "revoked": f"ask {found.claims['verify']}",
            "report": found.claims,
        }
    )
    sys.exit(code)


def _judged(found: Verified) -> tuple[str, int]:
    """Return the verdict on a file whose signature holds, and how the command ends."""
    if found.pages in ("changed", "unsealed"):
        return f"pages_{found.pages}", NOT_OURS
    if utc_now() >= datetime.fromtimestamp(int(str(found.claims["exp"])), UTC):
        return "expired", OVER
    return "valid", VALID

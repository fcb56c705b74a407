"""The command: `creditlink-conformance bank ADDRESS …` and `creditlink-conformance source …`."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from creditlink_conformance.receiver import ANSWER_WITHIN, SecretInvalid, checked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; return 0 where all pass, 1 where one does not, 2 where nothing could be checked."""
    parser = argparse.ArgumentParser(prog="creditlink-conformance", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    bank = kinds.add_parser("bank", help="a bank's webhook receiver")
    bank.add_argument("address", help="where it listens, outside production")
    bank.add_argument("--secret-file", type=Path, required=True, help="file with the secret: whsec_…")
    source = kinds.add_parser("source", help="a connector to a source; further options are pytest's")
    source.add_argument("--connector", required=True, help="its name")
    source.add_argument("--wire", type=Path, required=True, help="folder of its golden files")
    given, further = parser.parse_known_args(arguments)
    if given.kind == "source":
        return _source(given.connector, given.wire, further)
    if further:
        parser.error(f"unknown: {' '.join(further)}")
    return _bank(given.address, given.secret_file)


def _bank(address: str, secret_file: Path) -> int:
    failed = 0
    try:
        with httpx.Client(timeout=ANSWER_WITHIN * 3, follow_redirects=False) as http:
            for result in checked(address, secret_file.read_text(), http=http):
                failed += not result.passed
                _say(f"{'pass' if result.passed else 'FAIL'}  {result.check}: {result.seen}")
    except (httpx.HTTPError, httpx.InvalidURL, SecretInvalid, OSError, UnicodeDecodeError) as error:
        _say(f"nothing more can be checked: {error}")
        return 2
    _say(f"{failed} of the checks failed" if failed else "every check passed")
    return 1 if failed else 0


def _source(connector: str, wire: Path, further: Sequence[str]) -> int:
    if importlib.util.find_spec("creditlink") is None:
        _say("install creditlink-conformance[sources]: the kit is the platform's own")
        return 2
    command = [sys.executable, "-m", "pytest", "-p", "creditlink.conformance.plugin"]
    command += ["--pyargs", "creditlink.conformance.suite", "--connector", connector, "--wire", str(wire), *further]
    return subprocess.run(command, check=False).returncode  # noqa: S603 (our own interpreter, in the name of who calls it)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    raise SystemExit(main())

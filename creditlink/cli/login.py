"""`creditlink login`: sign in once, in a browser, and act in one's own name from this terminal for a working day."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import httpx

from creditlink.cli.acting import key_path, keys_folder
from creditlink.cli.output import print_json
from creditlink.kit.settings import load_settings
from creditlink.staff import proof

_SECONDS = 10.0


@click.command()
@click.option("--server", help="Address of the platform; default: the issuer of the settings.")
def login(server: str | None) -> None:
    """Sign in through a browser: shows an address and a code, and waits until you approved it at your desk.

    A fresh key is made here; the platform lets it act in your name for eight hours.
    """
    address = (server or load_settings().issuer).rstrip("/")
    key = proof.new_key()
    try:
        with httpx.Client(base_url=address, timeout=_SECONDS) as client:
            asked = client.post("/v1/staff/login", json={"jwk": key.as_dict(private=False)})
            asked.raise_for_status()
            told = asked.json()
            click.echo(f"Open {told['verification_uri']} and enter the code {told['user_code']}", err=True)
            who = _wait(client, told["device_code"], float(told["interval"]), float(told["expires_in"]))
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise click.ClickException(f"{address}: {type(error).__name__}: {error}") from None
    path = _keep(keys_folder(), who, json.dumps(key.as_dict(private=True)))
    print_json({"login": who, "key": path.name})


@click.command()
def logout() -> None:
    """Forget who signed in at this terminal; the key is deleted here, and ends by itself at the platform."""
    folder = keys_folder()
    mark = folder / "signed-in"
    if not mark.exists():
        raise click.ClickException("nobody is signed in")
    key_path(folder, mark.read_text(encoding="utf-8")).unlink(missing_ok=True)
    mark.unlink()


def _wait(client: httpx.Client, device_code: str, interval: float, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(interval)
        answer = client.post("/v1/staff/login/poll", json={"device_code": device_code})
        answer.raise_for_status()
        told = answer.json()
        if told["state"] == "approved":
            return str(told["login"])
        if told["state"] == "slow_down":
            interval += 5  # RFC 8628 section 3.5
        elif told["state"] != "authorization_pending":
            raise click.ClickException(f"not signed in: {told['state']}")
    raise click.ClickException("not signed in: expired_token")


def _keep(folder: Path, who: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = key_path(folder, who)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    (folder / "signed-in").write_text(who, encoding="utf-8")
    return path

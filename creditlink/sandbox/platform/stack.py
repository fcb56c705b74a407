"""The whole sandbox: database, city, seed, bureaus and offices, worker, API and the demo banks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Protocol

from creditlink.engine.vocabulary import SUPPLIES
from creditlink.kit.clock import day_of, last_complete_month, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings, load_settings
from creditlink.lifecycle import history
from creditlink.sandbox.bureaus.real_invoices import real_firms
from creditlink.sandbox.city import GENERATOR_VERSION, write_city
from creditlink.sandbox.identity.provider import CLIENT
from creditlink.sandbox.identity.provider import NAMES as IDENTITIES
from creditlink.sandbox.identity.provider import PORT as IDENTITY_PORT
from creditlink.sandbox.offices.serving import PORTS as OFFICE_PORTS
from creditlink.sandbox.platform import bank_desk, seed
from creditlink.sandbox.platform.credentials import Credentials
from creditlink.sandbox.platform.own_database import open_own
from creditlink.sandbox.platform.scripted_firms import write_scripted_firms
from creditlink.sandbox.platform.services import ServiceFailed, Services, free_port, is_taken
from creditlink.sandbox.platform.ties import seed_ties

CITY_FIRMS, CITY_MONTHS, CITY_SEED = 2000, 48, 20260
BUREAUS = ("tax", "social_security", "utility")
"""The offices with a process each; the smaller ones share one."""


class Say(Protocol):
    """How progress is reported."""

    def __call__(self, text: str) -> None:
        """Print one line."""


@dataclass(frozen=True)
class Ports:
    """Loopback ports of the sandbox's processes."""

    api: tuple[int, ...]
    bureaus: dict[str, int]
    banks: tuple[int, ...]
    identity: int

    @classmethod
    def fixed(cls, api_processes: int) -> Ports:
        """Return the ports that `make run` prints and documents name.

        Raises
        ------
        ServiceFailed
            One is in use; the message names it.
        """
        ports = cls(
            tuple(8000 + i for i in range(api_processes)),
            dict(zip(BUREAUS, (7001, 7002, 7003), strict=True)) | OFFICE_PORTS,
            tuple(9001 + i for i in range(len(seed.DEMO_BANKS))),
            IDENTITY_PORT,
        )
        for port in (*ports.api, *ports.bureaus.values(), *ports.banks, ports.identity):
            if is_taken(port):
                raise ServiceFailed(f"port {port} is in use: is the sandbox running already?")
        return ports

    @classmethod
    def free(cls, api_processes: int = 1) -> Ports:
        """Return ports that are free right now."""
        return cls(
            tuple(free_port() for _ in range(api_processes)),
            {name: free_port() for name in (*BUREAUS, *OFFICE_PORTS)},
            tuple(free_port() for _ in seed.DEMO_BANKS),
            free_port(),
        )


@dataclass(frozen=True)
class Stack:
    """A running sandbox."""

    issuer: str
    api_urls: tuple[str, ...]
    bureau_urls: dict[str, str]
    bank_urls: tuple[str, ...]
    credentials: Credentials
    credentials_file: Path
    services: Services


def source_addresses(bureaus: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of where each source is, from bureau -> address; one bureau plays all three supplies."""
    played = {"utility": SUPPLIES}
    return {
        f"CREDITLINK_BUREAU_{source.upper()}_URL": url
        for name, url in bureaus.items()
        for source in played.get(name, (name,))
    }


def identity_addresses(base: str) -> dict[str, str]:
    """Return the settings by which the platform finds the sandbox's providers of identity."""
    return {
        f"CREDITLINK_IDENTITY_{name.upper()}_{key}": value
        for name in IDENTITIES
        for key, value in (("URL", f"{base}/{name}"), ("CLIENT_ID", CLIENT[0]), ("CLIENT_SECRET", CLIENT[1]))
    }


def prepare_city(folder: Path, until: date, say: Say) -> Path:
    """Write the sandbox's city unless it exists already."""
    manifest = folder / "manifest.json"
    if manifest.exists():
        city = json.loads(manifest.read_text())
        wanted = (GENERATOR_VERSION, CITY_FIRMS, CITY_SEED, until.isoformat())
        if (city["generator_version"], city["firms"], city["seed"], city["last_period"]) == wanted:
            return folder
    say(f"writing a synthetic city of {CITY_FIRMS} firms × {CITY_MONTHS} months")
    write_city(folder, firms=CITY_FIRMS, months=CITY_MONTHS, seed=CITY_SEED, until=until, overwrite=True)
    return folder


def start_stack(services: Services, ports: Ports, *, database: str, real: Path | None, say: Say) -> Stack:
    """Prepare everything and start every process; `services` stops them.

    Raises
    ------
    ServiceFailed
        A process did not start.
    DatabaseRefused
        The database is not the sandbox's.
    """
    now = utc_now()
    issuer = f"http://127.0.0.1:{ports.api[0]}"
    settings = replace(load_settings(), issuer=issuer)
    runtime.process().put(settings)  # what is seeded is sealed by the keys in them
    say("starting the database" if settings.database_url is None else "opening the database of DATABASE_URL")
    opened = open_own(settings, name=database)
    folder = settings.var_dir / database
    city = prepare_city(settings.var_dir / "city", last_complete_month(now), say)
    write_scripted_firms(city, until=last_complete_month(now))
    say("seeding lenders, products, demo banks and the city's firms")
    credentials = Credentials(issuer)
    with opened.transaction("owner") as session:
        seed.seed_lenders(session, settings, now=now)
        credentials.staff = seed.seed_staff(session, settings, folder / "staff", now=now)
        entries = history.read_entries(settings.models_dir)
        history.take_over(session, settings.models_dir, entries, actor="operator", serve=settings.model, now=now)
        credentials.banks = seed.seed_banks(session, settings, folder, ports.banks, now=now)
        credentials.desk = bank_desk.seed_desk(session, settings, password=seed.PASSWORD, now=now)
        credentials.firms = seed.seed_city(session, city, per_kind=1 if real else 2, now=now)
        if real is None:
            credentials.firms += seed.seed_scripted_firms(session, city, now=now)
        seed_ties(session, credentials.firms, secret=settings.secret_key, now=now)
        if real is not None:
            credentials.firms += seed.seed_real_firms(session, real_firms(real, today=day_of(now)), now=now)
    credentials_file = folder / "credentials.json"
    credentials.save(credentials_file)
    env = {
        "DATABASE_URL": db.conninfo(opened.url),
        "CREDITLINK_ISSUER": issuer,
        **source_addresses({name: f"http://127.0.0.1:{port}" for name, port in ports.bureaus.items()}),
        **identity_addresses(f"http://127.0.0.1:{ports.identity}"),
    }
    opened.close()
    _start(services, ports, env, city, real, credentials_file, say)
    return Stack(
        issuer=issuer,
        api_urls=tuple(f"http://127.0.0.1:{port}" for port in ports.api),
        bureau_urls={name: f"http://127.0.0.1:{port}" for name, port in ports.bureaus.items()},
        bank_urls=tuple(f"http://127.0.0.1:{bank.port}" for bank in credentials.banks),
        credentials=credentials,
        credentials_file=credentials_file,
        services=services,
    )


def _start(
    services: Services,
    ports: Ports,
    env: dict[str, str],
    city: Path,
    real: Path | None,
    credentials_file: Path,
    say: Say,
) -> None:
    say(f"starting {len(ports.bureaus)} offices, a worker, the API and {len(ports.banks)} demo banks")
    for name in BUREAUS:
        more = ["--invoices", str(real)] if real is not None and name == "tax" else []
        place = ["--city", str(city), "--port", str(ports.bureaus[name])]
        services.start(name, ["sandbox", "bureau", name, *place, *more], env)
    listening = [f"--port={name}={ports.bureaus[name]}" for name in OFFICE_PORTS]
    services.start("offices", ["sandbox", "offices", "--city", str(city), *listening], env)
    services.start("identity", ["sandbox", "identity", "--port", str(ports.identity)], env)
    services.start("worker", ["worker"], env)
    for index, port in enumerate(ports.api):
        workers = "2" if len(ports.api) == 1 else "1"
        services.start(f"api-{index}", ["run", "--port", str(port), "--workers", workers], env)
    for index, port in enumerate(ports.banks):
        arguments = ["sandbox", "bank", str(index), "--credentials", str(credentials_file)]
        services.start(f"bank-{index}", arguments, {**env, "PORT": str(port)})
    for name, port in ports.bureaus.items():
        services.wait_ready(name if name in BUREAUS else "offices", f"http://127.0.0.1:{port}/health", say=say)
    services.wait_ready("identity", f"http://127.0.0.1:{ports.identity}/health", say=say)
    for index, port in enumerate(ports.api):
        services.wait_ready(f"api-{index}", f"http://127.0.0.1:{port}/health/ready", say=say)
    for index, port in enumerate(ports.banks):
        services.wait_ready(f"bank-{index}", f"http://127.0.0.1:{port}/health", say=say)


def credentials_path(settings: Settings) -> Path:
    """Return where `make run` keeps its credentials."""
    return settings.var_dir / RUN_DATABASE / "credentials.json"


RUN_DATABASE = "creditlink"
DEMO_DATABASE = "creditlink_demo"

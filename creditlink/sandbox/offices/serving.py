"""The six offices in one process: each at a port of its own, over one copy of the city's records."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path

import flask
from werkzeug.serving import make_server

from creditlink.sandbox.bureaus.holdings import Holdings, current_day
from creditlink.sandbox.offices.contract import ContractRegistry
from creditlink.sandbox.offices.customs import CustomsOffice
from creditlink.sandbox.offices.housing_fund import HousingFundCentre
from creditlink.sandbox.offices.intellectual_property import IntellectualPropertyOffice
from creditlink.sandbox.offices.logistics import LogisticsPlatform
from creditlink.sandbox.offices.public_credit import PublicCreditPlatform

PORTS = {
    "public_credit": 7004,
    "contract": 7005,
    "intellectual_property": 7006,
    "logistics": 7007,
    "import_export": 7008,
    "housing_fund": 7009,
}
"""Office -> the port that documents name."""

FRAMES = {
    "public_credit": "credit_events",
    "contract": "contract_months",
    "intellectual_property": "property_grants",
    "logistics": "shipment_months",
    "import_export": "customs_months",
    "housing_fund": "fund_months",
}
"""Office -> the frame that it holds."""


def office_apps(
    folder: Path, names: Collection[str], env: Mapping[str, str], today: Callable[[], date] = current_day
) -> dict[str, flask.Flask]:
    """Return the web applications of some offices over what was known `today`, with their credentials from `env`.

    Raises
    ------
    HoldingsError
        The folder is no city, or lacks the records of one of them.
    """
    holdings = Holdings(folder, tuple(FRAMES[name] for name in names), today)
    return {name: _application(name, holdings, env) for name in names}


def _application(name: str, holdings: Holdings, env: Mapping[str, str]) -> flask.Flask:
    def held(key: str, default: str) -> str:
        return env.get(f"CREDITLINK_BUREAU_{name.upper()}_{key}", default)

    match name:
        case "public_credit":
            return PublicCreditPlatform(holdings, held("TOKEN", "sandbox-public-credit-token")).application()
        case "contract":
            return ContractRegistry(
                holdings, held("ACCOUNT", "creditlink"), held("PASSWORD", "sandbox-contract-password")
            ).application()
        case "intellectual_property":
            return IntellectualPropertyOffice(
                holdings, held("TOKEN", "sandbox-intellectual-property-token")
            ).application()
        case "logistics":
            return LogisticsPlatform(
                holdings, held("PARTNER_ID", "creditlink"), held("PARTNER_KEY", "sandbox-logistics-key")
            ).application()
        case "import_export":
            return CustomsOffice(
                holdings, held("USER", "creditlink"), held("PASSWORD", "sandbox-import-export-password")
            ).application()
        case _:
            return HousingFundCentre(
                holdings, held("APP_KEY", "creditlink"), held("SECRET", "sandbox-housing-fund-secret")
            ).application()


def serve(apps: Mapping[str, flask.Flask], ports: Mapping[str, int], host: str) -> None:
    """Serve each office at its port until the process ends."""
    # Request lines hold USCCs.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    servers = [make_server(host, ports[name], app, threaded=True) for name, app in apps.items()]
    threads = [threading.Thread(target=server.serve_forever, name="office", daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

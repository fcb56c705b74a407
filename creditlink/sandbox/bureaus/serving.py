"""The three bureaus as web applications: tax, social security, and one that plays all three supplies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import flask

from creditlink.sandbox.bureaus import real_invoices as real
from creditlink.sandbox.bureaus import social_security, tax, utility
from creditlink.sandbox.bureaus.holdings import Holdings, current_day

CREDENTIALS_OF = {"tax": "TAX", "social_security": "SOCIAL_SECURITY", "utility": "ELECTRICITY"}
"""Bureau -> the source in whose name its credentials are; the one of all three supplies takes those of the first."""


def bureau_app(
    kind: str, folder: Path, invoices: Path | None, env: Mapping[str, str], today: Callable[[], date] = current_day
) -> flask.Flask:
    """Return one bureau's web application over a city's records, with its credentials from `env`.

    Parameters
    ----------
    kind : tax, social_security or utility.
    invoices : a folder of real VAT invoices, whose firms the tax bureau serves too.
    today : what day it is in Shanghai; the bureau serves no row that became known later.

    Raises
    ------
    HoldingsError
        The folder is no city, or lacks the bureau's records.
    RealInvoicesError
        The folder of invoices does not read.
    """

    def credential(name: str, default: str) -> str:
        return env.get(f"CREDITLINK_BUREAU_{CREDENTIALS_OF[kind]}_{name}", default)

    if kind == "tax":
        real_invoices = real.load(invoices, today=today()) if invoices else None
        return tax.TaxBureau(
            Holdings(folder, tax.FRAMES, today),
            real_invoices,
            credential("APP_ID", "creditlink-sandbox"),
            credential("SECRET", "sandbox-tax-secret"),
        ).application()
    if kind == "social_security":
        return social_security.SocialSecurityBureau(
            Holdings(folder, social_security.FRAMES, today), credential("API_KEY", "sandbox-social-security-key")
        ).application()
    return utility.UtilityBureau(
        Holdings(folder, utility.FRAMES, today),
        credential("USER", "creditlink"),
        credential("PASSWORD", "sandbox-utility-password"),
    ).application()

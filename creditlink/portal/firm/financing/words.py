"""How the pages of financing word amounts, rates, names and states; whose request it is; how long things last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from creditlink.engine.matching.products.terms import ProductTerms
from creditlink.engine.vocabulary import PRODUCT_KINDS, REPAYMENTS
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing import configuration
from creditlink.financing.applications.states import STATES
from creditlink.financing.configuration import Clocks
from creditlink.financing.requests.ask import COLLATERAL, USES
from creditlink.financing.tables import FinancingRequest
from creditlink.institutions.tables import Institution
from creditlink.kit import ids
from creditlink.portal.firm.firms import first_with
from creditlink.portal.site import lang, settings

WAN = 10_000


def own_request(
    session: Session, account: Account, request_id: str, now: datetime
) -> tuple[Enterprise, FinancingRequest]:
    """Return a request and its firm, if the person acts for it.

    Raises
    ------
    NotFound
        Unknown and another firm's look the same.
    """
    known = ids.internal("fin", request_id)

    def of(firm: Enterprise) -> FinancingRequest | None:
        request = session.get(FinancingRequest, known)
        return request if request is not None and request.enterprise_id == firm.id else None

    return first_with(session, account, now, of)


def clocks() -> Clocks:
    """Return how long each side may take."""
    return configuration.clocks(settings().config_dir)


def name(one: Institution | ProductTerms) -> str:
    """Return an institution's or a product's name in the language of the page."""
    return str(one.name_zh if lang() == "zh" else one.name_en)


def money(fen: int) -> str:
    """Return an amount as people say it: in Chinese ten thousands of yuan where they are round, else yuan."""
    if lang() != "zh":
        return f"¥{fen / 100:,.0f}"
    if abs(fen) < 100 * WAN or fen % WAN:
        return f"{fen / 100:,.0f}元"
    return f"{fen / 100 / WAN:,.2f}".rstrip("0").rstrip(".") + "万元"


def exact(fen: int) -> str:
    """Return an amount to the fen, for columns that are compared."""
    return f"{fen / 100:,.2f}元" if lang() == "zh" else f"¥{fen / 100:,.2f}"


def label(labels: tuple[str, str]) -> str:
    """Return a label in the language of the page."""
    return labels[0 if lang() == "zh" else 1]


def words() -> dict[str, object]:
    """Return the labels and formats that the templates of financing use."""

    def of(table: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        return {key: label(labels) for key, labels in table.items()}

    return {
        "uses": of(USES),
        "collaterals": of(COLLATERAL),
        "states": of(STATES),
        "repayments": of(REPAYMENTS),
        "kinds": of(PRODUCT_KINDS),
        "name": name,
        "wan": lambda fen: f"{fen / 100 / WAN:.4f}".rstrip("0").rstrip("."),
        "money": money,
        "exact": exact,
        "consent_id": lambda consent: ids.external("cns", consent),
        "percent": lambda bps: f"{bps / 100:.2f}%",
    }

"""A firm that asks, three lenders with a desk each, and their products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from creditlink.consents.agreement.limits import fair_use_from
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing import configuration
from creditlink.financing.applications import applications
from creditlink.financing.applications.terms import OfferTerms
from creditlink.financing.requests import requests
from creditlink.financing.requests.ask import FinancingAsk
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.postgres import db
from creditlink.sandbox.banks.bank import public_jwks
from tests import factories
from tests.engine.matching import samples
from tests.oauth import flow

NOW = factories.NOW
ASK = FinancingAsk(amount_fen=100_000_000, term_months=12, use="working_capital")
OFFER = OfferTerms(amount_fen=100_000_000, term_months=12, rate_bps=480, fee_fen=100_000)
OWN = "financing:read financing:write outcome:write"
DESK_SCOPES = ["financing:read", "financing:write", "outcome:write", "consent:read"]


@dataclass
class Market:
    """The rows that the tests start from."""

    firm: flow.Firm
    lenders: list[tuple[Institution, Client]]
    fair_use: object
    clocks: object

    def desk(self, k: int) -> requests.LenderDesk:
        return requests.LenderDesk(*self.lenders[k])

    def ask(self, session, *, now: datetime = NOW) -> FinancingRequest:
        db.enter(session, db.Viewer(enterprise_id=self.firm.enterprise.id))
        return requests.ask(session, self.firm.enterprise, self.firm.account, ASK, clocks=self.clocks, now=now)

    def apply(self, session, request, k: int = 0, *, now: datetime = NOW, code="TAX-1", **values) -> Application:
        return requests.apply(
            session,
            request,
            samples.product(code, required_categories=["tax"]),
            self.desk(k),
            account=session.get_one(Account, self.firm.account.id),
            enterprise=session.get_one(Enterprise, self.firm.enterprise.id),
            **{"categories": ["tax"]} | values,
            fair_use=self.fair_use,
            lang="zh",
            clocks=self.clocks,
            now=now,
        )

    def offer(self, session, held: Application, *, now: datetime = NOW, terms: OfferTerms = OFFER):
        return applications.offer(
            session, held, terms, valid_until=now + timedelta(days=7), clocks=self.clocks, actor=bank_of(held), now=now
        )

    def accept(self, session, held: Application, sha256: str, *, now: datetime = NOW) -> Application:
        return applications.accept(
            session, held.id, offer_sha256=sha256, clocks=self.clocks, actor=self.person, now=now
        )

    def sign(self, session, held: Application, sha256: str, *, now: datetime = NOW) -> None:
        applications.sign(session, held, offer_sha256=sha256, clocks=self.clocks, actor=bank_of(held), now=now)

    @property
    def person(self) -> str:
        return f"account:{self.firm.account.id}"


def bank_of(held: Application) -> str:
    return f"bank:{held.client_id}"


def state_of(session, application_id: UUID) -> str:
    return session.get_one(Application, application_id, populate_existing=True).state


@pytest.fixture
def market(empty_database, settings) -> Market:
    firm = flow.make_firm(empty_database)
    with empty_database.transaction("owner") as session:
        lenders = []
        for _ in range(3):
            institution = factories.make_institution(session)
            lenders.append((institution, factories.make_client(session, institution, scopes=DESK_SCOPES)))
    fair_use = fair_use_from(settings.read_toml("purposes.toml"))
    return Market(firm, lenders, fair_use, configuration.clocks(settings.config_dir))


@pytest.fixture
def asked(market):
    """A request before the three lenders; return the ids of its applications."""

    def run(count: int = 3, *, now: datetime = NOW) -> list[UUID]:
        with db.transaction("api") as session:
            request = market.ask(session, now=now)
            return [market.apply(session, request, k, now=now).id for k in range(count)]

    return run


@pytest.fixture
def http(app):
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url=flow.ISSUER) as client:
        yield client


@pytest.fixture
def desk(empty_database, market, http):
    """The first lender's software, with a token in its own name."""
    scopes = [*DESK_SCOPES, "profile:create", "profile:read"]
    with empty_database.transaction("owner") as session:
        row = market.lenders[0][1]
        row = session.merge(row)
        row.jwks, row.scopes = public_jwks(flow.KEYS["ES256"]), scopes
    bank = flow.DemoBank(
        client_id=row.client_id,
        redirect_uri=row.redirect_uris[0],
        issuer=flow.ISSUER,
        key=flow.KEYS["ES256"],
        http=http,
    )
    bank.own = bank.in_own_name(scope=OWN)
    return bank

"""Carrying out the year: every deed through the services behind the API, at its simulated instant."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from creditlink.consents.agreement.categories import GRANTABLE
from creditlink.consents.agreement.limits import FairUse, fair_use_from
from creditlink.enterprises import accounts
from creditlink.enterprises import service as enterprises
from creditlink.enterprises.representation import appoint
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.financing import configuration, sweep
from creditlink.financing.applications import applications
from creditlink.financing.applications.declines import DeclineReason, ReasonVerdict, weigh
from creditlink.financing.configuration import Clocks
from creditlink.financing.funnel import learning
from creditlink.financing.loans import outcomes
from creditlink.financing.requests import requests
from creditlink.financing.requests.requests import DESK_SCOPE, LenderDesk
from creditlink.financing.tables import Application, FinancingRequest
from creditlink.institutions import service as institutions
from creditlink.institutions.tables import Client, Institution
from creditlink.kit.clock import day_of, start_of_day
from creditlink.kit.postgres import db
from creditlink.kit.settings import Settings
from creditlink.sandbox.banks.bank import new_key, public_jwks
from creditlink.sandbox.year.demand import YearRequest
from creditlink.sandbox.year.market import Deed, Year, YearApplication
from creditlink.sandbox.year.policies import AMOUNT, QUOTA, REASONS, RISK, SECTOR, THIN

OFFER_DAYS = 20
_CLIENT = "Desk of the simulated year"
_LOGIN = "simulated-year"
_CATEGORIES = sorted(GRANTABLE)
_CODES = {SECTOR: "D38", QUOTA: "D39", THIN: "D32", AMOUNT: "D33"}
_OWN_BOOKS = "D34"
"""Said where a lender declines for a risk that the profile names no reason for: what it knows from its own books."""


class StageTaken(Exception):
    """The database has financing requests already; a year would mix with them."""


def check_empty(session: Session) -> None:
    """Refuse a database in which financing was requested before.

    Raises
    ------
    StageTaken
        It has requests; the message says how many.
    """
    count = session.scalar(select(func.count()).select_from(FinancingRequest)) or 0
    if count:
        raise StageTaken(f"the database holds {count} financing requests already; a year needs one without any")


@dataclass(eq=False)
class YearStage:
    """The platform on which a year happens; rows are remembered by the numbers of requests and applications."""

    settings: Settings
    requests: Sequence[YearRequest]
    year: Year
    fair_use: FairUse = field(init=False)
    clocks: Clocks = field(init=False)
    declines: dict[str, DeclineReason] = field(init=False)
    learned: list[str] = field(default_factory=list)  # sha256 of every model learned on the platform
    _by_number: dict[int, YearRequest] = field(init=False)
    _desks: dict[str, LenderDesk] = field(default_factory=dict)
    _account: UUID | None = None
    _request_ids: dict[int, UUID] = field(default_factory=dict)
    application_ids: dict[int, UUID] = field(default_factory=dict)
    _offers: dict[int, str] = field(default_factory=dict)  # application -> sha256 of its offer

    def __post_init__(self) -> None:
        self.fair_use = self.settings.parsed("purposes.toml", fair_use_from)
        self.clocks = configuration.clocks(self.settings.config_dir)
        self.declines = configuration.declines(self.settings.config_dir)
        self._by_number = {request.number: request for request in self.requests}

    @property
    def first_instant(self) -> datetime:
        """When the year begins."""
        return start_of_day(self.year.start)

    def prepare(self, session: Session) -> None:
        """Give each lender a desk, and create the person who acts for the firms; lenders must be registered."""
        now = self.first_instant
        for policy in self.year.policies:
            bank = institutions.institution_of(session, policy.code)
            client = session.scalar(select(Client).where(Client.institution_id == bank.id, Client.name == _CLIENT))
            self._desks[policy.code] = LenderDesk(bank, client or self._client(session, bank, now))
        account = accounts.by_login(session, _LOGIN) or accounts.create_account(
            session, login=_LOGIN, display_name="模拟年度经办人", password=secrets.token_urlsafe(24), now=now
        )
        self._account = account.id

    def play(self, step: Callable[[], None] = lambda: None) -> None:
        """Carry out every deed, day by day, each day in one transaction; deadlines are swept each morning."""
        deeds = iter(self.year.deeds)
        deed = next(deeds, None)
        day = self.year.start
        while day <= self.year.until:
            tomorrow = day + timedelta(days=1)
            with db.transaction("owner") as session:
                # More may fall due in one night than one sweep takes.
                while sweep.sweep(session, start_of_day(day), self.clocks):
                    pass
                while deed is not None and day_of(deed.at) < tomorrow:
                    self._do(session, deed)
                    step()
                    deed = next(deeds, None)
            day = tomorrow

    def _do(self, session: Session, deed: Deed) -> None:
        if deed.kind == "learn":
            self.learned.append(learning.learn(session, now=deed.at).sha256)
        elif deed.kind == "ask":
            self._ask(session, self._by_number[deed.request], deed.at)
        elif deed.kind == "apply" and deed.application is not None:
            self._apply(session, deed.application, deed.at)
        elif deed.application is not None:
            self._step(session, deed, deed.application)

    def _ask(self, session: Session, request: YearRequest, now: datetime) -> None:
        account = self._person(session)
        firm = self._firm(session, request, now)
        appoint(session, enterprise=firm, account=account, role="legal_representative", now=now - timedelta(hours=1))
        recorded = requests.ask(session, firm, account, request.wanted, clocks=self.clocks, now=now)
        self._request_ids[request.number] = recorded.id

    def _apply(self, session: Session, one: YearApplication, now: datetime) -> None:
        request = session.get_one(FinancingRequest, self._request_ids[one.request])
        firm = session.get_one(Enterprise, request.enterprise_id)
        desk = self._desks[one.product.institution_code]
        details = requests.details_for(one.product, firm, desk.client, fair_use=self.fair_use, now=now)
        referred = None
        if one.referred_from is not None:
            referred = session.get_one(Application, self.application_ids[one.referred_from])
        application = requests.apply(
            session,
            request,
            one.product,
            desk,
            account=self._person(session),
            enterprise=firm,
            categories=details.categories,
            fair_use=self.fair_use,
            lang="zh",
            clocks=self.clocks,
            now=now,
            referred_from=referred,
        )
        self.application_ids[one.number] = application.id

    def _step(self, session: Session, deed: Deed, one: YearApplication) -> None:
        application, now = applications.locked(session, self.application_ids[one.number]), deed.at
        bank, person = f"bank:{application.client_id}", f"account:{self._account}"
        if deed.kind == "receive":
            applications.receive(session, application, actor=bank, now=now)
        elif deed.kind == "review":
            applications.review(session, application, actor=bank, now=now)
        elif deed.kind == "offer":
            self._add_case(session, application, one, now)
            until = now + timedelta(days=OFFER_DAYS)
            offer = applications.offer(
                session, application, one.terms, valid_until=until, clocks=self.clocks, actor=bank, now=now
            )
            self._offers[one.number] = offer.sha256
        elif deed.kind == "decline":
            self._add_case(session, application, one, now)
            reasons = self._reasons(one)
            applications.decline(
                session, application, reasons, note="", weighed=self._weigh(one, reasons), actor=bank, now=now
            )
        elif deed.kind == "accept":
            applications.accept(
                session,
                application.id,
                offer_sha256=self._offers[one.number],
                clocks=self.clocks,
                actor=person,
                now=now,
            )
        elif deed.kind == "refuse":
            applications.refuse(session, application, actor=person, now=now)
        elif deed.kind == "sign":
            applications.sign(
                session, application, offer_sha256=self._offers[one.number], clocks=self.clocks, actor=bank, now=now
            )
        elif deed.kind == "withdraw":
            applications.withdraw(session, application, actor=person, now=now)
        elif deed.outcome is not None:
            outcomes.record(session, application, deed.outcome, actor=bank, now=now)

    def _add_case(self, session: Session, application: Application, one: YearApplication, now: datetime) -> None:
        who = self._by_number[one.request].applicant
        learning.add_case(
            session,
            application,
            pd_12m=who.pd_12m,
            sales_12_fen=who.known_sales_fen,
            approved=one.approved,
            now=now,
        )

    def _reasons(self, one: YearApplication) -> list[DeclineReason]:
        """Return what the lender says: its true reason, or for a risk the profile's strongest reason."""
        why = REASONS[one.reason]
        if why != RISK:
            return [self.declines[_CODES[why]]]
        for code in self._by_number[one.request].adverse:
            for reason in self.declines.values():
                if code in reason.reasons:
                    return [reason]
        return [self.declines[_OWN_BOOKS]]

    def _weigh(self, one: YearApplication, reasons: Sequence[DeclineReason]) -> list[ReasonVerdict]:
        """Return how each reason agrees with the explanation."""
        request = self._by_number[one.request]
        return [
            {
                "code": reason.code,
                "agreement": weigh(
                    reason, adverse=request.adverse, points_by_reason=request.points_by_reason
                ).agreement,
            }
            for reason in reasons
        ]

    def _firm(self, session: Session, request: YearRequest, now: datetime) -> Enterprise:
        known = enterprises.by_uscc(session, request.registration.uscc)
        if known is not None:
            return known
        return enterprises.register(session, request.registration, now=now - timedelta(hours=2))

    def _client(self, session: Session, bank: Institution, now: datetime) -> Client:
        return institutions.register_client(
            session,
            institution=bank,
            name=_CLIENT,
            jwks=public_jwks(new_key("ES256")),
            redirect_uris=["https://desk.example/callback"],
            scopes=[DESK_SCOPE, "financing:write", "outcome:write"],
            categories=_CATEGORIES,
            now=now,
        )

    def _person(self, session: Session) -> Account:
        return session.get_one(Account, self._account)

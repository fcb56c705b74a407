"""A firm of the city, the bureau that knows it on a real socket, banks that relied on its data, one step at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta

import polars as pl
import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from creditlink.consents.tables import Consent
from creditlink.disputes import service, tasks
from creditlink.disputes.configuration import current
from creditlink.disputes.rules.datum import datum_from
from creditlink.disputes.service import WantedDispute
from creditlink.disputes.tables import Correction, Dispute, DisputeFile
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.clock import utc_now
from creditlink.kit.files.documents import file_from
from creditlink.kit.postgres import db
from creditlink.profiles.reliance.contested import tasks as contested
from creditlink.records import sources
from creditlink.records.pulls import fetching
from creditlink.records.sources import SourceConfig, Sources
from creditlink.records.tables import FactRow, Pull
from creditlink.sandbox.bureaus.serving import bureau_app
from tests import factories as make
from tests.oauth import flow
from tests.profiles.conftest import authorized, bank, city, http, rich_firm
from tests.records.conftest import config_for

__all__ = ["authorized", "bank", "city", "http", "rich_firm"]

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
SCOPES = [*flow.SCOPE.split(), "correction:read", "correction:acknowledge"]


@contextmanager
def serving(app):
    """Serve an application on a free port; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offices(city):
    """The social-security bureau of the city on a real socket, connected as this process's only source."""
    with serving(bureau_app("social_security", city, None, {})) as url:
        held = {"api_key": "sandbox-social-security-key"}
        one = SourceConfig("social_security", ("social_security",), url, timedelta(hours=72), held)
        opened = Sources(config_for(url, sources={"social_security": one}))
        sources.configure(opened)
        yield url
        opened.close()
        sources.configure(None)


@pytest.fixture
def firm(empty_database, city, rich_firm):
    """A firm of the city, and the person who acts for it."""
    firms = pl.read_parquet(city / "firms" / "*.parquet").filter(pl.col("firm") == rich_firm)
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        enterprise = make.make_enterprise(session, uscc=firms["uscc"][0])
        make.make_representation(session, enterprise, account)
    return flow.Firm(enterprise, account)


@pytest.fixture
def relied(offices, authorized):
    """Let a bank compute a profile from what the bureau says; return authorization and answer."""

    def run(bank):
        authorization = authorized(bank, categories=("social_security",))
        pull(flow.consent_of(authorization))
        made = bank.call("POST", "/v1/profiles", authorization, json={})
        assert made.status_code == 201, made.text
        return authorization, made.json()

    return run


def pull(consent_id):
    """Do the work of a consent's pull, as the worker does."""
    fetching.run_pull(consent_id, sources.current(), utc_now)


def payroll(firm, months_ago=3) -> FactRow:
    """The firm's newest row but some of social security."""
    with db.transaction("owner") as session:
        rows = session.scalars(
            select(FactRow)
            .where(FactRow.enterprise_id == firm.enterprise.id, FactRow.frame == "payroll_months")
            .order_by(FactRow.period.desc(), FactRow.version.desc())
        ).all()
    periods = sorted({row.period for row in rows}, reverse=True)
    return next(row for row in rows if row.period == periods[months_ago])


def dispute(firm, fact, *, claim="wrong", statement="实缴人数有误", wanted=None, files=(PDF,), now=None) -> Dispute:
    """File a dispute as the firm's page does."""
    now = now or utc_now()
    evidence = [file_from(f"proof{n}.pdf", one, most_bytes=10**6) for n, one in enumerate(files)]
    asked = WantedDispute(
        datum_from(f"{fact.frame}:{fact.period}:{fact.subkey}"), claim, statement, wanted or {}, evidence
    )
    with db.transaction("api", viewer=db.Viewer(account_id=firm.account.id)) as session:
        db.enter(session, db.Viewer(enterprise_id=firm.enterprise.id))
        return service.file(
            session, session.get_one(Enterprise, firm.enterprise.id), session.get_one(Account, firm.account.id), asked,
            terms=current(), now=now,
        )  # fmt: skip


def read(dispute_id) -> Dispute:
    with db.transaction("owner") as session:
        return session.get_one(Dispute, dispute_id)


def advance(one, *, now=None):
    """Do what the worker does next for a dispute."""
    tasks.advance(one.id, now or utc_now())
    return read(one.id)


def through(one):
    """Do all that the worker does until the dispute rests: told, asked, fetched, seen, told on."""
    advance(one)  # told to the source
    contested.contest_now(one.id, utc_now())
    advance(one)  # asked
    advance(one)  # the promised row is asked for
    for consent_id in open_pulls():
        pull(consent_id)
    advance(one)  # seen
    contested.tell_now(one.id, utc_now())
    return read(one.id)


def open_pulls():
    with db.transaction("owner") as session:
        return list(session.scalars(select(Pull.consent_id).where(Pull.status == "OPEN")))


def corrections() -> list[Correction]:
    with db.transaction("owner") as session:
        return list(session.scalars(select(Correction).order_by(Correction.told_at, Correction.id)))


def files_of(one) -> list[DisputeFile]:
    with db.transaction("owner") as session:
        return list(session.scalars(select(DisputeFile).where(DisputeFile.dispute_id == one.id)))


def consent(authorization) -> Consent:
    with db.transaction("owner") as session:
        return session.get_one(Consent, flow.consent_of(authorization))

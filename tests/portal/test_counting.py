"""Being counted for banks: off until the legal representative says so, stopped by anybody who acts for the firm."""

from __future__ import annotations

import pyotp
from click.testing import CliRunner
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.cli import enterprises as commands
from creditlink.enterprises import accounts
from creditlink.enterprises.tables import Account, Enterprise
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.kit.settings import Settings
from tests import factories as make

PAGE = "/portal/counted"


def stored(firm):
    with db.transaction("owner") as session:
        return session.get_one(Enterprise, firm.id).discoverable


def evidence(firm):
    with db.transaction("owner") as session:
        query = select(AuditEntry).where(AuditEntry.chain_id == firm.id, AuditEntry.action == "enterprise.discoverable")
        return [(entry.actor, entry.detail) for entry in session.scalars(query.order_by(AuditEntry.seq))]


def switch(person, to, firm, **fields):
    person.get(f"{PAGE}?enterprise={firm.id}")
    return person.post(PAGE, enterprise=str(firm.id), discoverable=to, **fields)


def test_it_is_off_explained_and_switched_with_a_line_of_evidence_each(owner):
    assert not stored(owner.firm)
    assert "Banks may not count your firm" in owner.get("/portal/").text
    assert "never learns which firms" in owner.get(PAGE).text
    assert "银行不得将贵企业计入统计" in owner.get(f"{PAGE}?lang=zh").text
    assert switch(owner, "on", owner.firm).status_code == 303
    assert stored(owner.firm)
    assert "Banks may count your firm" in owner.get(f"{PAGE}?lang=en").text
    switch(owner, "on", owner.firm)  # said again: no second line
    assert switch(owner, "off", owner.firm).status_code == 303
    me = f"account:{owner.account.id}"
    assert evidence(owner.firm) == [(me, {"discoverable": True}), (me, {"discoverable": False})]


def test_an_agent_may_stop_it_and_not_begin_it(owner, app):
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        make.make_representation(session, owner.firm, account, role="agent")
    agent = type(owner)(app.test_client(), account)
    agent.sign_in()
    assert switch(agent, "on", owner.firm).status_code == 404
    assert not stored(owner.firm)
    switch(owner, "on", owner.firm)
    assert switch(agent, "off", owner.firm).status_code == 303
    assert not stored(owner.firm)


def test_a_foreign_firm_an_odd_word_and_a_link_change_nothing(owner):
    with db.transaction("owner") as session:
        foreign = make.make_enterprise(session)
    owner.get(PAGE)
    assert owner.post(PAGE, enterprise=str(foreign.id), discoverable="on").status_code == 404
    assert owner.post(PAGE, enterprise=str(owner.firm.id), discoverable="yes").status_code == 422
    assert owner.post(PAGE, token="", enterprise=str(owner.firm.id), discoverable="on").status_code == 400
    assert not stored(foreign)
    assert not stored(owner.firm)


def test_switching_it_on_takes_a_fresh_code_and_off_takes_none(owner, app):
    with db.transaction("owner") as session:
        secret = accounts.new_totp_secret()
        key = runtime.of_app(app).of(Settings).secret_key
        accounts.enroll_totp(session.get_one(Account, owner.account.id), secret, key=key)
    asked = switch(owner, "on", owner.firm)
    assert asked.status_code == 422
    assert "One-time code" in asked.text
    assert not stored(owner.firm)
    assert switch(owner, "on", owner.firm, totp=pyotp.TOTP(secret).now()).status_code == 303
    assert switch(owner, "off", owner.firm).status_code == 303


def test_the_firms_that_agreed_are_written_for_the_screening(owner, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "start", lambda _role: (settings, db.current()))
    with db.transaction("owner") as session:
        make.make_enterprise(session)
    switch(owner, "on", owner.firm)
    written = tmp_path / "discoverable.txt"
    done = CliRunner().invoke(commands.enterprises, ["discoverable", "--to", str(written)], catch_exceptions=False)
    assert done.exit_code == 0
    assert written.read_text() == f"{owner.firm.uscc}\n"

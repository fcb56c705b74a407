"""The sandbox's bank desk: who may sign in, and what stays as it was."""

from __future__ import annotations

import pyotp
from sqlalchemy import select

from creditlink.desk.tables import DeskClient, DeskPerson
from creditlink.financing.requests.requests import desks
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.sandbox.platform import bank_desk, seed
from tests.desk.conftest import Lender


def test_a_demo_bank_has_a_desk_once_and_its_own_software_goes_on(app, settings, tmp_path):
    for _ in range(2):  # as `make run` does at each start
        with db.transaction("owner") as session:
            seed.seed_lenders(session, settings, now=utc_now())
            banks = seed.seed_banks(session, settings, tmp_path, (9101, 9102, 9103, 9104), now=utc_now())
            people = bank_desk.seed_desk(session, settings, password=seed.PASSWORD, now=utc_now())
    with db.transaction("owner") as session:
        assert session.query(DeskClient).count() == 2
        assert session.query(DeskPerson).count() == len(people) == 2
        bank = session.scalar(select(Institution).where(Institution.code == bank_desk.BANK))
        own = next(one for one in banks if one.institution == bank.code)
        assert desks(session)[bank.code].client.client_id == own.client_id
    first = Lender(app.test_client())
    first.get("/portal/desk/sign-in")
    code = pyotp.TOTP(people[0].totp_secret).now()
    sent = first.post("/portal/desk/sign-in", login=people[0].login, password=people[0].password, totp=code)
    assert sent.status_code == 303
    assert first.get("/portal/desk/people").status_code == 200

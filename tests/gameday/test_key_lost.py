"""Game day in short: the key file is lost, and a process starts with another secret. Nothing opens, nobody gets in."""

from __future__ import annotations

import re
from dataclasses import replace

import pyotp
import pytest

from creditlink.consents.agreement import receipts
from creditlink.custody import resealing
from creditlink.enterprises import accounts
from creditlink.kit import keyring
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.web.app import create_app
from tests import factories as make

OTHER = "another secret, made in haste " + "o" * 20


def sign_in(client, login, **fields):
    shown = client.get("/portal/sign-in").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', shown)[1]
    given = {"csrf_token": token, "login": login, "password": make.PASSWORD, **fields}
    return client.post("/portal/sign-in", data=given)


def test_the_key_is_lost_and_found_again(app, settings):
    secret = accounts.new_totp_secret()
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        accounts.enroll_totp(account, secret, key=settings.secret_key)
        login = account.login
    receipt = receipts.sign({"consent": "con_1"}, secret=settings.secret_key)

    lost = replace(settings, secret_key=keyring.keys_of(OTHER))
    runtime.process().put(lost)
    without = create_app(lost, db.current()).test_client()
    # The password alone does not do where a code was set up, and the code cannot be judged: closed, no error of ours.
    assert sign_in(without, login).status_code == 401
    assert sign_in(without, login, totp=pyotp.TOTP(secret).at(utc_now())).status_code == 401
    assert without.get("/health/live").status_code == 200
    published = without.get("/v1/receipt-keys").json
    assert keyring.unverified(receipt)
    with pytest.raises(keyring.SignatureRefused):
        keyring.verify(receipt, published, typ=receipts.TYPE)
    with db.transaction("owner") as session:
        told = {name: (good, bad) for name, good, bad in resealing.opened(session, lost.secret_key)}
    assert told["accounts.totp_secret"] == (0, 1)
    # Sealing anew without the key destroys nothing.
    resealing.reseal(lambda: db.transaction("owner"), lost.secret_key)

    runtime.process().put(settings)
    found = create_app(settings, db.current()).test_client()
    assert sign_in(found, login, totp=pyotp.TOTP(secret).at(utc_now())).status_code == 303
    assert keyring.verify(receipt, found.get("/v1/receipt-keys").json, typ=receipts.TYPE)

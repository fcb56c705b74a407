"""What is good once is good once in any process: links, invitations and recovery codes, eight at a time in two."""

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx
import pytest
from sqlalchemy import func, select

from creditlink.enterprises import accounts
from creditlink.enterprises.identity import invitations, links, recovery
from creditlink.enterprises.tables import Account, Representation
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from tests import factories as make
from tests import serving

NEW = "a new and long password"
AT_ONCE = 8


@pytest.fixture(scope="module")
def two(database, tmp_path_factory):
    """The application in two processes."""
    folder = tmp_path_factory.mktemp("races")
    with serving.serve(serving.environment(database, folder), processes=2) as addresses:
        yield addresses


@pytest.fixture
def race(two, empty_database):
    """Send a form from eight browsers at once, four to each process; return the answers' status."""

    def run(path, form=lambda number: {}):
        browsers = [httpx.Client(base_url=address, trust_env=False, timeout=60)
                    for _, address in zip(range(AT_ONCE), cycle(two), strict=False)]  # fmt: skip
        tokens = [re.search(r'name="csrf_token" value="([^"]+)"', one.get(path).text)[1] for one in browsers]

        def send(number):
            fields = form(number) | {"csrf_token": tokens[number]}
            return browsers[number].post(path, data=fields).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = sorted(pool.map(send, range(AT_ONCE)))
        for one in browsers:
            one.close()
        return answers

    return run


def test_a_link_to_a_new_password_in_two_processes(race):
    with db.transaction("owner") as session:
        secret, _ = links.make(session, make.make_account(session), "reset", utc_now())
    answers = race(f"/portal/reset/{secret}", lambda number: {"new": NEW + str(number), "again": NEW + str(number)})
    assert answers == [303] + [404] * (AT_ONCE - 1)


def test_an_invitation_in_two_processes(race):
    with db.transaction("owner") as session:
        firm, leader = make.make_enterprise(session), make.make_account(session)
        make.make_representation(session, firm, leader)
        secret, _ = invitations.invite(
            session, firm, by=leader, name="x", limits=None, valid_until=None, reason="x", now=utc_now()
        )
    person = {"doing": "join", "name": "x", "new": NEW, "again": NEW}
    answers = race(f"/portal/invited/{secret}", lambda number: person | {"login": f"person{number}"})
    assert answers.count(303) == 1
    with db.transaction("owner") as session:
        assert session.scalar(select(func.count()).select_from(Representation)) == 2
        assert session.scalar(select(func.count()).select_from(Account)) == 2  # the others made no account either


def test_a_recovery_code_in_two_processes(race):
    with db.transaction("owner") as session:
        account = make.make_account(session, password=make.PASSWORD)
        accounts.enroll_totp(account, accounts.new_totp_secret(), key=serving.SECRET_KEY)
        session.flush()
        code = recovery.renew(session, account.id, key=serving.SECRET_KEY, now=utc_now())[0]
    fields = {"login": account.login, "password": make.PASSWORD, "totp": code}
    answers = race("/portal/sign-in", lambda _: fields)
    assert answers == [303] + [401] * (AT_ONCE - 1)

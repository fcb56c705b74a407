"""What a bank reads, the firm sees: in its very next request, whole and exact."""

import re

from creditlink.enterprises.accounts import hash_password
from creditlink.enterprises.tables import Account
from creditlink.kit.postgres import db
from tests import factories as make
from tests.portal.conftest import Person


def test_a_read_and_a_refusal_are_in_the_firms_next_page(created, bank, app, firm):
    with db.transaction("owner") as session:
        session.get_one(Account, firm.account.id).password_hash = hash_password(make.PASSWORD)
    person = Person(app.test_client(), firm.account)
    person.sign_in()

    def rows():
        page = person.get("/portal/accesses?lang=en").text
        what = r'data-label="What">(Credit profile \w+|A request for data)<.*?>(Shared|Refused)<'
        return re.findall(what, page, flags=re.S)

    authorization, body = created()
    assert rows() == [("Credit profile made", "Shared")]
    assert bank.call("GET", f"/v1/profiles/{body['id']}", authorization).status_code == 200
    assert rows() == [("Credit profile read", "Shared"), ("Credit profile made", "Shared")]
    assert bank.call("GET", "/v1/profiles/prf_" + "0" * 32, authorization).status_code == 404
    assert rows()[0] == ("A request for data", "Refused")
    assert len(rows()) == 3

"""The pages of disputes: who may do what, what is refused in words, and files that are never handed out unscanned."""

from __future__ import annotations

import io

import pytest

from tests.disputes import conftest as at
from tests.portal.conftest import Person


@pytest.fixture
def person(app, firm, offices, bank, relied):
    """The firm's legal representative, signed in; a bank has relied on the firm's records."""
    relied(bank)
    owner = Person(app.test_client(), firm.account)
    assert owner.sign_in().status_code == 303
    return owner


def file_of(page, one):
    (row,) = at.files_of(one)
    return page.get(f"/portal/disputes/{one.wire_id}/files/{row.wire_id}")


def test_a_file_is_handed_back(person, firm):
    one = at.dispute(firm, at.payroll(firm))
    answer = file_of(person, one)
    assert (answer.status_code, answer.data) == (200, at.PDF)
    assert io.BytesIO

"""Members of staff in an empty database."""

import pytest

from creditlink.kit.postgres import db
from tests import factories as make


@pytest.fixture
def session(empty_database):
    with db.transaction("owner") as opened:
        yield opened


@pytest.fixture
def dan(session):
    return make.make_staff(session, "dan", "operator")


@pytest.fixture
def eva(session):
    return make.make_staff(session, "eva", "operator")

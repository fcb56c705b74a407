"""The menu of a firm's people: every page of theirs is found under one group."""

from __future__ import annotations

import flask
import pytest
from flask_babel import Babel

from creditlink.portal.menu import firm_menu

pytestmark = pytest.mark.pure

PATHS = (
    *("", "inbox", "accesses", "profile", "reports", "card", "notices", "own", "uploads", "disputes", "financing"),
    *("messages", "representatives", "security"),
)
"""What `tests/portal/access.py` has among the pages of a firm."""


@pytest.fixture
def app():
    made = flask.Flask(__name__)
    Babel(made, default_locale="en")
    for path in PATHS:
        made.add_url_rule(f"/portal/{path}", path or "home", lambda: "")
    return made


def menu_at(app, path):
    with app.test_request_context(path):
        return firm_menu("/portal")


@pytest.mark.parametrize(
    ("path", "group", "page", "exact"),
    [
        ("/portal/", "Banks", "My consents", "page"),
        ("/portal/consents/cns_1", "Banks", "My consents", "true"),
        ("/portal/inbox/cns_1", "Banks", "Requests", "true"),
        ("/portal/accesses", "Banks", "Who saw what", "page"),
        ("/portal/profile/changes", "Credit", "Credit profile", "true"),
        ("/portal/group", "Credit", "Credit profile", "true"),
        ("/portal/notices", "Credit", "Adverse decisions", "page"),
        ("/portal/own/records", "Our data", "Data from offices", "true"),
        ("/portal/uploads", "Our data", "Uploaded files", "page"),
        ("/portal/disputes/new", "Our data", "Disputes", "true"),
        ("/portal/messages/settings", "Account", "Messages", "true"),
        ("/portal/security/keys", "Account", "Security", "true"),
    ],
)
def test_a_page_is_under_one_group_and_one_entry(app, path, group, page, exact):
    groups, name, pages = menu_at(app, path)
    assert [one.label for one in groups if one.current] == [group]
    assert name == group
    assert [(one.label, one.current) for one in pages if one.current] == [(page, exact)]


def test_a_group_of_one_page_has_no_second_row(app):
    groups, name, pages = menu_at(app, "/portal/financing/fin_1")
    assert ([one.label for one in groups if one.current], name, pages) == (["Financing"], "", [])


def test_what_is_none_of_them_marks_nothing(app):
    groups, name, pages = menu_at(app, "/portal/ownership")
    assert ([one for one in groups if one.current], name, pages) == ([], "", [])


def addresses_of(app):
    """Return the addresses of the menu's entries below the pages' own, without fragments."""
    found = set()
    for path in ("/portal/", "/portal/profile", "/portal/own", "/portal/messages", "/portal/financing"):
        groups, _, pages = menu_at(app, path)
        found |= {one.address.partition("#")[0].removeprefix("/portal/") for one in (*groups, *pages)}
    return found


def test_each_page_has_its_place(app):
    assert addresses_of(app) == set(PATHS)
    _, _, pages = menu_at(app, "/portal/card")
    assert [one.label for one in pages] == [
        "Credit profile", "How to improve", "Reports", "Credit card", "Adverse decisions",
    ]  # fmt: skip
    assert [one.label for one in pages if one.current] == ["Credit card"]

"""The page on which a firm asks for deletion: it says what goes and what stays, and then it happens."""

import pytest
from sqlalchemy import select

from creditlink.consents.tables import Consent
from creditlink.decisions.kept import shipped_classes
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.retention.tables import DeletionRequest
from tests import factories as make


@pytest.fixture
def consent(owner):
    with db.transaction("owner") as session:
        firm, account = session.merge(owner.firm), session.merge(owner.account)
        return make.make_consent(session, enterprise=firm, account=account, now=utc_now())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_says_by_class_what_goes_and_what_stays_with_the_law(owner, consent, language):
    shown = owner.get(f"/portal/consents/{consent.wire_id}/delete?lang={language}").text
    for one in shipped_classes().classes:
        assert (one.holds_zh if language == "zh" else one.holds_en) in shown.replace("&#39;", "'")
        assert one.source in shown
    assert ("撤回并删除" if language == "zh" else "Withdraw and delete") in shown


def test_asking_withdraws_and_is_noted_once(owner, consent):
    path = f"/portal/consents/{consent.wire_id}"
    assert owner.get(path).status_code == 200
    assert f"{path}/delete" in owner.page.text
    owner.get(f"{path}/delete?lang=en")
    assert owner.post(f"{path}/delete").status_code == 303
    with db.transaction("owner") as session:
        assert session.get_one(Consent, consent.id).state == "REVOKED"
        (asked,) = session.scalars(select(DeletionRequest)).all()
        assert asked.asked_by == f"account:{owner.account.id}"
    assert "Asked for on" in owner.get(f"{path}/delete?lang=en").text
    assert '<form method="post" action="/portal/consents' not in owner.page.text


def test_another_firms_consent_is_not_there(owner):
    with db.transaction("owner") as session:
        stranger = make.make_consent(session, now=utc_now())
    for method in ("get", "post"):
        assert getattr(owner, method)(f"/portal/consents/{stranger.wire_id}/delete").status_code in (400, 404)
    with db.transaction("owner") as session:
        assert session.scalars(select(DeletionRequest)).all() == []


def test_without_a_token_of_the_form_nothing_happens(owner, consent):
    assert owner.post(f"/portal/consents/{consent.wire_id}/delete", token="x").status_code == 400
    with db.transaction("owner") as session:
        assert session.get_one(Consent, consent.id).state == "ACTIVE"

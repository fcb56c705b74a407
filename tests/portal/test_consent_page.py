"""The consent page in depth: the second layer, examples, what was shown is what is signed; withdrawal with deletion."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from creditlink.consents import readings
from creditlink.consents.agreement.questions import question_for
from creditlink.consents.tables import Consent, ConsentReading
from creditlink.institutions.tables import Institution
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db
from creditlink.retention.tables import DeletionRequest
from tests import factories as make
from tests.portal.test_authorize import stored


def hidden(page, name):
    return re.findall(rf'name="{name}" value="([^"]*)"', page.text)


def reading_of(consent):
    with db.transaction("owner") as session:
        return session.get(ConsentReading, consent.id)


def test_each_category_opens_without_a_script_and_shows_a_made_up_row(owner, bank):
    path, _ = bank.asks(categories=("tax", "electricity"), optional_categories=("electricity",))
    said = owner.get(f"{path}?lang=en").text
    assert said.count('<details class="layer">') == 2
    assert "<script" not in said
    assert said.count("Example, made up") == 2
    assert "a company that files by month" in said
    assert "nothing of yours is read before you agree" in said


def test_the_example_is_of_the_firms_own_class(owner, bank):
    with db.transaction("owner") as session:
        session.get_one(type(owner.firm), owner.firm.id).entity_type = "sole_trader"
    path, _ = bank.asks(categories=("tax",), optional_categories=())
    said = owner.get(f"{path}?lang=en").text
    assert "a sole trader that files by quarter" in said
    assert "2026-01 to 2026-03" in said


def test_no_example_is_in_what_is_signed(owner, bank):
    path, consent = bank.asks(categories=("tax",), optional_categories=())
    owner.get(path)
    owner.post(path, decision="approve")
    kept = str(stored(consent).text_shown)
    assert "860" not in kept
    assert "details" in kept


def test_another_text_than_the_one_shown_is_not_signed(owner, bank):
    """The operator corrects a licence, or the language changes, between looking and signing."""
    path, consent = bank.asks()
    shown = hidden(owner.get(f"{path}?lang=en"), "text")
    with db.transaction("owner") as session:
        session.get_one(Institution, bank.institution.id).licence_no = "B9999"
    answer = owner.post(path, decision="approve", text=shown)
    assert answer.status_code == 409
    assert "The text has changed" in answer.text
    assert stored(consent).state == "REQUESTED"
    again = hidden(owner.page, "text")
    assert again != shown
    assert owner.post(path, decision="approve", text=again).status_code == 303
    assert stored(consent).text_sha256 == again[0]


class TestReading:
    @pytest.mark.parametrize(("pick", "kept"), [("right", "right"), ("unsure", "unsure"), (None, "skipped")])
    def test_an_answer_is_kept_as_right_or_not_and_changes_nothing(self, owner, bank, pick, kept):
        path, consent = bank.asks()
        owner.get(path)
        question = question_for(consent.id, consent.details(), "en")
        given = {"right": question.right, "unsure": "unsure", None: None}[pick]
        owner.post(path, decision="approve", **({"reading": given} if given else {}))
        row = reading_of(consent)
        assert (row.decision, row.question, row.answer) == ("agreed", question.name, kept)
        assert 0 <= row.seconds < 60
        assert stored(consent).state == "ACTIVE"

    def test_a_wrong_answer_does_not_stand_in_the_way(self, owner, bank):
        path, consent = bank.asks()
        owner.get(path)
        question = question_for(consent.id, consent.details(), "en")
        wrong = next(key for key, _ in question.choices if key not in (question.right, "unsure"))
        assert owner.post(path, decision="approve", reading=wrong).status_code == 303
        assert reading_of(consent).answer == "wrong"

    def test_a_decline_is_counted_too(self, owner, bank):
        path, consent = bank.asks()
        owner.get(path)
        owner.post(path, decision="decline", reading="x" * 3)
        assert (reading_of(consent).decision, reading_of(consent).answer) == ("declined", "skipped")

    def test_nothing_is_ticked_for_the_person(self, owner, bank):
        path, _ = bank.asks()
        assert not re.search(r'name="reading"[^>]* (checked|required)', owner.get(path).text)

    def test_figures_count_each_firm_once_and_hide_few(self, app, bank):
        now = utc_now()
        with db.transaction("owner") as session:
            firm = make.make_enterprise(session)
            for _ in range(12):
                consent = make.make_consent(session, client=bank.client, enterprise=firm, now=now)
                question = question_for(consent.id, consent.details(), "en")
                readings.note(session, consent, decision="agreed", question=question, answer="1", now=now)
            assert sum(readings.answers(session, now).values()) == 1
            assert readings.times(session, now) == []
            assert readings.answers(session, now + timedelta(days=31)) == {}


class TestWithdrawal:
    @pytest.fixture
    def consent(self, owner):
        with db.transaction("owner") as session:
            account, firm = session.merge(owner.account), session.merge(owner.firm)
            return make.make_consent(session, account=account, enterprise=firm, now=utc_now())

    def test_says_what_stops_what_stays_until_when_and_offers_deletion(self, owner, consent):
        path = f"/portal/consents/{consent.wire_id}"
        said = owner.get(f"{path}/withdraw?lang=en").text
        assert "What stops at once" in said
        assert "What stays, and until when" in said
        assert "stays sealed" in said
        assert re.search(r"until 20\d\d-\d\d-\d\d at the latest", said)
        for action in ("revoke", "delete", "pause"):
            assert f'action="{path}/{action}"' in said
        assert stored(consent).state == "ACTIVE"  # looking ends nothing

    def test_withdrawing_with_deletion_notes_both(self, owner, consent):
        path = f"/portal/consents/{consent.wire_id}"
        owner.get(f"{path}/withdraw")
        assert owner.post(f"{path}/delete").status_code == 303
        assert stored(consent).state == "REVOKED"
        with db.transaction("owner") as session:
            assert session.scalars(select(DeletionRequest.consent_id)).all() == [consent.id]

    def test_what_is_over_has_nothing_to_confirm(self, owner, consent):
        path = f"/portal/consents/{consent.wire_id}"
        owner.get(f"{path}/withdraw")
        owner.post(f"{path}/revoke")
        assert owner.get(f"{path}/withdraw").headers["Location"] == path

    def test_another_firms_is_not_there(self, owner):
        with db.transaction("owner") as session:
            stranger = make.make_consent(session, now=utc_now())
        assert owner.get(f"/portal/consents/{stranger.wire_id}/withdraw").status_code == 404


def test_all_of_it_is_a_consent_row_like_any_other(owner, bank):
    path, consent = bank.asks()
    owner.get(path)
    owner.post(path, decision="approve")
    with db.transaction("owner") as session:
        held = session.get_one(Consent, consent.id)
        assert held.text_version == "2026-6"
        assert {"identity", "data", "lines", "public"} <= set(held.text_shown)

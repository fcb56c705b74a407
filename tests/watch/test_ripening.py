"""What was predicted of a loan is held against its outcome once that is known, and then names nobody."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from creditlink.financing.tables import Application
from creditlink.kit.postgres import db
from creditlink.overlays.tables import OverlayResult
from creditlink.profiles.tables import Profile
from creditlink.watch import ripening
from creditlink.watch.counting import WatchedModel
from creditlink.watch.tables import OutcomeDay, RipeningLoan, SeriesCount
from tests.financing.conftest import NOW, asked, market
from tests.financing.test_labels import lent
from tests.rows import add_row

__all__ = ["asked", "lent", "market"]

RIPE = date(2028, 1, 31)
REGISTRATION = {"industry": "C33", "region": "440604", "entity_type": "company"}


@pytest.fixture
def predicted(lent, market):
    """A profile under the consent of each application, made before the lender's answer; the second was the riskiest."""
    with db.transaction("owner") as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for one, pd_12m in zip(lent, (0.01, 0.09, 0.02), strict=True):
            held = session.get_one(Application, one)
            profile_id = uuid4()
            for number, (made_at, pd) in enumerate([(NOW, pd_12m), (NOW + timedelta(days=9), 0.5)]):
                add_row(
                    session, Profile.__table__, id=profile_id if not number else uuid4(), consent_id=held.consent_id,
                    enterprise_id=held.enterprise_id, institution_id=held.institution_id, created_at=made_at,
                    as_of=date(2026, 8, 24), state="scored", grade="B", points=600, pd_12m=pd, model_id="m",
                    registration=REGISTRATION, content_version=1,
                )  # fmt: skip
            add_row(
                session, OverlayResult.__table__, profile_id=profile_id, result={"decision": "decline"},
                enterprise_id=held.enterprise_id, institution_id=held.institution_id,
            )  # fmt: skip
    return lent


def loans(session):
    return session.scalars(select(RipeningLoan).order_by(RipeningLoan.pd_12m)).all()


def test_a_loan_ripens_once_and_is_forgotten(predicted):
    with db.transaction("worker") as session:
        assert ripening.take_up(session, date(2026, 8, 26)) == 3
        assert ripening.take_up(session, date(2026, 8, 27)) == 0
        assert [one.pd_12m for one in loans(session)] == [0.01, 0.02, 0.09]  # by the profile that the lender had
        assert ripening.ripen(session, date(2027, 8, 23)) == {}
    with db.transaction("worker") as session:
        assert ripening.ripen(session, RIPE) == {"good": 1, "bad": 1, "unreported": 1}
    with db.transaction("worker") as session:
        good, silent, bad = loans(session)
        assert (good.label, silent.label, bad.label) == ("good", None, "bad")
        assert {good.application_id, good.enterprise_id, bad.application_id, bad.enterprise_id} == {None}
        assert silent.application_id == predicted[2]
        assert ripening.take_up(session, RIPE) == 0  # what is forgotten is not taken up again
        found = ripening.measure(session, RIPE)[WatchedModel("underwriting", "m")]
        assert (found.loans, found.bads, found.mean_pd) == (2, 1, pytest.approx(0.05))
        kept = session.scalars(select(OutcomeDay)).one()
        assert (kept.part, kept.waiting, kept.lag_days) == ("all", 1, (RIPE - date(2027, 8, 24)).days)
    with db.transaction("worker") as session:
        assert ripening.ripen(session, date(2028, 3, 1)) == {"unreported": 1}
        assert len(loans(session)) == 2
        ripening.ripen(session, date(2031, 3, 1))
        assert loans(session) == []


def test_the_database_keeps_no_name_of_a_ripe_loan(predicted):
    with db.transaction("worker") as session:
        ripening.take_up(session, date(2026, 8, 26))
    with (
        pytest.raises(Exception, match="ripe_is_nameless"),
        db.transaction("worker") as session,
    ):
        session.execute(text("UPDATE ripening_loans SET label = 'good', ripe_on = '2028-01-01'"))


def test_an_offer_against_the_overlay_is_an_override(predicted):
    with db.transaction("worker") as session:
        ripening.count_overrides(session, date(2026, 8, 24))
        ripening.count_overrides(session, date(2026, 8, 24))
        rows = session.scalars(select(SeriesCount)).all()
        assert [(one.series, one.model_id, one.counts) for one in rows] == [("override", "m", [0, 0, 3])]


def test_nobody_serving_requests_sees_a_loan(predicted):
    with db.transaction("worker") as session:
        ripening.take_up(session, date(2026, 8, 26))
    with db.transaction("api") as session:
        assert loans(session) == []

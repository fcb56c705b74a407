"""Migration 0033 on rows: the supplies apart and together again, nothing wider on the way, no evidence rewritten."""

from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from creditlink.consents.tables import Consent
from creditlink.enterprises.tables import Representation
from creditlink.institutions.tables import Client
from creditlink.kit.clock import utc_now
from creditlink.kit.postgres import db, schema
from creditlink.records import store
from tests import factories as make
from tests.records.test_opened_categories import FACTS

NOW = utc_now()
ALL = ("registration", "tax", "electricity", "water", "gas", "logistics")
BEFORE, HERE = "0032", "0033"


@pytest.fixture
def own(postgres_url):
    """A database of its own, at the newest schema."""
    with closing(db.Database(db.ensure_database(postgres_url, "supplies_apart"))) as database:
        schema.upgrade(database)
        yield database
        schema.downgrade(database, "base")


def lists_of(database, consent_id) -> dict[str, list[str]]:
    with database.transaction("owner") as session:
        row = session.execute(
            text("SELECT categories_asked, optional_categories, categories FROM consents WHERE id = :id"),
            {"id": consent_id},
        ).one()
        return row._asdict()


def test_what_firms_granted_is_neither_more_nor_less_on_the_way(own):
    with own.transaction("owner") as session:
        client = make.make_client(session, categories=sorted(ALL))
        given = {"client": client, "now": NOW - timedelta(minutes=1), "wanted": ALL}
        whole = make.make_consent(session, **given)
        optional = ("electricity", "water", "gas")
        part = make.make_consent(
            session,
            **given,
            optional_categories=optional,
            categories=("registration", "tax", "electricity", "logistics"),
        )
        alone = make.make_consent(session, **{**given, "wanted": ("gas",)}, optional_categories=())
        waiting = make.make_consent(session, **given, state="REQUESTED")
        firm = make.make_enterprise(session)
        agents = [
            make.make_representation(
                session, firm, make.make_account(session), "agent", limits={"categories": list(some)}
            ).id
            for some in (ALL, ("tax", "gas"))
        ]
        store.save_facts(session, FACTS, enterprise_id=firm.id, source="test", pull_id=None, now=NOW)
        shown = {one.id: (one.asked, one.text_shown, one.text_sha256) for one in (whole, part, alone, waiting)}
        ids = whole.id, part.id, alone.id, waiting.id
    schema.downgrade(own, BEFORE)
    together = ["registration", "tax", "utility", "logistics"]
    assert lists_of(own, ids[0])["categories"] == together
    assert lists_of(own, ids[1])["categories"] == ["registration", "tax", "logistics"]
    assert lists_of(own, ids[1])["optional_categories"] == ["utility"]
    assert lists_of(own, ids[2])["categories"] == ["registration"]  # gas alone was never granted
    assert lists_of(own, ids[3])["categories_asked"] == together
    with own.transaction("owner") as session:
        facts = session.scalars(text("SELECT DISTINCT category FROM facts ORDER BY 1")).all()
        assert facts == ["public_credit", "tax", "utility"]
        session.execute(text("INSERT INTO sources (name, state, changed_at) VALUES ('utility', 'up', now())"))
    schema.upgrade(own)
    with own.engine("owner").connect() as connection:
        assert schema.current_revision(connection) >= HERE
    assert lists_of(own, ids[0])["categories"] == list(ALL)
    assert lists_of(own, ids[1])["categories"] == ["registration", "tax", "logistics"]
    assert lists_of(own, ids[1])["optional_categories"] == ["electricity", "water", "gas"]
    assert lists_of(own, ids[3])["categories_asked"] == list(ALL)
    with own.transaction("owner") as session:
        rows = session.execute(
            text("SELECT DISTINCT category, frame, split_part(subkey, '/', 1) AS part FROM facts")
        ).all()
        assert {row.category for row in rows} == {"public_credit", "tax", "electricity", "water", "gas"}
        assert all(row.category == row.part for row in rows if row.frame == "meter_months")
        assert set(session.scalars(select(Client.categories)).one()) == set(ALL)
        limits = [session.get_one(Representation, agent).limits["categories"] for agent in agents]
        assert limits == [list(ALL), ["tax"]]
        assert session.scalar(text("SELECT count(*) FROM sources WHERE name = 'utility'")) == 0
        for consent_id, kept in shown.items():  # what was asked, signed and shown
            one = session.get_one(Consent, consent_id)
            assert (one.asked, one.text_shown, one.text_sha256) == kept
        # The trigger that keeps consents as they are is on again.
        with pytest.raises(Exception, match="consent"), session.begin_nested():
            session.execute(text("UPDATE consents SET categories = categories_asked"))

"""The pool: a connection that died while it lay idle is replaced before anybody notices."""

from sqlalchemy import text

from creditlink.kit.postgres import db


def test_a_connection_that_died_in_the_pool_is_replaced(database, monkeypatch):
    monkeypatch.setattr(db, "_FRESH_SECONDS", 0.0)
    other = db.Database(db.conninfo(database.url), pool_size=1)
    try:
        with other.transaction("api") as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
        with database.transaction("owner") as session:
            assert session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with other.transaction("api") as session:
            assert session.scalar(text("SELECT pg_backend_pid()")) != pid
            assert session.scalar(text("SELECT current_user")) == "creditlink_api"
    finally:
        other.close()


def test_settings_are_entered_for_the_transaction_and_no_longer(database):
    query = text("SELECT current_setting('creditlink.actor', true), current_setting('creditlink.account_id', true)")
    with database.transaction("api") as session:
        db.enter(session, db.Viewer(actor="audit", account_id="it's 7"))
        assert tuple(session.execute(query).one()) == ("audit", "it's 7")
    with database.transaction("api") as session:
        # Never set on this connection, or set and let go again: the server tells the two apart.
        assert set(session.execute(query).one()) <= {None, ""}

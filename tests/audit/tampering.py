"""What only the database's owner can do to the evidence."""

from sqlalchemy import text


def tamper(database, *statements, **values):
    """Run statements on entries that nobody may change."""
    with database.transaction("owner") as session:
        session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
        for statement in statements:
            session.execute(text(statement), values)
        session.execute(text("ALTER TABLE audit_entries ENABLE TRIGGER USER"))

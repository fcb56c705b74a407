"""Alembic's entry: run the numbered migrations on the connection it is given."""

from alembic import context
from sqlalchemy import text

from creditlink.db import Base

connection = context.config.attributes["connection"]
# The metadata gives constraints their names, so that a migration and the tables agree.
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
with context.begin_transaction():
    # Two processes that start together take turns; the lock ends with the session.
    connection.execute(text("SET lock_timeout = '30s'"))
    context.run_migrations()

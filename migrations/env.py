"""Alembic's entry: run the numbered migrations on the connection it is given."""

from alembic import context
from sqlalchemy import text

from creditlink.kit.postgres.db import Base
from creditlink.kit.postgres.schema import SERVES


def mark(ctx, step, heads, run_args):
    """Note which code the schema still serves: `serves` of its newest migration, which without one serves its own."""
    for revision in heads:
        oldest = getattr(context.script.get_revision(revision).module, "serves", revision)
        ctx.connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{SERVES}{oldest}'"))


connection = context.config.attributes["connection"]
# The metadata gives constraints their names, so that a migration and the tables agree.
context.configure(
    connection=connection, target_metadata=Base.metadata, transaction_per_migration=True, on_version_apply=mark
)
with context.begin_transaction():
    # Two processes that start together take turns; the lock ends with the session.
    connection.execute(text("SET lock_timeout = '30s'"))
    context.run_migrations()

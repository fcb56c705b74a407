"""The bank desk without anybody at it: the worker reads the requests that wait, and keeps what firms answered."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None
serves = "0051"  # an index, and rights of the worker's


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_desk_requests_waiting", "desk_requests", ["polled_at"],
        postgresql_where=sa.text("channel = 'inbox' AND state = 'waiting'"),
    )  # fmt: skip
    op.execute("GRANT SELECT ON desk_requests TO creditlink_worker")
    op.execute("GRANT UPDATE (state, consent, state_hash, sealed, polled_at) ON desk_requests TO creditlink_worker")
    op.execute("GRANT SELECT ON desk_clients TO creditlink_worker")
    op.execute("CREATE POLICY worker ON desk_clients FOR SELECT TO creditlink_worker USING (hand = 'acts')")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP POLICY worker ON desk_clients")
    op.execute("REVOKE SELECT ON desk_clients FROM creditlink_worker")
    op.execute(
        "REVOKE UPDATE (state, consent, state_hash, sealed, polled_at), SELECT ON desk_requests FROM creditlink_worker"
    )
    op.execute("GRANT SELECT (expires_at, state) ON desk_requests TO creditlink_worker")
    op.drop_index("ix_desk_requests_waiting", "desk_requests")

"""The funnel is told by closed periods, each once; amounts that too few firms share in are not told."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

AMOUNTS = ("asked_fen", "approved_fen", "drawn_fen")


def upgrade() -> None:
    """Apply."""
    # What stood there was computed as things happened; the first closed period tells it again.
    op.execute("DELETE FROM financing_funnel")
    op.drop_constraint(op.f("pk_financing_funnel"), "financing_funnel")
    op.add_column("financing_funnel", sa.Column("period_until", sa.DateTime(timezone=True), nullable=False))
    op.add_column("financing_funnel", sa.Column("period_from", sa.DateTime(timezone=True)))
    op.create_primary_key(op.f("pk_financing_funnel"), "financing_funnel", ["period_until", "dimension", "key"])
    for name in AMOUNTS:
        op.alter_column("financing_funnel", name, nullable=True)
    op.execute("REVOKE DELETE ON financing_funnel FROM creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("DELETE FROM financing_funnel")
    op.execute("GRANT DELETE ON financing_funnel TO creditlink_worker")
    for name in AMOUNTS:
        op.alter_column("financing_funnel", name, nullable=False)
    op.drop_constraint(op.f("pk_financing_funnel"), "financing_funnel")
    op.drop_column("financing_funnel", "period_from")
    op.drop_column("financing_funnel", "period_until")
    op.create_primary_key(op.f("pk_financing_funnel"), "financing_funnel", ["dimension", "key"])

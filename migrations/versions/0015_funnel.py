"""The funnel as it is told: groups of at least ten firms, computed by the worker."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COUNTS = (
    "firms", "applied", "approved", "declined", "drawn", "repaid", "written_off", "overdue_90", "asked_fen",
    "approved_fen", "drawn_fen", "answered",
)  # fmt: skip


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "financing_funnel",
        sa.Column("dimension", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
        sa.Column("median_answer_hours", sa.Float),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("firms >= 10", name="firms"),
    )
    op.execute("GRANT SELECT ON financing_funnel TO creditlink_api")
    op.execute("GRANT SELECT, INSERT, DELETE ON financing_funnel TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.drop_table("financing_funnel")

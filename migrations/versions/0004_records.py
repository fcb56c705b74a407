"""Sources, pulls, facts and rows kept aside."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sources",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("last_success_at", INSTANT),
        sa.Column("last_failure_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.CheckConstraint("state IN ('up', 'degraded', 'down')", name="state"),
    )
    op.create_table(
        "pulls",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint("status IN ('OPEN', 'DONE', 'STOPPED')", name="status"),
        sa.CheckConstraint("\"trigger\" IN ('consent', 'profile', 'retry', 'operator')", name="trigger"),
        sa.CheckConstraint("(status = 'OPEN') = (finished_at IS NULL)", name="finished"),
    )
    op.create_index("uq_pulls_open", "pulls", ["consent_id"], unique=True, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_index("ix_pulls_consent_id_requested_at", "pulls", ["consent_id", "requested_at"])
    op.create_table(
        "pull_parts",
        sa.Column("pull_id", sa.Uuid, sa.ForeignKey("pulls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("new_rows", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("resources", pg.JSONB, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("began_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.CheckConstraint(
            "status IN ('READY', 'PENDING', 'DELIVERED', 'PARTIAL', 'NO_RECORD', 'DENIED', 'TIMEOUT', 'DOWN')",
            name="status",
        ),
        sa.CheckConstraint("(status IN ('READY', 'PENDING')) = (finished_at IS NULL)", name="finished"),
    )
    op.create_index("ix_pull_parts_source_finished_at", "pull_parts", ["source", "finished_at"])
    op.create_table(
        "facts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("frame", sa.Text, nullable=False),
        sa.Column("period", sa.Date, nullable=False),
        sa.Column("subkey", sa.Text, nullable=False),
        sa.Column("values", pg.JSONB, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("pull_id", sa.Uuid, sa.ForeignKey("pulls.id")),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.UniqueConstraint("enterprise_id", "frame", "period", "subkey", "content_hash"),
    )
    op.create_index("ix_facts_pull_id", "facts", ["pull_id"])
    op.create_table(
        "rejected_rows",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("pull_id", sa.Uuid, sa.ForeignKey("pulls.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("excerpt", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
    )
    op.create_index("ix_rejected_rows_source_recorded_at", "rejected_rows", ["source", "recorded_at"])

    # A request may ask for a pull; only the workers write what the offices said, and facts are never changed.
    op.execute("GRANT SELECT ON sources, facts, rejected_rows TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON pulls, pull_parts TO creditlink_api")
    op.execute("GRANT SELECT, INSERT, UPDATE ON sources, pulls, pull_parts TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT, DELETE ON facts, rejected_rows TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    for table in ("rejected_rows", "facts", "pull_parts", "pulls", "sources"):
        op.drop_table(table)

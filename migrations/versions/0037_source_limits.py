"""What an office allows, counted for all workers; answers used again under another consent; signatures of offices."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
serves = "0036"  # columns that older code leaves empty, a table that it does not know

# Who polls the offices' health sees how often they answered, not how often an answer was used again.
HEALTH = """
    CREATE OR REPLACE FUNCTION creditlink_source_health(since timestamptz)
    RETURNS TABLE (source text, answers bigint, good bigint, p50 double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT p.source, count(*), count(*) FILTER (WHERE p.status NOT IN ('DENIED', 'TIMEOUT', 'DOWN')),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM p.finished_at - p.began_at))
        FROM public.pull_parts p WHERE p.finished_at >= since {own} GROUP BY GROUPING SETS ((p.source), ()) $$"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "source_budgets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_on", sa.Date, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("rest_until", sa.DateTime(timezone=True)),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON source_budgets TO creditlink_worker")
    op.add_column("pull_parts", sa.Column("signatures", sa.dialects.postgresql.JSONB))
    op.add_column("pull_parts", sa.Column("answered_at", sa.DateTime(timezone=True)))
    op.add_column("pull_parts", sa.Column("reused_pull_id", sa.Uuid))
    op.get_bind().exec_driver_sql(HEALTH.format(own="AND p.reused_pull_id IS NULL"))


def downgrade() -> None:
    """Undo."""
    op.get_bind().exec_driver_sql(HEALTH.format(own=""))
    for column in ("reused_pull_id", "answered_at", "signatures"):
        op.drop_column("pull_parts", column)
    op.drop_table("source_budgets")

"""The watch over models: counts and findings by day, alarms, loans that ripen; freeze and fall-back in the register."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
MEMBER = "staff_members.account_id"
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
ACTIONS = "action IN ('import', 'register', 'step', 'replaced', 'rollback', 'retire')"
NOW = "action IN ('import', 'register', 'step', 'replaced', 'rollback', 'retire', 'fall_back')"


def _series_key() -> list[sa.Column]:
    return [
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("model_id", sa.Text, primary_key=True),
    ]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "watch_counts",
        *_series_key(),
        sa.Column("series", sa.Text, primary_key=True),
        sa.Column("counts", pg.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("expected", pg.ARRAY(sa.Double)),
        sa.Column("expected_after", pg.ARRAY(sa.Double)),
        sa.Column("expected_firms", sa.BigInteger),
    )
    op.create_table(
        "watch_findings",
        *_series_key(),
        sa.Column("series", sa.Text, primary_key=True),
        sa.Column("window_days", sa.BigInteger, nullable=False),
        sa.Column("firms", sa.BigInteger, nullable=False),
        sa.Column("index", sa.Float, nullable=False),
        sa.Column("chance", sa.Float),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("against", sa.Text, nullable=False),
        sa.CheckConstraint("level IN ('few', 'stable', 'moved', 'shifted')", name="level"),
        sa.CheckConstraint("against IN ('training', 'first_days', 'days_before', 'nothing')", name="against"),
    )
    op.create_table(
        "drift_alarms",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("series", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("detail", pg.JSONB, nullable=False),
        sa.Column("raised_on", sa.Date, nullable=False),
        sa.Column("seen_on", sa.Date, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("resolution", sa.Text),
        sa.CheckConstraint("act IN ('alert', 'freeze', 'fall_back')", name="act"),
        sa.CheckConstraint("(closed_at IS NULL) = (resolution IS NULL)", name="closed"),
        sa.Index(
            "uq_drift_alarms_open", "purpose", "model_id", "act", unique=True,
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
    )  # fmt: skip
    op.create_table(
        "ripening_loans",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("application_id", sa.Uuid, sa.ForeignKey("financing_applications.id"), unique=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), index=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("pd_12m", sa.Float, nullable=False),
        sa.Column("grade", sa.Text, nullable=False),
        sa.Column("parts", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("ripe_on", sa.Date),
        sa.CheckConstraint("label IN ('good', 'bad')", name="label"),
        sa.CheckConstraint("(label IS NULL) = (ripe_on IS NULL)", name="ripe"),
        sa.CheckConstraint(
            "label IS NULL OR (application_id IS NULL AND enterprise_id IS NULL)", name="ripe_is_nameless"
        ),
    )
    op.create_table(
        "watch_outcomes",
        *_series_key(),
        sa.Column("part", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("loans", "bads", "waiting")),
        sa.Column("lag_days", sa.BigInteger),
        *(sa.Column(name, sa.Float) for name in ("mean_pd", "bad_rate", "z", "auc", "auc_error")),
    )
    op.add_column("model_standings", sa.Column("frozen_at", INSTANT))
    op.add_column("model_standings", sa.Column("frozen_because", sa.Text))
    op.drop_constraint(op.f("ck_model_steps_action"), "model_steps")
    op.create_check_constraint(op.f("ck_model_steps_action"), "model_steps", NOW)
    # The worker counts, judges and acts; staff read it through the API, close alarms and lift freezes.
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON watch_counts, watch_findings, watch_outcomes TO creditlink_worker"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON drift_alarms TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ripening_loans TO creditlink_worker")
    op.execute(
        "GRANT SELECT ON watch_counts, watch_findings, watch_outcomes, drift_alarms, ripening_loans TO creditlink_api"
    )
    op.execute("GRANT UPDATE (closed_at, closed_by, resolution) ON drift_alarms TO creditlink_api")
    op.execute("GRANT UPDATE (frozen_at, frozen_because) ON model_standings TO creditlink_api")
    op.execute("GRANT UPDATE (status, since_at, frozen_at, frozen_because) ON model_standings TO creditlink_worker")
    op.execute("GRANT INSERT ON model_steps TO creditlink_worker")
    op.execute("ALTER TABLE ripening_loans ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON ripening_loans TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY operator_sees ON ripening_loans FOR SELECT TO creditlink_api USING ({OPERATOR})")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE INSERT ON model_steps FROM creditlink_worker")
    op.execute("REVOKE UPDATE (status, since_at) ON model_standings FROM creditlink_worker")
    op.drop_constraint(op.f("ck_model_steps_action"), "model_steps")
    op.execute("DELETE FROM model_steps WHERE action = 'fall_back'")
    op.create_check_constraint(op.f("ck_model_steps_action"), "model_steps", ACTIONS)
    op.drop_column("model_standings", "frozen_because")
    op.drop_column("model_standings", "frozen_at")
    for table in ("watch_outcomes", "ripening_loans", "drift_alarms", "watch_findings", "watch_counts"):
        op.drop_table(table)

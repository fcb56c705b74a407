"""The register of models in the database, shadow scores and their comparison, items for a person to review."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
MEMBER = "staff_members.account_id"
MODEL = "registered_models.model_id"
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
STATUSES = "status IN ('candidate', 'validated', 'approved', 'shadow', 'live', 'retired')"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "registered_models",
        sa.Column("model_id", sa.Text, primary_key=True),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("intended_use", sa.Text, nullable=False),
        sa.Column("limits", sa.Text, nullable=False),
        sa.Column("inputs", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        sa.CheckConstraint("tier IN ('1', '2', '3')", name="tier"),
    )
    op.create_table(
        "model_standings",
        sa.Column("model_id", sa.Text, sa.ForeignKey(MODEL), primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("since_at", INSTANT, nullable=False),
        sa.CheckConstraint(STATUSES, name="status"),
        sa.Index("uq_model_standings_live", "purpose", unique=True, postgresql_where=sa.text("status = 'live'")),
    )
    op.create_table(
        "model_steps",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("model_id", sa.Text, sa.ForeignKey(MODEL), nullable=False),
        sa.Column("purposes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("signed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", pg.JSONB, nullable=False),
        sa.Column("confirm_until", INSTANT),
        sa.Column("confirmed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("confirmed_at", INSTANT),
        sa.CheckConstraint("action IN ('import', 'register', 'step', 'replaced', 'rollback', 'retire')", name="action"),
        sa.CheckConstraint("confirmed_by <> signed_by", name="two_people"),
        sa.CheckConstraint("(confirmed_by IS NULL) = (confirmed_at IS NULL)", name="confirmed"),
        sa.Index("ix_model_steps_model_id_number", "model_id", "number"),
    )
    op.create_table(
        "shadow_scores",
        sa.Column("profile_id", sa.Uuid, sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("model_id", sa.Text, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("grade", sa.Text, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("pd_12m", sa.Float, nullable=False),
        sa.Column("live_model_id", sa.Text, nullable=False),
        sa.Column("live_grade", sa.Text, nullable=False),
        sa.Column("live_points", sa.BigInteger, nullable=False),
        sa.Column("live_pd_12m", sa.Float, nullable=False),
        sa.Column("profiled_at", INSTANT, nullable=False, index=True),
        sa.Column("scored_at", INSTANT, nullable=False),
    )
    op.create_table(
        "shadow_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("model_id", sa.Text, primary_key=True),
        sa.Column("live_model_id", sa.Text, primary_key=True),
        sa.Column("profiles", sa.BigInteger, nullable=False),
        sa.Column("rank_correlation", sa.Float),
        sa.Column("share_apart", sa.Float, nullable=False),
        sa.Column("psi", sa.Float),
        sa.Column("compared_at", INSTANT, nullable=False),
    )
    op.create_table(
        "review_items",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), index=True),
        sa.Column("profile_id", sa.Uuid, sa.ForeignKey("profiles.id", ondelete="CASCADE"), index=True),
        sa.Column("detail", pg.JSONB, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("resolution", sa.Text),
        sa.CheckConstraint("kind IN ('model_disagreement', 'shadow_drift', 'rollback_unconfirmed')", name="kind"),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed"),
        sa.Index("uq_review_items_open", "kind", "subject", unique=True, postgresql_where=sa.text("closed_at IS NULL")),
    )
    # The pages carry out what two people signed; the worker scores in the shadow and says what wants a person.
    op.execute("GRANT SELECT ON registered_models, model_standings, model_steps TO creditlink_api, creditlink_worker")
    op.execute("GRANT UPDATE (status, since_at) ON model_standings TO creditlink_api")
    op.execute("GRANT INSERT ON model_steps TO creditlink_api")
    op.execute("GRANT SELECT ON shadow_scores, review_items TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON shadow_scores TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON shadow_days TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON review_items TO creditlink_worker")
    for table in ("shadow_scores", "review_items"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY operator_sees ON {table} FOR SELECT TO creditlink_api USING ({OPERATOR})")


def downgrade() -> None:
    """Undo."""
    for table in (
        "review_items", "shadow_days", "shadow_scores", "model_steps", "model_standings", "registered_models",
    ):  # fmt: skip
        op.drop_table(table)

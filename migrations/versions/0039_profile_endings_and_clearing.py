"""Profiles that an event ended early, noted beside them; codes to be cleared are settled by the operator's client."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
serves = "0036"  # a table that older code does not know

EVENTS = (
    *("consent_withdrawn", "new_penalty_or_enforcement", "fact_corrected", "model_withdrawn"),
    *("registration_changed", "representative_changed", "new_arrears"),
)

SETTLED_BY = "owner, state, exception_evidence, exception_ends_on, resolution, changed_at"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "profile_endings",
        sa.Column("profile_id", sa.Uuid, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.dialects.postgresql.JSONB, nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_profile_endings_profile_id_profiles"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("event IN ({})".format(", ".join(f"'{event}'" for event in EVENTS)), name="event"),
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON profile_endings TO creditlink_worker")
    op.execute("GRANT SELECT ON profile_endings TO creditlink_api")
    op.execute("ALTER TABLE profile_endings ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON profile_endings TO creditlink_worker USING (true) WITH CHECK (true)")
    # Whoever sees the profile sees its end: the policies of `profiles` decide.
    op.execute(
        "CREATE POLICY seen ON profile_endings FOR SELECT TO creditlink_api"
        " USING (profile_id IN (SELECT id FROM profiles))"
    )

    op.execute(f"GRANT UPDATE ({SETTLED_BY}) ON uscc_clearings TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute(f"REVOKE UPDATE ({SETTLED_BY}) ON uscc_clearings FROM creditlink_api")
    op.drop_table("profile_endings")

"""Staff: people with roles beside their accounts, keys, logins of command lines, acts of two people."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
MEMBER = "staff_members.account_id"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "staff_members",
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("staff_number", sa.Text, nullable=False, unique=True),
        sa.Column("roles", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("invitation_hash", sa.Text, unique=True),
        sa.Column("invited_until", INSTANT),
        sa.Column("invited_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "roles <@ ARRAY['operator', 'risk', 'model_owner', 'auditor'] AND cardinality(roles) > 0", name="roles"
        ),
        sa.CheckConstraint("NOT 'auditor' = ANY(roles) OR cardinality(roles) = 1", name="auditor_alone"),
        sa.CheckConstraint("status IN ('invited', 'active', 'locked', 'suspended', 'ended')", name="status"),
        sa.CheckConstraint("(status = 'invited') = (invitation_hash IS NOT NULL)", name="invited"),
    )
    op.create_table(
        "staff_keys",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, sa.ForeignKey(MEMBER), nullable=False, index=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("thumbprint", sa.Text, nullable=False, unique=True),
        sa.Column("jwk", pg.JSONB),
        sa.Column("public_key", sa.LargeBinary),
        sa.Column("sign_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("kind IN ('key', 'webauthn')", name="kind"),
        sa.CheckConstraint("(kind = 'key') = (jwk IS NOT NULL)", name="jwk"),
    )
    op.create_table(
        "staff_logins",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("device_code_hash", sa.Text, nullable=False, unique=True),
        sa.Column("user_code_hash", sa.Text, nullable=False, unique=True),
        sa.Column("jwk", pg.JSONB, nullable=False),
        sa.Column("thumbprint", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("account_id", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("polled_at", INSTANT),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'denied', 'spent')", name="state"),
    )
    op.create_table(
        "staff_acts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", pg.JSONB, nullable=False),
        sa.Column("subject_sha256", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Uuid, sa.ForeignKey(MEMBER), nullable=False),
        sa.Column("proposed_at", INSTANT, nullable=False),
        sa.Column("open_until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("end_reason", sa.Text),
        sa.CheckConstraint("end_reason IN ('done', 'declined', 'taken_back')", name="end_reason"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        sa.CheckConstraint("end_reason <> 'done' OR ended_by <> proposed_by", name="two_people"),
        sa.Index(
            "uq_staff_acts_waiting", "kind", "subject_sha256", unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )  # fmt: skip
    # The pages take up an invitation and nothing else: roles, suspension and the end are the owner's commands.
    op.execute("GRANT SELECT ON staff_members TO creditlink_api")
    op.execute("GRANT UPDATE (status, invitation_hash, invited_until, changed_at) ON staff_members TO creditlink_api")
    op.execute("ALTER TABLE staff_members ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY seen ON staff_members FOR SELECT TO creditlink_api USING (true)")
    op.execute(
        "CREATE POLICY taken_up ON staff_members FOR UPDATE TO creditlink_api"
        " USING (status = 'invited') WITH CHECK (status = 'active')"
    )
    op.execute("GRANT SELECT, INSERT ON staff_keys TO creditlink_api")
    op.execute("GRANT UPDATE (sign_count, ended_at) ON staff_keys TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON staff_logins TO creditlink_api")
    op.execute("GRANT UPDATE (state, account_id, polled_at) ON staff_logins TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON staff_acts TO creditlink_api")
    op.execute("GRANT UPDATE (ended_at, ended_by, end_reason) ON staff_acts TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON staff_logins TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    for table in ("staff_acts", "staff_logins", "staff_keys", "staff_members"):
        op.drop_table(table)

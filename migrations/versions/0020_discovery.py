"""Firms may agree to be counted; the operator is an institution of its own kind; what banks asked to count."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

LENDERS = "'bank', 'leasing', 'guarantee', 'microloan', 'factoring'"


def upgrade() -> None:
    """Apply."""
    op.add_column("enterprises", sa.Column("discoverable", sa.Boolean, nullable=False, server_default=sa.false()))
    # The firm switches this on a page; everything else of the registry is the operator's.
    op.execute("GRANT UPDATE (discoverable) ON enterprises TO creditlink_api")
    op.drop_constraint(op.f("ck_institutions_kind"), "institutions")
    op.create_check_constraint(op.f("ck_institutions_kind"), "institutions", f"kind IN ({LENDERS}, 'operator')")
    op.create_table(
        "discovery_questions",
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("screening", sa.Text, primary_key=True),
        sa.Column("rules_sha256", sa.Text, primary_key=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("GRANT SELECT, INSERT ON discovery_questions TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.drop_table("discovery_questions")
    op.drop_constraint(op.f("ck_institutions_kind"), "institutions")
    op.create_check_constraint(op.f("ck_institutions_kind"), "institutions", f"kind IN ({LENDERS})")
    op.execute("REVOKE UPDATE (discoverable) ON enterprises FROM creditlink_api")
    op.drop_column("enterprises", "discoverable")

"""Disputes of what the register says of a firm: no stored fact, and read by whoever may read the firm's profile."""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None
serves = "0061"  # older code reads every dispute with its fact, and a dispute of the register has none

FACT = "(frame = 'registration') = (fact_id IS NULL) AND (fact_id IS NULL) = (said_version IS NULL)"
# What is public by law a bank learns of with any live consent of the firm: the public credit records, and the register.
BANK = """enterprise_id = (SELECT creditlink_consent_enterprise())
    AND (category IN ({public}) OR category = ANY ((SELECT creditlink_consent_categories())::text[]))"""
COLUMNS = ("fact_id", "said_version")


def upgrade() -> None:
    """Apply."""
    for name in COLUMNS:
        op.alter_column("disputes", name, existing_type=sa.BigInteger, nullable=True)
    op.create_check_constraint(op.f("ck_disputes_fact"), "disputes", FACT)
    op.execute("ALTER POLICY bank ON disputes USING (" + BANK.format(public="'public_credit', 'registration'") + ")")


def downgrade() -> None:
    """Undo; disputes of the register have no place in the older form."""
    op.execute("ALTER POLICY bank ON disputes USING (" + BANK.format(public="'public_credit'") + ")")
    op.drop_constraint(op.f("ck_disputes_fact"), "disputes")
    op.execute("DELETE FROM disputes WHERE frame = 'registration'")
    for name in COLUMNS:
        op.alter_column("disputes", name, existing_type=sa.BigInteger, nullable=False)

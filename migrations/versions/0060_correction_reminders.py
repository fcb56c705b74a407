"""Corrections that a bank did not acknowledge: when it was reminded."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None
serves = "0059"  # a column that older code leaves empty

RECEIPT = """
CREATE OR REPLACE FUNCTION corrections_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - '{FIELDS}'::text[]) <> (to_jsonb(OLD) - '{FIELDS}'::text[])
        OR OLD.acknowledged_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'a correction does not change, and is acknowledged once'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
OWN = "acknowledged_at,acknowledged_by,action"


def upgrade() -> None:
    """Apply."""
    op.add_column("corrections", sa.Column("reminded_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_corrections_waiting", "corrections", ["told_at"], postgresql_where=sa.text("acknowledged_at IS NULL")
    )
    op.execute(RECEIPT.replace("FIELDS", f"{OWN},reminded_at"))


def downgrade() -> None:
    """Undo."""
    op.execute(RECEIPT.replace("FIELDS", OWN))
    op.drop_index("ix_corrections_waiting", "corrections")
    op.drop_column("corrections", "reminded_at")

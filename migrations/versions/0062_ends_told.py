"""What is over is told: a report whose profile ended early, and what was shown of a card and ended, by its text too."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None
serves = "0061"  # a column that older code leaves empty

# Whoever holds the text of a presentation may know whether the firm has ended it; nothing else of the row goes out.
ENDED = """
    CREATE FUNCTION creditlink_shown_ended(hash text) RETURNS boolean LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT p.ended_at IS NOT NULL FROM public.card_presentations p WHERE p.nonce_hash = hash $$"""
FUNCTION = "creditlink_shown_ended(text)"


def upgrade() -> None:
    """Apply."""
    op.execute(
        "CREATE POLICY reported ON profile_endings FOR SELECT TO creditlink_api"
        " USING (profile_id IN (SELECT profile_id FROM credit_reports))"
    )
    op.add_column("card_presentations", sa.Column("nonce_hash", sa.Text))
    op.create_unique_constraint(op.f("uq_card_presentations_nonce_hash"), "card_presentations", ["nonce_hash"])
    op.execute(ENDED)
    op.execute(f"REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute(f"DROP FUNCTION {FUNCTION}")
    op.drop_constraint(op.f("uq_card_presentations_nonce_hash"), "card_presentations")
    op.drop_column("card_presentations", "nonce_hash")
    op.execute("DROP POLICY reported ON profile_endings")

"""The risk desk: finding decisions by what names them, and the evidence of who read them."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

AUDIT = "current_setting('creditlink.actor', true) = 'audit'"
# All that a list names, and the links of the chain; what a record says is had through `creditlink_look` alone.
LISTED = (
    "id, about, chain_id, seq, decided_at, payload_sha256, previous, digest, keep_until, expired_at, enterprise_id,"
    " institution_id, consent_id, as_of, grade, model_id, bundle_sha256"
)


def upgrade() -> None:
    """Apply."""
    op.execute(f"GRANT SELECT ({LISTED}) ON decision_records TO creditlink_api")
    op.execute(f"CREATE POLICY listed ON decision_records FOR SELECT TO creditlink_api USING ({AUDIT})")
    op.execute("GRANT SELECT ON decision_heads TO creditlink_api")
    op.execute(f"CREATE POLICY listed ON decision_heads FOR SELECT TO creditlink_api USING ({AUDIT})")
    op.execute("GRANT SELECT ON shadow_days TO creditlink_api")  # of models, not of firms
    op.execute(f"CREATE POLICY audited ON audit_entries FOR SELECT TO creditlink_api USING ({AUDIT})")
    op.execute("CREATE INDEX ix_decision_records_decided_at ON decision_records (decided_at, id)")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP INDEX ix_decision_records_decided_at")
    op.execute("REVOKE SELECT ON shadow_days FROM creditlink_api")
    op.execute("DROP POLICY audited ON audit_entries")
    op.execute("DROP POLICY listed ON decision_heads")
    op.execute("REVOKE SELECT ON decision_heads FROM creditlink_api")
    op.execute("DROP POLICY listed ON decision_records")
    op.execute("REVOKE SELECT ON decision_records FROM creditlink_api")

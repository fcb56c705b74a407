"""Institutions look after their own clients and webhooks: the API's role may, in the institution's own name."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"
# A client of the desk is not the desk's to change: its private keys are held here.
THEIRS = f"{OWN} AND NOT metadata ? 'desk'"
# Whether it is an operator who turns a lender's software, a trigger asks.
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
SIGNING = (
    "EXISTS (SELECT 1 FROM clients c WHERE c.client_id = webhook_secrets.client_id AND"
    " c.institution_id = (SELECT creditlink_setting('institution_id')))"
)


def upgrade() -> None:
    """Apply."""
    op.execute("GRANT INSERT, UPDATE (jwks, jwks_uri, status, webhook_url, updated_at) ON clients TO creditlink_api")
    op.execute("ALTER TABLE clients ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY seen ON clients FOR SELECT TO creditlink_api, creditlink_worker USING (true)")
    op.execute(f"CREATE POLICY own_adds ON clients FOR INSERT TO creditlink_api WITH CHECK ({THEIRS})")
    op.execute(f"CREATE POLICY own ON clients FOR UPDATE TO creditlink_api USING ({THEIRS}) WITH CHECK ({THEIRS})")
    op.execute(f"CREATE POLICY operator_turns ON clients FOR UPDATE TO creditlink_api USING ({OPERATOR})")
    # Whether there is a secret, not which: what is sealed is the worker's to open.
    op.execute("GRANT INSERT, SELECT (id, client_id, created_at, expires_at) ON webhook_secrets TO creditlink_api")
    op.execute("GRANT UPDATE (expires_at) ON webhook_secrets TO creditlink_api")
    op.execute("ALTER TABLE webhook_secrets ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON webhook_secrets TO creditlink_api USING ({SIGNING}) WITH CHECK ({SIGNING})")
    op.execute("CREATE POLICY seen ON webhook_secrets FOR SELECT TO creditlink_worker USING (true)")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP POLICY seen ON webhook_secrets")
    op.execute("DROP POLICY own ON webhook_secrets")
    op.execute("ALTER TABLE webhook_secrets DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE ALL ON webhook_secrets FROM creditlink_api")
    for policy in ("operator_turns", "own", "own_adds", "seen"):
        op.execute(f"DROP POLICY {policy} ON clients")
    op.execute("ALTER TABLE clients DISABLE ROW LEVEL SECURITY")
    # The other columns are the operators' too, from an earlier migration.
    op.execute("REVOKE INSERT, UPDATE (webhook_url) ON clients FROM creditlink_api")

"""Row-level security: without a live consent in the transaction's settings the API's role sees no rows."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The settings are read once per statement: the policies call these in sub-selects, which the planner
# runs as init plans and not once a row.
FUNCTIONS = {
    "creditlink_setting(name text)": """
        CREATE FUNCTION creditlink_setting(name text) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
            SELECT nullif(current_setting('creditlink.' || name, true), '')::uuid $$""",
    "creditlink_consent_id()": """
        CREATE FUNCTION creditlink_consent_id() RETURNS uuid LANGUAGE sql STABLE AS $$
            SELECT c.id FROM consents c JOIN institutions i ON i.id = c.institution_id
            WHERE c.id = creditlink_setting('consent_id')
              AND c.institution_id = creditlink_setting('institution_id')
              AND c.state = 'ACTIVE' AND clock_timestamp() < c.expires_at AND i.status = 'active' $$""",
    "creditlink_consent_enterprise()": """
        CREATE FUNCTION creditlink_consent_enterprise() RETURNS uuid LANGUAGE sql STABLE AS $$
            SELECT enterprise_id FROM consents WHERE id = creditlink_consent_id() $$""",
    "creditlink_consent_categories()": """
        CREATE FUNCTION creditlink_consent_categories() RETURNS text[] LANGUAGE sql STABLE AS $$
            SELECT categories FROM consents WHERE id = creditlink_consent_id() $$""",
    "creditlink_consent_since()": """
        CREATE FUNCTION creditlink_consent_since() RETURNS date LANGUAGE sql STABLE AS $$
            SELECT (date_trunc('month', starts_at AT TIME ZONE 'Asia/Shanghai')
                    - make_interval(months => history_months::int))::date
            FROM consents WHERE id = creditlink_consent_id() $$""",
}

FIRM_ITSELF = "enterprise_id = (SELECT creditlink_setting('enterprise_id'))"
BANK_FACTS = """enterprise_id = (SELECT creditlink_consent_enterprise())
    AND category = ANY ((SELECT creditlink_consent_categories())::text[])
    AND period >= (SELECT creditlink_consent_since())"""
BANK_PROFILES = "consent_id = (SELECT creditlink_consent_id())"


def upgrade() -> None:
    """Apply."""
    for body in FUNCTIONS.values():
        op.execute(body)
    for table in ("facts", "rejected_rows", "profiles"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY bank ON facts FOR SELECT TO creditlink_api USING ({BANK_FACTS})")
    op.execute(f"CREATE POLICY bank ON profiles FOR SELECT TO creditlink_api USING ({BANK_PROFILES})")
    op.execute(f"CREATE POLICY bank_adds ON profiles FOR INSERT TO creditlink_api WITH CHECK ({BANK_PROFILES})")
    for table in ("facts", "rejected_rows", "profiles"):
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO creditlink_api USING ({FIRM_ITSELF})")


def downgrade() -> None:
    """Undo."""
    for table in ("facts", "rejected_rows", "profiles"):
        for policy in ("firm", "bank_adds", "bank", "worker"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")

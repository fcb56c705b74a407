"""Row-level security in depth: pulls and evidence, a firm's rows only for who acts for it, workers by consent."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FUNCTIONS = {
    # The firm in the settings, if the account in the settings acts for it now: the application's own mistake
    # cannot show one firm to another's agent.
    "creditlink_firm()": """
        CREATE FUNCTION creditlink_firm() RETURNS uuid LANGUAGE sql STABLE AS $$
            SELECT r.enterprise_id FROM representations r
            WHERE r.enterprise_id = creditlink_setting('enterprise_id')
              AND r.account_id = creditlink_setting('account_id')
              AND r.valid_from <= clock_timestamp()
              AND (r.valid_until IS NULL OR clock_timestamp() < r.valid_until)
              AND (r.ended_at IS NULL OR clock_timestamp() < r.ended_at)
            LIMIT 1 $$""",
    # What everybody may know of the sources: sums over all pulls, by source and (null) altogether; nothing of any firm.
    "creditlink_source_health(since timestamptz)": """
        CREATE FUNCTION creditlink_source_health(since timestamptz)
        RETURNS TABLE (source text, answers bigint, good bigint, p50 double precision)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
            SELECT p.source, count(*), count(*) FILTER (WHERE p.status NOT IN ('DENIED', 'TIMEOUT', 'DOWN')),
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM p.finished_at - p.began_at))
            FROM pull_parts p WHERE p.finished_at >= since GROUP BY GROUPING SETS ((p.source), ()) $$""",
}
FIRM_BEFORE = "enterprise_id = (SELECT creditlink_setting('enterprise_id'))"
FIRM = "enterprise_id = (SELECT creditlink_firm())"
OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"
OF_CONSENT = "consent_id = (SELECT creditlink_consent_id())"
OF_PULL = "pull_id IN (SELECT id FROM pulls)"
OF_WORK = "enterprise_id = (SELECT creditlink_consent_enterprise())"
GRANTED = "category = ANY ((SELECT creditlink_consent_categories())::text[])"


def upgrade() -> None:
    """Apply."""
    for body in FUNCTIONS.values():
        op.execute(body)
    for table in ("facts", "rejected_rows", "profiles"):
        op.execute(f"ALTER POLICY firm ON {table} USING ({FIRM})")
    op.execute(f"ALTER POLICY own ON deletion_certificates USING ({OWN} OR {FIRM})")

    for table in ("pulls", "pull_parts"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY bank ON pulls FOR SELECT TO creditlink_api USING ({OF_CONSENT})")
    op.execute(f"CREATE POLICY firm ON pulls FOR SELECT TO creditlink_api USING ({FIRM})")
    op.execute(f"CREATE POLICY asked ON pulls FOR INSERT TO creditlink_api WITH CHECK ({OF_CONSENT})")
    op.execute(f"CREATE POLICY seen ON pull_parts FOR SELECT TO creditlink_api USING ({OF_PULL})")
    op.execute(f"CREATE POLICY asked ON pull_parts FOR INSERT TO creditlink_api WITH CHECK ({OF_PULL})")

    # Evidence is added by everybody and seen by the firm; a bank sees what it did itself.
    op.execute("ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY added ON audit_entries FOR INSERT TO creditlink_api, creditlink_worker WITH CHECK (true)")
    op.execute(f"CREATE POLICY own ON audit_entries FOR SELECT TO creditlink_api USING ({FIRM} OR {OWN})")

    # A worker adds records of the firm and the categories of the consent that it works under, and no others.
    for table, condition in (("facts", f"{OF_WORK} AND {GRANTED}"), ("rejected_rows", OF_WORK)):
        op.execute(f"DROP POLICY worker ON {table}")
        op.execute(f"CREATE POLICY worker_reads ON {table} FOR SELECT TO creditlink_worker USING (true)")
        op.execute(f"CREATE POLICY worker_purges ON {table} FOR DELETE TO creditlink_worker USING (true)")
        op.execute(f"CREATE POLICY worker_adds ON {table} FOR INSERT TO creditlink_worker WITH CHECK ({condition})")
    op.execute("REVOKE SELECT ON accounts FROM creditlink_worker")
    # The sweep looks at when they end, not at what is in them.
    op.execute("REVOKE SELECT ON web_sessions, sign_in_tries FROM creditlink_worker")
    op.execute("GRANT SELECT (expires_at) ON web_sessions TO creditlink_worker")
    op.execute("GRANT SELECT (window_from) ON sign_in_tries TO creditlink_worker")
    op.execute("REVOKE SELECT ON audit_entries FROM creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("GRANT SELECT ON accounts, audit_entries, web_sessions, sign_in_tries TO creditlink_worker")
    for table in ("facts", "rejected_rows"):
        for policy in ("worker_reads", "worker_purges", "worker_adds"):
            op.execute(f"DROP POLICY {policy} ON {table}")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    policies = {
        "audit_entries": ("added", "own"),
        "pull_parts": ("worker", "seen", "asked"),
        "pulls": ("worker", "bank", "firm", "asked"),
    }
    for table, names in policies.items():
        for policy in names:
            op.execute(f"DROP POLICY {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER POLICY own ON deletion_certificates USING ({OWN} OR {FIRM_BEFORE})")
    for table in ("facts", "rejected_rows", "profiles"):
        op.execute(f"ALTER POLICY firm ON {table} USING ({FIRM_BEFORE})")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")

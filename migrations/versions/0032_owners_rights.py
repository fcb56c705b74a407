"""Functions that run with the owner's rights, or decide who sees a row, name their tables in full.

A temporary table comes before every other schema unless a search path says otherwise, so that whoever could make one
gave these functions rows of his own, and with a view among them had his code run as the owner.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
serves = "0030"  # the same functions, by the same names

# {p}: the schema's prefix; {path}: of the functions with the owner's rights.
BODIES = (
    """
    CREATE OR REPLACE FUNCTION creditlink_consent_id() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT c.id FROM {p}consents c JOIN {p}institutions i ON i.id = c.institution_id
        WHERE c.id = {p}creditlink_setting('consent_id')
          AND c.institution_id = {p}creditlink_setting('institution_id')
          AND c.state = 'ACTIVE' AND clock_timestamp() < c.expires_at AND i.status = 'active' $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_consent_enterprise() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT enterprise_id FROM {p}consents WHERE id = {p}creditlink_consent_id() $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_consent_categories() RETURNS text[] LANGUAGE sql STABLE AS $$
        SELECT categories FROM {p}consents WHERE id = {p}creditlink_consent_id() $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_consent_since() RETURNS date LANGUAGE sql STABLE AS $$
        SELECT (date_trunc('month', starts_at AT TIME ZONE 'Asia/Shanghai')
                - make_interval(months => history_months::int))::date
        FROM {p}consents WHERE id = {p}creditlink_consent_id() $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_firm() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT r.enterprise_id FROM {p}representations r
        WHERE r.enterprise_id = {p}creditlink_setting('enterprise_id')
          AND r.account_id = {p}creditlink_setting('account_id')
          AND r.valid_from <= clock_timestamp()
          AND (r.valid_until IS NULL OR clock_timestamp() < r.valid_until)
          AND (r.ended_at IS NULL OR clock_timestamp() < r.ended_at)
        LIMIT 1 $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_source_health(since timestamptz)
    RETURNS TABLE (source text, answers bigint, good bigint, p50 double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {path} AS $$
        SELECT p.source, count(*), count(*) FILTER (WHERE p.status NOT IN ('DENIED', 'TIMEOUT', 'DOWN')),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM p.finished_at - p.began_at))
        FROM {p}pull_parts p WHERE p.finished_at >= since GROUP BY GROUPING SETS ((p.source), ()) $$""",
    """
    CREATE OR REPLACE FUNCTION creditlink_keep_registration() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {path} AS $$
    DECLARE
        known timestamptz := CASE WHEN TG_OP = 'INSERT' THEN NEW.created_at
                                  WHEN NEW.updated_at > OLD.updated_at THEN NEW.updated_at
                                  ELSE clock_timestamp() END;
        begins date := nullif(current_setting('creditlink.valid_from', true), '')::date;
    BEGIN
        IF TG_OP = 'INSERT' THEN
            begins := coalesce(begins, NEW.established_on);
        END IF;
        INSERT INTO {p}registrations
            (enterprise_id, valid_from, known_at, industry, region, entity_type, status, registered_capital_fen,
             paid_in_capital_fen, established_on, linked_struck_off)
        VALUES (NEW.id, coalesce(begins, (known AT TIME ZONE 'Asia/Shanghai')::date), known, NEW.industry, NEW.region,
                NEW.entity_type, NEW.status, NEW.registered_capital_fen, NEW.paid_in_capital_fen, NEW.established_on,
                NEW.linked_struck_off);
        RETURN NULL;
    END $$""",
)
OF_ALL = "DO $$ BEGIN EXECUTE format('{verb} TEMPORARY ON DATABASE %I {whom} PUBLIC', current_database()); END $$"


def upgrade() -> None:
    """Apply."""
    _define(p="public.", path="pg_catalog, pg_temp")
    # Whoever may call a trigger's function can hang it on a table of his own.
    op.execute("REVOKE ALL ON FUNCTION creditlink_keep_registration() FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION creditlink_source_health(timestamptz) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_source_health(timestamptz) TO creditlink_api, creditlink_worker")
    # And nobody but the owner has use for a temporary table, or for tables and functions beside ours, as databases
    # from before PostgreSQL 15 let everybody make.
    op.execute(OF_ALL.format(verb="REVOKE", whom="FROM"))
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def downgrade() -> None:
    """Undo."""
    op.execute(OF_ALL.format(verb="GRANT", whom="TO"))
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_keep_registration() TO PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_source_health(timestamptz) TO PUBLIC")
    _define(p="", path="public")


def _define(**values: str) -> None:
    for body in BODIES:
        op.get_bind().exec_driver_sql(body.format(**values))  # colons that are no parameters

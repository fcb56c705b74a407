"""Evidence is written by one function of the database, which makes the hash; a profile's hash has a version.

And a session is somebody's: pages before sign-in leave no row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The same text as `audit.chain.canonical` makes of what the column gives back: names sorted by code point, no spaces,
# numbers as Python writes them. A fraction of 10^15 or more would be written in another way, and is no evidence.
CANONICAL = """
    CREATE FUNCTION creditlink_canonical(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
    DECLARE written text := value::text;
    BEGIN
        CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN '{' || coalesce((
                SELECT string_agg(to_json(m.key)::text || ':' || public.creditlink_canonical(m.value), ','
                                  ORDER BY m.key COLLATE "C")
                FROM jsonb_each(value) m), '') || '}';
        WHEN 'array' THEN
            RETURN '[' || coalesce((
                SELECT string_agg(public.creditlink_canonical(m.value), ',' ORDER BY m.ordinality)
                FROM jsonb_array_elements(value) WITH ORDINALITY m), '') || ']';
        WHEN 'number' THEN
            IF strpos(written, '.') = 0 THEN
                RETURN written;
            ELSIF abs(written::numeric) >= 1e15 THEN
                RAISE EXCEPTION 'evidence cannot hold the number %', written;
            END IF;
            written := written::float8::text;
            RETURN CASE WHEN written ~ '^-?[0-9]+$' THEN written || '.0' ELSE written END;
        ELSE
            RETURN written;
        END CASE;
    END $$"""
RECORD = """
    CREATE FUNCTION creditlink_record(
        new_action text, new_result text, new_actor text, new_at timestamptz, new_enterprise uuid, new_institution uuid,
        new_client text, new_consent uuid, new_purpose text, new_detail jsonb, new_request text,
        OUT seq bigint, OUT previous text, OUT digest text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1 AS $$
    DECLARE
        chain uuid := coalesce(new_enterprise, '00000000-0000-0000-0000-000000000000');
        utc timestamp := new_at AT TIME ZONE 'UTC';
        line text;
    BEGIN
        SELECT h.seq, h.digest INTO seq, previous FROM public.audit_heads h WHERE h.chain_id = chain FOR UPDATE;
        IF NOT FOUND THEN
            INSERT INTO public.audit_heads (chain_id, seq, digest) VALUES (chain, 0, repeat('0', 64))
                ON CONFLICT DO NOTHING;
            SELECT h.seq, h.digest INTO seq, previous FROM public.audit_heads h WHERE h.chain_id = chain FOR UPDATE;
        END IF;
        seq := seq + 1;
        line := '{"action":' || to_json(new_action)
            || ',"actor":' || to_json(new_actor)
            || ',"at":"' || to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS')
                         || CASE WHEN to_char(utc, 'US') = '000000' THEN '' ELSE to_char(utc, '.US') END || '+00:00"'
            || ',"chain_id":"' || chain || '"'
            || ',"client_id":' || coalesce(to_json(new_client)::text, 'null')
            || ',"consent_id":' || coalesce(to_json(new_consent)::text, 'null')
            || ',"detail":' || public.creditlink_canonical(new_detail)
            || ',"enterprise_id":' || coalesce(to_json(new_enterprise)::text, 'null')
            || ',"institution_id":' || coalesce(to_json(new_institution)::text, 'null')
            || ',"previous":"' || previous || '"'
            || ',"purpose":' || coalesce(to_json(new_purpose)::text, 'null')
            || ',"request_id":' || coalesce(to_json(new_request)::text, 'null')
            || ',"result":' || to_json(new_result)
            || ',"seq":' || seq || '}';
        digest := encode(sha256(convert_to(line, 'UTF8')), 'hex');
        INSERT INTO public.audit_entries (chain_id, seq, at, action, result, enterprise_id, institution_id, client_id,
                                          consent_id, actor, purpose, detail, request_id, previous, digest)
        VALUES (chain, creditlink_record.seq, new_at, new_action, new_result, new_enterprise, new_institution,
                new_client, new_consent, new_actor, new_purpose, new_detail, new_request,
                creditlink_record.previous, creditlink_record.digest);
        UPDATE public.audit_heads h SET seq = creditlink_record.seq, digest = creditlink_record.digest
            WHERE h.chain_id = chain;
    END $$"""
SIGNATURE = "creditlink_record(text, text, text, timestamptz, uuid, uuid, text, uuid, text, jsonb, text)"


def upgrade() -> None:
    """Apply."""
    op.execute(CANONICAL)
    op.get_bind().exec_driver_sql(RECORD)  # colons that are no parameters
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE}, creditlink_canonical(jsonb) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO creditlink_api, creditlink_worker")
    op.execute("REVOKE ALL ON audit_entries, audit_heads FROM creditlink_api, creditlink_worker")
    # A firm takes its own chain along, and with it the chain's head.
    op.execute("GRANT SELECT ON audit_entries, audit_heads TO creditlink_api")
    op.execute("ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY")
    op.execute("""
        CREATE POLICY firm ON audit_heads FOR SELECT TO creditlink_api
        USING (chain_id = (SELECT creditlink_firm()))""")
    op.execute("DROP POLICY added ON audit_entries")
    op.execute("""
        CREATE TRIGGER audit_entries_stay BEFORE TRUNCATE ON audit_entries
        FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_are_final()""")

    # 1: what a replay gives again. 2: that and every other column, coverage first.
    op.add_column("profiles", sa.Column("content_version", sa.BigInteger, nullable=False, server_default="1"))

    op.execute("DELETE FROM web_sessions WHERE account_id IS NULL")
    op.alter_column("web_sessions", "account_id", nullable=False)


def downgrade() -> None:
    """Undo."""
    op.alter_column("web_sessions", "account_id", nullable=True)
    op.drop_column("profiles", "content_version")
    op.execute("DROP TRIGGER audit_entries_stay ON audit_entries")
    op.execute("DROP POLICY firm ON audit_heads")
    op.execute("ALTER TABLE audit_heads DISABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY added ON audit_entries FOR INSERT TO creditlink_api, creditlink_worker WITH CHECK (true)")
    op.execute("GRANT INSERT ON audit_entries TO creditlink_api, creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON audit_heads TO creditlink_api, creditlink_worker")
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute("DROP FUNCTION creditlink_canonical(jsonb)")

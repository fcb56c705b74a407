"""Relations: which firms are near one, by who holds, represents, houses or guarantees them, as known on a day."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# What is in force of firms on a day, as known at an instant, of the kinds that tie firms together.
IN_FORCE = """
    CREATE FUNCTION creditlink_ties(firms uuid[], on_day date, known timestamptz)
    RETURNS TABLE (enterprise_id uuid, kind text, name text, uscc text, person_key text, share_bps bigint,
                   amount_fen bigint)
    LANGUAGE sql STABLE AS $$
        SELECT i.enterprise_id, i.kind, i.name, i.uscc, i.person_key, i.share_bps, i.amount_fen
        FROM (SELECT DISTINCT ON (v.enterprise_id, v.kind) v.id
              FROM public.registry_versions v
              WHERE v.enterprise_id = ANY(firms)
                AND v.kind IN ('representative', 'address', 'shareholder', 'guarantee')
                AND v.valid_from <= on_day AND v.known_at <= known
              ORDER BY v.enterprise_id, v.kind, v.valid_from DESC, v.known_at DESC, v.id DESC) AS newest
        JOIN public.registry_items i ON i.version_id = newest.id $$"""

# Firms beside others by anything that was ever registered: what of it is in force is looked at next. An address that
# many share (an office service) ties nobody.
BESIDE = """
    CREATE FUNCTION creditlink_beside(firms uuid[], on_day date, known timestamptz)
    RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
        WITH own AS (SELECT * FROM public.creditlink_ties(firms, on_day, known))
        SELECT e.id FROM own JOIN public.enterprises e ON e.uscc = own.uscc
        UNION
        SELECT i.enterprise_id FROM public.enterprises e
        JOIN public.registry_items i ON i.uscc = e.uscc AND i.kind IN ('shareholder', 'guarantee')
        WHERE e.id = ANY(firms)
        UNION
        SELECT i.enterprise_id FROM own
        JOIN public.registry_items i ON i.uscc = own.uscc AND i.kind IN ('shareholder', 'guarantee')
        UNION
        SELECT i.enterprise_id FROM own JOIN public.registry_items i ON i.person_key = own.person_key
        UNION
        SELECT i.enterprise_id FROM own
        CROSS JOIN LATERAL (SELECT a.enterprise_id FROM public.registry_items a
                            WHERE a.kind = 'address' AND a.name = own.name LIMIT 21) AS i
        WHERE own.kind = 'address'
          AND (SELECT count(*) FROM (SELECT 1 FROM public.registry_items a
                                     WHERE a.kind = 'address' AND a.name = own.name LIMIT 21) AS n) <= 20 $$"""

NEAR = """
    CREATE FUNCTION creditlink_near(start uuid, on_day date, known timestamptz, steps int, most int)
    RETURNS TABLE (enterprise_id uuid, uscc text, name text, status text, revoked_on date, kind text, tie_name text,
                   tie_uscc text, person_key text, share_bps bigint, amount_fen bigint)
    LANGUAGE plpgsql STABLE AS $$
    DECLARE
        reached uuid[] := ARRAY[start];
        newest uuid[] := ARRAY[start];
    BEGIN
        FOR step IN 1..steps LOOP
            SELECT array_agg(f) INTO newest FROM (
                SELECT f FROM public.creditlink_beside(newest, on_day, known) AS f
                WHERE NOT f = ANY(reached) ORDER BY f LIMIT greatest(most - cardinality(reached), 0)) AS found;
            EXIT WHEN newest IS NULL;
            reached := reached || newest;
        END LOOP;
        RETURN QUERY
            SELECT e.id, e.uscc, e.name, r.status, r.revoked_on, t.kind, t.name, t.uscc,
                   t.person_key, t.share_bps, t.amount_fen
            FROM public.enterprises e
            LEFT JOIN LATERAL (
                SELECT g.status, CASE WHEN g.status = 'revoked' THEN (
                           SELECT min(b.valid_from) FROM public.registrations b
                           WHERE b.enterprise_id = e.id AND b.status = 'revoked' AND b.known_at <= known) END
                           AS revoked_on
                FROM public.registrations g
                WHERE g.enterprise_id = e.id AND g.valid_from <= on_day AND g.known_at <= known
                ORDER BY g.valid_from DESC, g.known_at DESC, g.id DESC LIMIT 1) AS r ON true
            LEFT JOIN public.creditlink_ties(reached, on_day, known) AS t ON t.enterprise_id = e.id
            WHERE e.id = ANY(reached) ORDER BY e.id, t.kind, t.name;
    END $$"""

# For requests, which see only their own firm's rows: from that firm alone, whoever asks.
OF_MINE = """
    CREATE FUNCTION creditlink_near_mine(on_day date, known timestamptz, steps int, most int)
    RETURNS TABLE (enterprise_id uuid, uscc text, name text, status text, revoked_on date, kind text, tie_name text,
                   tie_uscc text, person_key text, share_bps bigint, amount_fen bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT n.*
        FROM (SELECT coalesce(public.creditlink_consent_enterprise(), public.creditlink_firm()) AS id) AS mine
        CROSS JOIN LATERAL public.creditlink_near(mine.id, on_day, known, least(steps, 4), least(most, 500)) AS n
        WHERE mine.id IS NOT NULL $$"""

INNER = (
    "creditlink_ties(uuid[], date, timestamptz)",
    "creditlink_beside(uuid[], date, timestamptz)",
    "creditlink_near(uuid, date, timestamptz, int, int)",
)
OUTER = "creditlink_near_mine(date, timestamptz, int, int)"


def upgrade() -> None:
    """Apply."""
    for body in (IN_FORCE, BESIDE, NEAR, OF_MINE):
        op.get_bind().exec_driver_sql(body)
    for name in (*INNER, OUTER):
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    for name in INNER:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO creditlink_worker")
    op.execute(f"GRANT EXECUTE ON FUNCTION {OUTER} TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    for name in (OUTER, *reversed(INNER)):
        op.execute(f"DROP FUNCTION {name}")

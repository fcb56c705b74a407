"""Limits and metering: token buckets, what is agreed with an institution, and what it used."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None
serves = "0061"  # tables and functions that older code never asks for

INSTANT = sa.DateTime(timezone=True)
OWNERS = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
WRITTEN = "calls_a_minute, calls_a_day, calls_a_month, profiles_a_month, weight, changed_at, changed_by"

# The generic cell rate algorithm over several buckets at once: a token of each, or of none. `full_at` is when a bucket
# will be full again; a step is how long one token takes to come back. It is never believed to lie further ahead than
# a whole bucket, so a clock that was set back empties a bucket at worst. The clock is the database's, which all
# processes share; whoever waits for a row goes by the moment before, which only ever refuses. Rows are taken in the
# caller's order, which is the same for all; a token is put back where a later bucket has none.
TAKE = """
    CREATE FUNCTION creditlink_take(
        keys text[], steps bigint[], sizes bigint[], moment timestamptz DEFAULT NULL,
        OUT ahead bigint[], OUT waits bigint[]
    ) LANGUAGE plpgsql OWNERS AS $$
    DECLARE
        us CONSTANT interval := interval '1 microsecond';
        instant CONSTANT timestamptz := coalesce(moment, clock_timestamp());
        step interval;
        latest timestamptz;
        until timestamptz;
        refused bigint[];
    BEGIN
        PERFORM set_config('lock_timeout', '250ms', true), set_config('synchronous_commit', 'off', true);
        ahead := array_fill(0::bigint, ARRAY[cardinality(keys)]);
        waits := ahead;
        FOR i IN 1 .. cardinality(keys) LOOP
            step := steps[i] * us;
            latest := instant + sizes[i] * step;
            UPDATE public.limit_buckets b SET full_at = greatest(instant, b.full_at) + step
                WHERE b.key = keys[i] AND b.full_at + step <= latest RETURNING b.full_at INTO until;
            IF NOT FOUND THEN
                INSERT INTO public.limit_buckets AS b (key, full_at) VALUES (keys[i], instant + step)
                    ON CONFLICT ON CONSTRAINT pk_limit_buckets DO UPDATE
                    SET full_at = CASE WHEN b.full_at + step <= latest THEN greatest(instant, b.full_at) + step
                        ELSE least(b.full_at, latest) + step END
                    RETURNING b.full_at INTO until;
                IF until > latest THEN
                    UPDATE public.limit_buckets b SET full_at = until - step WHERE b.key = keys[i];
                    refused := refused || i::bigint;
                    waits[i] := (extract(epoch FROM until - latest) * 1000000)::bigint;
                    until := until - step;
                END IF;
            END IF;
            ahead[i] := (extract(epoch FROM until - instant) * 1000000)::bigint;
        END LOOP;
        IF refused IS NOT NULL THEN
            FOR i IN 1 .. cardinality(keys) LOOP
                CONTINUE WHEN i = ANY (refused);
                ahead[i] := ahead[i] - steps[i];
                UPDATE public.limit_buckets b SET full_at = b.full_at - steps[i] * us WHERE b.key = keys[i];
            END LOOP;
        END IF;
    END $$"""

# One more of a unit for an institution, unless what is agreed is used up: then nothing changes. The row of the day is
# locked first, so that all that a limit of the day or the month is held against is known; the counts say whose
# software it was, and for what.
CHARGE = """
    CREATE FUNCTION creditlink_charge(
        institution uuid, client text, today date, kind text, purpose text, per_day bigint, per_month bigint,
        OUT day_units bigint, OUT month_units bigint, OUT used_up text
    ) LANGUAGE plpgsql OWNERS AS $$
    BEGIN
        UPDATE public.usage_days t SET units = t.units + 1
            WHERE t.institution_id = institution AND t.unit = kind AND t.day = today RETURNING t.units INTO day_units;
        IF NOT FOUND THEN
            INSERT INTO public.usage_days AS t (institution_id, unit, day, units) VALUES (institution, kind, today, 1)
                ON CONFLICT ON CONSTRAINT pk_usage_days DO UPDATE SET units = t.units + 1
                RETURNING t.units INTO day_units;
        END IF;
        IF per_month IS NOT NULL THEN
            month_units := public.creditlink_used(institution, kind, today);
        END IF;
        used_up := CASE WHEN month_units > per_month THEN 'month' WHEN day_units > per_day THEN 'day' END;
        IF used_up IS NOT NULL THEN
            UPDATE public.usage_days t SET units = t.units - 1
                WHERE t.institution_id = institution AND t.unit = kind AND t.day = today;
            RETURN;
        END IF;
        UPDATE public.usage_counts c SET units = c.units + 1
            WHERE c.institution_id = institution AND c.day = today AND c.client_id = client AND c.unit = kind
            AND c.what = purpose;
        IF NOT FOUND THEN
            INSERT INTO public.usage_counts AS c (institution_id, day, client_id, unit, what, units)
                VALUES (institution, today, client, kind, purpose, 1)
                ON CONFLICT ON CONSTRAINT pk_usage_counts DO UPDATE SET units = c.units + 1;
        END IF;
    END $$"""

# Both in one round trip: the charge is of tokens that were taken.
ADMIT = """
    CREATE FUNCTION creditlink_admit(
        keys text[], steps bigint[], sizes bigint[], moment timestamptz,
        institution uuid, client text, today date, kind text, purpose text, per_day bigint, per_month bigint,
        OUT ahead bigint[], OUT waits bigint[], OUT day_units bigint, OUT month_units bigint, OUT used_up text
    ) LANGUAGE plpgsql OWNERS AS $$
    BEGIN
        SELECT t.ahead, t.waits INTO ahead, waits FROM public.creditlink_take(keys, steps, sizes, moment) AS t;
        IF 0 = ALL (waits) THEN
            SELECT c.day_units, c.month_units, c.used_up INTO day_units, month_units, used_up
            FROM public.creditlink_charge(institution, client, today, kind, purpose, per_day, per_month) AS c;
        END IF;
    END $$"""

# One call less, on the day it was counted: it failed on our side, or repeated one that had been counted.
GIVE_BACK = """
    CREATE FUNCTION creditlink_give_back(institution uuid, client text, today date, kind text, purpose text)
    RETURNS void LANGUAGE plpgsql OWNERS AS $$
    BEGIN
        PERFORM set_config('synchronous_commit', 'off', true);
        UPDATE public.usage_days t SET units = t.units - 1
            WHERE t.institution_id = institution AND t.unit = kind AND t.day = today AND t.units > 0;
        UPDATE public.usage_counts c SET units = c.units - 1 WHERE c.institution_id = institution AND c.day = today
            AND c.client_id = client AND c.unit = kind AND c.what = purpose AND c.units > 0;
    END $$"""

# What an institution has used in the month of a day: asked also before anything is fetched for what it has no right to.
USED = """
    CREATE FUNCTION creditlink_used(institution uuid, kind text, today date) RETURNS bigint LANGUAGE sql
    OWNERS AS $$
        SELECT coalesce(sum(t.units), 0)::bigint FROM public.usage_days t
        WHERE t.institution_id = institution AND t.unit = kind
        AND t.day >= date_trunc('month', today)::date
        AND t.day < (date_trunc('month', today) + interval '1 month')::date $$"""

FUNCTIONS = (
    "creditlink_take(text[], bigint[], bigint[], timestamptz)",
    "creditlink_charge(uuid, text, date, text, text, bigint, bigint)",
    "creditlink_admit(text[], bigint[], bigint[], timestamptz, uuid, text, date, text, text, bigint, bigint)",
    "creditlink_give_back(uuid, text, date, text, text)",
    "creditlink_used(uuid, text, date)",
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "limit_buckets",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("full_at", INSTANT, nullable=False),
    )
    op.execute("ALTER TABLE limit_buckets SET (fillfactor = 50)")  # room for the next versions of busy rows
    op.create_table(
        "usage_contracts",
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("calls_a_minute", sa.BigInteger),
        sa.Column("calls_a_day", sa.BigInteger),
        sa.Column("calls_a_month", sa.BigInteger),
        sa.Column("profiles_a_month", sa.BigInteger),
        sa.Column("weight", sa.BigInteger, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.CheckConstraint("calls_a_minute BETWEEN 1 AND 1000000", name="calls_a_minute"),
        sa.CheckConstraint("calls_a_day BETWEEN 1 AND 1000000000", name="calls_a_day"),
        sa.CheckConstraint("calls_a_month BETWEEN 1 AND 1000000000", name="calls_a_month"),
        sa.CheckConstraint("profiles_a_month BETWEEN 1 AND 1000000000", name="profiles_a_month"),
        sa.CheckConstraint("weight BETWEEN 1 AND 10", name="weight"),
    )
    op.create_table(
        "usage_days",
        sa.Column("institution_id", sa.Uuid, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.CheckConstraint("unit IN ('call', 'profile')", name="unit"),
        sa.CheckConstraint("units >= 0", name="units"),
    )
    op.create_table(
        "usage_counts",
        sa.Column("institution_id", sa.Uuid, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.CheckConstraint("unit IN ('call', 'profile')", name="unit"),
        sa.CheckConstraint("units >= 0", name="units"),
    )
    for table in ("usage_days", "usage_counts"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")
    for function in (TAKE, USED, CHARGE, ADMIT, GIVE_BACK):
        op.get_bind().exec_driver_sql(function.replace("OWNERS", OWNERS))
    for function in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO creditlink_api")
    for table in ("usage_contracts", "usage_days", "usage_counts"):
        op.execute(f"GRANT SELECT ON {table} TO creditlink_api")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY seen ON {table} FOR SELECT TO creditlink_api USING ({OWN} OR {OPERATOR})")
    # An operator at the desk writes what is agreed; the database asks for the person (0048).
    op.execute(f"GRANT INSERT, UPDATE ({WRITTEN}) ON usage_contracts TO creditlink_api")
    op.execute(f"CREATE POLICY agreed ON usage_contracts FOR INSERT TO creditlink_api WITH CHECK ({OPERATOR})")
    op.execute(f"CREATE POLICY changed ON usage_contracts FOR UPDATE TO creditlink_api USING ({OPERATOR})")
    op.execute(
        "CREATE TRIGGER turned_by_whom BEFORE INSERT OR UPDATE ON usage_contracts"
        " FOR EACH ROW EXECUTE FUNCTION creditlink_turned_by_whom()"
    )
    op.execute("GRANT SELECT (full_at), DELETE ON limit_buckets TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for table in ("usage_counts", "usage_days", "usage_contracts", "limit_buckets"):
        op.drop_table(table)

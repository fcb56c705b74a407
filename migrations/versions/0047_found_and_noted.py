"""Finding decisions by what they say, notes beside them, and the facts behind one that somebody looks at."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None
serves = "0036"  # older code archives without marks; `creditlink decisions mark` adds them

INSTANT = sa.DateTime(timezone=True)
AUDIT = "current_setting('creditlink.actor', true) = 'audit'"
# Of the one firm at whose decision somebody looks in this transaction, and no longer.
LOOKED_AT = f"{AUDIT} AND enterprise_id = (SELECT creditlink_setting('looked_at'))"
OF_PULL = (
    "EXISTS (SELECT FROM pulls p WHERE p.id = pull_id AND p.enterprise_id = (SELECT creditlink_setting('looked_at')))"
)

LOOK = """
    CREATE OR REPLACE FUNCTION creditlink_look(
        decision uuid, who text, in_role text, why text, doing text, looked_at timestamptz, institution uuid,
        client text, request text)
    RETURNS SETOF public.decision_records LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE looked public.decision_records%ROWTYPE;
    BEGIN
        IF coalesce(current_setting('creditlink.actor', true), '') NOT IN ('audit', 'operator') THEN
            RAISE EXCEPTION 'decisions are looked at by the platform''s own staff'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF btrim(coalesce(who, '')) = '' OR btrim(coalesce(in_role, '')) = '' OR btrim(coalesce(why, '')) = '' THEN
            RAISE EXCEPTION 'a look at a decision needs who, in which role and why'
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT * INTO looked FROM public.decision_records r WHERE r.id = decision;
        IF NOT FOUND OR looked.payload IS NULL THEN
            RETURN;  -- nothing is seen
        END IF;
        PERFORM public.creditlink_record(
            'decision.' || doing, 'disclosed', who, looked_at, looked.chain_id, institution, client, looked.consent_id,
            why, jsonb_build_object('decision', 'dec_' || replace(looked.id::text, '-', ''), 'role', in_role,
                                    'record', looked.payload_sha256), request);{opens}
        RETURN NEXT looked;
    END $$"""
OPENS = """
        PERFORM set_config('creditlink.looked_at', looked.chain_id::text, true);"""

FINAL = """
    CREATE OR REPLACE FUNCTION decisions_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'decision_records' THEN
            -- What a record says goes when its time is over; the link stays.
            IF OLD.payload IS NOT NULL AND NEW.payload IS NULL AND NEW.expired_at >= OLD.keep_until
               AND (NEW.id, NEW.chain_id, NEW.seq, NEW.decided_at, NEW.payload_sha256, NEW.previous, NEW.digest,
                    NEW.keep_until)
                 = (OLD.id, OLD.chain_id, OLD.seq, OLD.decided_at, OLD.payload_sha256, OLD.previous, OLD.digest,
                    OLD.keep_until)
               AND num_nonnulls(NEW.enterprise_id, NEW.institution_id, NEW.consent_id, NEW.as_of, NEW.grade,
                                NEW.model_id, NEW.bundle_sha256) = 0
            THEN{forgets}
                RETURN NEW;
            END IF;{marks}
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$"""
FORGETS = """
                NEW.marks := NULL;"""
MARKS = """
            -- A record from before there were marks is given them once, and nothing else changes.
            IF OLD.marks IS NULL AND NEW.marks IS NOT NULL AND OLD.payload IS NOT NULL
               AND to_jsonb(NEW) - 'marks' = to_jsonb(OLD) - 'marks'
            THEN
                RETURN NEW;
            END IF;"""

ARCHIVE = """
    CREATE OR REPLACE FUNCTION creditlink_archive(
        profile uuid, sealed bytea, opened_sha256 text, kept_until timestamptz{takes})
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        made public.profiles%ROWTYPE;
        head public.decision_heads%ROWTYPE;
        utc timestamp;
        link text;
    BEGIN
        SELECT * INTO made FROM public.profiles p WHERE p.id = profile;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'profile % is not stored', profile;
        END IF;
        INSERT INTO public.decision_heads (chain_id, seq, digest) VALUES (made.enterprise_id, 0, repeat('0', 64))
            ON CONFLICT DO NOTHING;
        SELECT * INTO head FROM public.decision_heads h WHERE h.chain_id = made.enterprise_id FOR UPDATE;
        utc := made.created_at AT TIME ZONE 'UTC';
        link := '{"at":"' || to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS')
                          || CASE WHEN to_char(utc, 'US') = '000000' THEN '' ELSE to_char(utc, '.US') END || '+00:00"'
            || ',"chain_id":"' || made.enterprise_id || '"'
            || ',"decision":"' || made.id || '"'
            || ',"payload_sha256":' || to_json(opened_sha256)
            || ',"previous":"' || head.digest || '"'
            || ',"seq":' || head.seq + 1 || '}';
        INSERT INTO public.decision_records (id, chain_id, seq, decided_at, payload_sha256, previous, digest,
            keep_until, enterprise_id, institution_id, consent_id, as_of, grade, model_id, bundle_sha256,
            payload{column})
        VALUES (made.id, made.enterprise_id, head.seq + 1, made.created_at, opened_sha256, head.digest,
            encode(sha256(convert_to(link, 'UTF8')), 'hex'), kept_until, made.enterprise_id, made.institution_id,
            made.consent_id, made.as_of, made.grade, made.model_id, made.bundle_sha256, sealed{value});
        UPDATE public.decision_heads h SET seq = head.seq + 1,
            digest = encode(sha256(convert_to(link, 'UTF8')), 'hex') WHERE h.chain_id = made.enterprise_id;
        RETURN encode(sha256(convert_to(link, 'UTF8')), 'hex');
    END $$"""
ARCHIVE_SIGNATURE = "creditlink_archive(uuid, bytea, text, timestamptz, text[])"
# What older code calls: a record without marks.
UNMARKED = """
    CREATE OR REPLACE FUNCTION creditlink_archive(
        profile uuid, sealed bytea, opened_sha256 text, kept_until timestamptz)
    RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT public.creditlink_archive(profile, sealed, opened_sha256, kept_until, NULL) $$"""

NOTES_STAY = """
    CREATE FUNCTION decision_notes_stay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND current_user = 'creditlink_worker' THEN
            RETURN OLD;  -- its time is over
        END IF;
        RAISE EXCEPTION 'decision_notes is append-only';
    END $$"""
READ_ON_LOOK = ("facts", "uploaded_facts", "pulls")


def upgrade() -> None:
    """Apply."""
    op.add_column("decision_records", sa.Column("marks", sa.ARRAY(sa.Text)))
    op.create_index("ix_decision_records_marks", "decision_records", ["marks"], postgresql_using="gin")
    op.execute("GRANT SELECT (marks) ON decision_records TO creditlink_api")
    _functions(opens=OPENS, forgets=FORGETS, marks=MARKS)
    _archive(takes=", found_by text[]", column=", marks", value=", found_by")
    op.get_bind().exec_driver_sql(UNMARKED)
    op.execute(f"REVOKE ALL ON FUNCTION {ARCHIVE_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ARCHIVE_SIGNATURE} TO creditlink_api")
    op.create_table(
        "decision_notes",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("decision_id", sa.Uuid, nullable=False, index=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False),
        sa.Column("author_id", sa.Uuid, sa.ForeignKey("staff_members.account_id"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("written_at", INSTANT, nullable=False),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.CheckConstraint("text_sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')", name="hashed"),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 2000", name="length"),
    )
    op.get_bind().exec_driver_sql(NOTES_STAY.replace("%", "%%"))
    op.execute("""
        CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON decision_notes
        FOR EACH ROW EXECUTE FUNCTION decision_notes_stay()""")
    op.execute("GRANT SELECT, INSERT ON decision_notes TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON decision_notes TO creditlink_worker")
    op.execute("ALTER TABLE decision_notes ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON decision_notes TO creditlink_worker USING (true)")
    # A note is read and written by who looks at a decision of the firm in the same transaction.
    op.execute(f"CREATE POLICY looking ON decision_notes FOR SELECT TO creditlink_api USING ({LOOKED_AT})")
    op.execute(f"CREATE POLICY noting ON decision_notes FOR INSERT TO creditlink_api WITH CHECK ({LOOKED_AT})")
    for table in READ_ON_LOOK:
        op.execute(f"CREATE POLICY looked_at ON {table} FOR SELECT TO creditlink_api USING ({LOOKED_AT})")
    op.execute(f"CREATE POLICY looked_at ON pull_parts FOR SELECT TO creditlink_api USING ({AUDIT} AND {OF_PULL})")
    # What people decided beside a score is found by, and shown on the decision's page.
    for table in ("review_cases", "review_overrides", "override_outcomes"):
        op.execute(f"CREATE POLICY audited ON {table} FOR SELECT TO creditlink_api USING ({AUDIT})")


def downgrade() -> None:
    """Undo."""
    for table in ("review_cases", "review_overrides", "override_outcomes"):
        op.execute(f"DROP POLICY audited ON {table}")
    for table in (*READ_ON_LOOK, "pull_parts"):
        op.execute(f"DROP POLICY looked_at ON {table}")
    op.drop_table("decision_notes")
    op.execute("DROP FUNCTION decision_notes_stay()")
    _archive(takes="", column="", value="")
    op.execute(f"DROP FUNCTION {ARCHIVE_SIGNATURE}")
    _functions(opens="", forgets="", marks="")
    op.drop_index("ix_decision_records_marks", "decision_records")
    op.drop_column("decision_records", "marks")


def _archive(**parts: str) -> None:
    op.get_bind().exec_driver_sql(_filled(ARCHIVE, parts))


def _functions(**parts: str) -> None:
    for body in (LOOK, FINAL):
        op.get_bind().exec_driver_sql(_filled(body, parts))


def _filled(body: str, parts: dict[str, str]) -> str:
    """Return the text of a function; a `%` is no parameter of the driver."""
    for name, sql in parts.items():
        body = body.replace("{" + name + "}", sql)
    return body.replace("%", "%%")

"""The sealed archive of decisions, the policies they were made under, and deletion that a firm asks for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# The link's text is what `audit.chain.canonical` makes of `DecisionRow.link`. What records are found by is copied from
# the profile, so that it cannot say something else.
ARCHIVE = """
    CREATE FUNCTION creditlink_archive(profile uuid, sealed bytea, opened_sha256 text, kept_until timestamptz)
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
            keep_until, enterprise_id, institution_id, consent_id, as_of, grade, model_id, bundle_sha256, payload)
        VALUES (made.id, made.enterprise_id, head.seq + 1, made.created_at, opened_sha256, head.digest,
            encode(sha256(convert_to(link, 'UTF8')), 'hex'), kept_until, made.enterprise_id, made.institution_id,
            made.consent_id, made.as_of, made.grade, made.model_id, made.bundle_sha256, sealed);
        UPDATE public.decision_heads h SET seq = head.seq + 1,
            digest = encode(sha256(convert_to(link, 'UTF8')), 'hex') WHERE h.chain_id = made.enterprise_id;
        RETURN encode(sha256(convert_to(link, 'UTF8')), 'hex');
    END $$"""
ARCHIVE_SIGNATURE = "creditlink_archive(uuid, bytea, text, timestamptz)"

# Nobody sees a payload without an entry in the firm's evidence: the same function writes the one and returns the other.
LOOK = """
    CREATE FUNCTION creditlink_look(
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
                                    'record', looked.payload_sha256), request);
        RETURN NEXT looked;
    END $$"""
LOOK_SIGNATURE = "creditlink_look(uuid, text, text, text, text, timestamptz, uuid, text, text)"

FINAL = """
    CREATE FUNCTION decisions_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
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
            THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$"""
APPEND_ONLY = ("policy_artefacts", "policy_bundles", "decision_records", "deletion_requests")
EXPIRES = "payload, expired_at, enterprise_id, institution_id, consent_id, as_of, grade, model_id, bundle_sha256"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "policy_artefacts",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("sha256 = encode(sha256(content), 'hex')", name="addressed_by_content"),
    )
    op.create_table(
        "policy_bundles",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.CheckConstraint("sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')", name="addressed_by_content"),
    )
    op.create_table(
        "decision_records",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("chain_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("payload_sha256", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.Column("expired_at", INSTANT),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id")),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id")),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), index=True),
        sa.Column("as_of", sa.Date),
        sa.Column("grade", sa.Text),
        sa.Column("model_id", sa.Text),
        sa.Column("bundle_sha256", sa.Text, sa.ForeignKey("policy_bundles.sha256")),
        sa.Column("payload", sa.LargeBinary),
        sa.UniqueConstraint("chain_id", "seq"),
        sa.CheckConstraint("(payload IS NULL) = (expired_at IS NOT NULL)", name="sealed_or_expired"),
    )
    op.create_index("ix_decision_records_as_of", "decision_records", ["as_of", "id"])
    op.create_table(
        "decision_heads",
        sa.Column("chain_id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "deletion_requests",
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
    )
    op.add_column("profiles", sa.Column("bundle_sha256", sa.Text, sa.ForeignKey("policy_bundles.sha256")))
    op.add_column("deletion_certificates", sa.Column("kept", pg.JSONB, nullable=False, server_default="[]"))

    # The purge looks for negative records whose time is over.
    op.execute("""
        CREATE INDEX ix_facts_negative_ended_on ON facts ((values ->> 'ended_on'))
        WHERE frame IN ('credit_events', 'tax_events')""")
    # It is sealed, and does not compress any more.
    op.execute("ALTER TABLE decision_records ALTER COLUMN payload SET STORAGE EXTERNAL")
    for body in (ARCHIVE, LOOK, FINAL):
        op.get_bind().exec_driver_sql(body.replace("%", "%%"))  # colons and signs that are no parameters
    op.execute(f"REVOKE ALL ON FUNCTION {ARCHIVE_SIGNATURE}, {LOOK_SIGNATURE}, decisions_are_final() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ARCHIVE_SIGNATURE}, {LOOK_SIGNATURE} TO creditlink_api")
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER {table}_are_final BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION decisions_are_final()""")
        op.execute(f"""
            CREATE TRIGGER {table}_stay BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION decisions_are_final()""")
    for table in ("decision_records", "decision_heads", "deletion_requests"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT ON policy_artefacts, policy_bundles TO creditlink_api")
    op.execute(f"""
        GRANT SELECT (id, keep_until, expired_at, payload_sha256, enterprise_id, consent_id),
              UPDATE ({EXPIRES}) ON decision_records TO creditlink_worker""")
    op.execute("CREATE POLICY expires ON decision_records TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT ON deletion_requests TO creditlink_api")
    op.execute("GRANT SELECT ON deletion_requests TO creditlink_worker")
    op.execute("CREATE POLICY worker ON deletion_requests FOR SELECT TO creditlink_worker USING (true)")
    op.execute("""
        CREATE POLICY firm ON deletion_requests TO creditlink_api
        USING (enterprise_id = (SELECT creditlink_firm())) WITH CHECK (enterprise_id = (SELECT creditlink_firm()))""")


def downgrade() -> None:
    """Undo."""
    op.execute(f"DROP FUNCTION {ARCHIVE_SIGNATURE}")
    op.execute(f"DROP FUNCTION {LOOK_SIGNATURE}")
    op.execute("DROP INDEX ix_facts_negative_ended_on")
    op.drop_column("deletion_certificates", "kept")
    op.drop_column("profiles", "bundle_sha256")
    for table in ("deletion_requests", "decision_heads", "decision_records", "policy_bundles", "policy_artefacts"):
        op.drop_table(table)
    op.execute("DROP FUNCTION decisions_are_final()")

"""Cases for a person, overrides with their outcomes, notices of adverse action; later entries of decision records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
MEMBER = "staff_members.account_id"
STAFF = "current_setting('creditlink.actor', true) = 'operator'"
FIRM = "enterprise_id = (SELECT creditlink_firm())"
BANK = (
    "institution_id = (SELECT creditlink_setting('institution_id')) AND consent_id = (SELECT creditlink_consent_id())"
)
# A case is opened on a profile that its opener sees, and says of it what the profile says.
OF_PROFILE = """EXISTS (
    SELECT FROM profiles p WHERE p.id = profile_id AND p.enterprise_id = review_cases.enterprise_id
    AND p.institution_id = review_cases.institution_id AND p.consent_id = review_cases.consent_id)"""

UNCHANGED = """
CREATE FUNCTION review_overrides_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an override does not change' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
RECEIPT = """
CREATE FUNCTION adverse_notices_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - '{seen_at,seen_by,overdue_told_at}'::text[])
        <> (to_jsonb(OLD) - '{seen_at,seen_by,overdue_told_at}'::text[])
        OR (OLD.seen_at IS NOT NULL AND (NEW.seen_at, NEW.seen_by) IS DISTINCT FROM (OLD.seen_at, OLD.seen_by))
        OR (OLD.overdue_told_at IS NOT NULL AND NEW.overdue_told_at IS DISTINCT FROM OLD.overdue_told_at)
    THEN
        RAISE EXCEPTION 'a notice does not change, and is received once'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""

# A later entry about a decision: a link of the same chain, found by its firm, bank and consent alone.
LATER = """
    CREATE FUNCTION creditlink_archive_later(
        entry uuid, decision uuid, sealed bytea, opened_sha256 text, happened_at timestamptz, kept_until timestamptz)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        made public.decision_records%ROWTYPE;
        head public.decision_heads%ROWTYPE;
        utc timestamp;
        link text;
    BEGIN
        IF coalesce(current_setting('creditlink.actor', true), '') <> 'operator' THEN
            RAISE EXCEPTION 'later entries are the platform''s own staff''s' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT * INTO made FROM public.decision_records r WHERE r.id = decision AND r.about IS NULL;
        IF NOT FOUND OR made.payload IS NULL THEN
            RETURN NULL;  -- its time is over, and nothing is added to what is gone
        END IF;
        SELECT * INTO head FROM public.decision_heads h WHERE h.chain_id = made.chain_id FOR UPDATE;
        utc := happened_at AT TIME ZONE 'UTC';
        link := '{"at":"' || to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS')
                          || CASE WHEN to_char(utc, 'US') = '000000' THEN '' ELSE to_char(utc, '.US') END || '+00:00"'
            || ',"chain_id":"' || made.chain_id || '"'
            || ',"decision":"' || entry || '"'
            || ',"payload_sha256":' || to_json(opened_sha256)
            || ',"previous":"' || head.digest || '"'
            || ',"seq":' || head.seq + 1 || '}';
        INSERT INTO public.decision_records (id, chain_id, seq, decided_at, payload_sha256, previous, digest,
            keep_until, enterprise_id, institution_id, consent_id, payload, about)
        VALUES (entry, made.chain_id, head.seq + 1, happened_at, opened_sha256, head.digest,
            encode(sha256(convert_to(link, 'UTF8')), 'hex'), kept_until, made.enterprise_id, made.institution_id,
            made.consent_id, sealed, made.id);
        UPDATE public.decision_heads h SET seq = head.seq + 1,
            digest = encode(sha256(convert_to(link, 'UTF8')), 'hex') WHERE h.chain_id = made.chain_id;
        RETURN encode(sha256(convert_to(link, 'UTF8')), 'hex');
    END $$"""
LATER_SIGNATURE = "creditlink_archive_later(uuid, uuid, bytea, text, timestamptz, timestamptz)"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "review_cases",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("profile_id", sa.Uuid, nullable=False, index=True),
        *_whose(),
        sa.Column("causes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("asked_by", sa.Text),
        sa.Column("refuses_automation", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("result", pg.JSONB, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("claimed_by", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("claimed_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("decision", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('open', 'claimed', 'decided', 'expired')", name="state"),
        sa.CheckConstraint("cardinality(causes) > 0", name="causes"),
        sa.CheckConstraint("(state = 'open') <= (claimed_by IS NULL)", name="open_is_nobodys"),
        sa.CheckConstraint("state NOT IN ('claimed', 'decided') OR claimed_by IS NOT NULL", name="claimed"),
        sa.CheckConstraint("(state = 'decided') = (decision IS NOT NULL)", name="decided"),
        sa.CheckConstraint("decision IN ('confirmed', 'overridden')", name="decision"),
        sa.CheckConstraint("(asked_by IS NOT NULL) OR NOT refuses_automation", name="refusal_is_asked_for"),
    )
    op.create_index(
        "uq_review_cases_open",
        "review_cases",
        ["profile_id", sa.text("(asked_by IS NULL)")],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'claimed')"),
    )
    op.create_index("ix_review_cases_state_due_at", "review_cases", ["state", "due_at"])
    op.create_table(
        "review_overrides",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("case_id", sa.Uuid, sa.ForeignKey("review_cases.id"), nullable=False),
        sa.Column("profile_id", sa.Uuid, nullable=False, index=True),
        *_whose(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("notches", sa.BigInteger),
        sa.Column("grade", sa.Text),
        sa.Column("knock_out", sa.Text),
        sa.Column("loosens", sa.Boolean, nullable=False),
        sa.Column("reason_code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("first_id", sa.Uuid, sa.ForeignKey(MEMBER), nullable=False),
        sa.Column("second_id", sa.Uuid, sa.ForeignKey(MEMBER)),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("record_sha256", sa.Text),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.UniqueConstraint("case_id"),
        sa.CheckConstraint(
            "kind IN ('grade_notch', 'scorable_despite', 'knock_out_set_aside', 'decline_automated')", name="kind"
        ),
        sa.CheckConstraint("NOT loosens OR (second_id IS NOT NULL AND second_id <> first_id)", name="two_people"),
        sa.CheckConstraint("kind = 'decline_automated' OR loosens OR notches < 0", name="loosens"),
        sa.CheckConstraint("expires_at > decided_at", name="validity"),
    )
    op.create_table(
        "override_outcomes",
        sa.Column("override_id", sa.Uuid, sa.ForeignKey("review_overrides.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("since_on", sa.Date, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.CheckConstraint("label IN ('good', 'bad', 'immature', 'unreported', 'not_drawn')", name="label"),
    )
    op.create_table(
        "adverse_notices",
        sa.Column("id", sa.Uuid, primary_key=True),
        *_whose(consent_index=False),
        sa.Column("profile_id", sa.Uuid),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("reasons", pg.JSONB, nullable=False),
        sa.Column("text_zh", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("sent_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("overdue_told_at", INSTANT),
        sa.Column("seen_at", INSTANT),
        sa.Column("seen_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.CheckConstraint("event IN ('not_scorable', 'knocked_out', 'declined', 'worse_terms')", name="event"),
        sa.CheckConstraint("(seen_at IS NULL) = (seen_by IS NULL)", name="receipt"),
    )
    op.create_index(
        "ix_adverse_notices_due_at", "adverse_notices", ["due_at"], postgresql_where=sa.text("seen_at IS NULL")
    )
    op.add_column("decision_records", sa.Column("about", sa.Uuid))
    op.get_bind().exec_driver_sql(LATER.replace("%", "%%"))
    op.execute(f"REVOKE ALL ON FUNCTION {LATER_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {LATER_SIGNATURE} TO creditlink_api")
    for body in (UNCHANGED, RECEIPT):
        op.execute(body)
    op.execute(
        "CREATE TRIGGER unchanged BEFORE UPDATE ON review_overrides FOR EACH ROW"
        " EXECUTE FUNCTION review_overrides_unchanged()"
    )
    op.execute(
        "CREATE TRIGGER fixed BEFORE UPDATE ON adverse_notices FOR EACH ROW EXECUTE FUNCTION adverse_notices_fixed()"
    )
    _grant()


def _whose(*, consent_index: bool = True) -> tuple[sa.Column, ...]:
    return (
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, index=consent_index),
    )


def _grant() -> None:
    op.execute("GRANT SELECT, INSERT ON review_cases, review_overrides, adverse_notices TO creditlink_api")
    op.execute("GRANT SELECT ON override_outcomes TO creditlink_api")
    op.execute(
        "GRANT UPDATE (state, claimed_by, claimed_at, ended_at, decision, reason) ON review_cases TO creditlink_api"
    )
    op.execute("GRANT UPDATE (seen_at, seen_by) ON adverse_notices TO creditlink_api")
    op.execute("GRANT SELECT, INSERT, DELETE ON review_cases TO creditlink_worker")
    op.execute("GRANT UPDATE (state, ended_at, causes, due_at) ON review_cases TO creditlink_worker")
    op.execute("GRANT SELECT, DELETE ON review_overrides, adverse_notices TO creditlink_worker")
    op.execute("GRANT UPDATE (overdue_told_at) ON adverse_notices TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON override_outcomes TO creditlink_worker")
    for table in ("review_cases", "review_overrides", "override_outcomes", "adverse_notices"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    # The platform's staff work through the queue, and see what became of notices.
    op.execute(f"CREATE POLICY staff ON review_cases TO creditlink_api USING ({STAFF}) WITH CHECK ({STAFF})")
    op.execute(f"CREATE POLICY staff ON review_overrides TO creditlink_api USING ({STAFF}) WITH CHECK ({STAFF})")
    op.execute(f"CREATE POLICY staff ON override_outcomes FOR SELECT TO creditlink_api USING ({STAFF})")
    op.execute(f"CREATE POLICY staff ON adverse_notices FOR SELECT TO creditlink_api USING ({STAFF})")
    # A firm sees its own, a bank that of its own live consent; both may open a case on a profile that they see.
    for table in ("review_cases", "review_overrides"):
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO creditlink_api USING ({FIRM})")
        op.execute(f"CREATE POLICY bank ON {table} FOR SELECT TO creditlink_api USING ({BANK})")
    new = "state = 'open' AND claimed_by IS NULL"
    for name, whose in (("firm", FIRM), ("bank", BANK)):
        op.execute(
            f"CREATE POLICY {name}_opens ON review_cases FOR INSERT TO creditlink_api"
            f" WITH CHECK ({whose} AND {new} AND {OF_PROFILE})"
        )
    # A notice goes to the firm; its bank writes it and does not read it.
    op.execute(
        "CREATE POLICY bank_writes ON adverse_notices FOR INSERT TO creditlink_api"
        " WITH CHECK (institution_id = (SELECT creditlink_setting('institution_id')) AND seen_at IS NULL)"
    )
    op.execute(f"CREATE POLICY firm ON adverse_notices FOR SELECT TO creditlink_api USING ({FIRM})")
    op.execute(
        "CREATE POLICY firm_receives ON adverse_notices FOR UPDATE TO creditlink_api"
        f" USING ({FIRM}) WITH CHECK ({FIRM})"
    )


def downgrade() -> None:
    """Undo."""
    op.execute(f"DROP FUNCTION {LATER_SIGNATURE}")
    op.drop_column("decision_records", "about")
    for table in ("adverse_notices", "override_outcomes", "review_overrides", "review_cases"):
        op.drop_table(table)
    op.execute("DROP FUNCTION adverse_notices_fixed()")
    op.execute("DROP FUNCTION review_overrides_unchanged()")

"""Disputes of firms with evidence, scores beside contested profiles, and who was told of a correction."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
STAFF = "current_setting('creditlink.actor', true) = 'operator'"
FIRM = "enterprise_id = (SELECT creditlink_firm())"
# A bank learns of a dispute what its own live consent opens; what is public by law it opens always.
BANK = """enterprise_id = (SELECT creditlink_consent_enterprise())
    AND (category = 'public_credit' OR category = ANY ((SELECT creditlink_consent_categories())::text[]))"""
INSTITUTION = "institution_id = (SELECT creditlink_setting('institution_id'))"
OPEN = "state IN ('filed', 'sent', 'promised', 'unkept')"
CHILDREN = ("dispute_events", "dispute_files")
TABLES = ("disputes", *CHILDREN, "contested_scores", "corrections")

FIXED = """
CREATE FUNCTION disputes_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.enterprise_id, NEW.frame, NEW.period, NEW.subkey, NEW.fact_id, NEW.said, NEW.said_hash, NEW.statement,
        NEW.claim, NEW.wanted, NEW.source, NEW.opened_at)
       IS DISTINCT FROM (OLD.enterprise_id, OLD.frame, OLD.period, OLD.subkey, OLD.fact_id, OLD.said, OLD.said_hash,
        OLD.statement, OLD.claim, OLD.wanted, OLD.source, OLD.opened_at)
    THEN
        RAISE EXCEPTION 'what a firm disputed does not change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
RECEIPT = """
CREATE FUNCTION corrections_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - '{acknowledged_at,acknowledged_by,action}'::text[])
        <> (to_jsonb(OLD) - '{acknowledged_at,acknowledged_by,action}'::text[])
        OR OLD.acknowledged_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'a correction does not change, and is acknowledged once'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """Apply."""
    _disputes()
    _further()
    op.execute(FIXED)
    op.execute("CREATE TRIGGER fixed BEFORE UPDATE ON disputes FOR EACH ROW EXECUTE FUNCTION disputes_fixed()")
    op.execute(RECEIPT)
    op.execute("CREATE TRIGGER fixed BEFORE UPDATE ON corrections FOR EACH ROW EXECUTE FUNCTION corrections_fixed()")
    _grant()
    op.drop_constraint(op.f("ck_pulls_trigger"), "pulls")
    op.create_check_constraint(
        op.f("ck_pulls_trigger"), "pulls", "\"trigger\" IN ('consent', 'profile', 'retry', 'operator', 'dispute')"
    )


def _disputes() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("opened_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("claim", "statement")),
        sa.Column("wanted", JSONB, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("category", "frame")),
        sa.Column("period", sa.Date, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("subkey", "source", "channel")),
        sa.Column("fact_id", sa.BigInteger, nullable=False),
        sa.Column("said", JSONB, nullable=False),
        sa.Column("said_version", sa.BigInteger, nullable=False),
        sa.Column("said_hash", sa.LargeBinary, nullable=False),
        sa.Column("held_since_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("level", sa.BigInteger, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        *(sa.Column(name, INSTANT) for name in ("sent_at", "tried_at")),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("answered_at", INSTANT),
        *(sa.Column(name, sa.Text) for name in ("verdict", "answer")),
        *(sa.Column(name, INSTANT) for name in ("believed_until", "appeal_until", "overdue_told_at")),
        sa.Column("corrected_fact_id", sa.BigInteger),
        sa.Column("now_said", JSONB),
        sa.Column("told_at", INSTANT),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.CheckConstraint(
            "state IN ('filed', 'sent', 'promised', 'unkept', 'corrected', 'upheld', 'withdrawn')", name="state"
        ),
        sa.CheckConstraint("claim IN ('wrong', 'not_ours', 'outdated', 'repair')", name="claim"),
        sa.CheckConstraint("verdict IN ('corrected', 'upheld')", name="verdict"),
        sa.CheckConstraint("channel IN ('wire', 'desk')", name="channel"),
        sa.CheckConstraint("level IN (0, 1)", name="level"),
        sa.CheckConstraint(f"({OPEN}) = (ended_at IS NULL)", name="ended"),
    )
    op.create_index(
        "uq_disputes_open", "disputes", ["enterprise_id", "frame", "period", "subkey"], unique=True,
        postgresql_where=sa.text(OPEN),
    )  # fmt: skip
    op.create_index("ix_disputes_source_state_opened_at", "disputes", ["source", "state", "opened_at"])
    op.create_index("ix_disputes_enterprise_id_opened_at", "disputes", ["enterprise_id", "opened_at"])


def _of_dispute(*, index: bool = False) -> sa.Column:
    return sa.Column(
        "dispute_id", sa.Uuid, sa.ForeignKey("disputes.id", ondelete="CASCADE"), nullable=False, index=index
    )


def _further() -> None:
    op.create_table(
        "dispute_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _of_dispute(index=True),
        sa.Column("at", INSTANT, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "step", "to_state")),
        sa.Column("note", sa.Text),
    )
    op.create_table(
        "dispute_files",
        sa.Column("id", sa.Uuid, primary_key=True),
        _of_dispute(),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "kind")),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("scan", sa.Text, nullable=False),
        sa.Column("scan_said", sa.Text),
        sa.Column("scanned_at", INSTANT),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.CheckConstraint("scan IN ('waiting', 'clean', 'infected', 'unscanned')", name="scan"),
        sa.CheckConstraint("scan <> 'infected' OR sealed IS NULL", name="infected_is_gone"),
        sa.UniqueConstraint("dispute_id", "sha256"),
    )
    op.create_index(
        "ix_dispute_files_waiting", "dispute_files", ["added_at"], postgresql_where=sa.text("scan = 'waiting'")
    )
    op.create_table(
        "contested_scores",
        sa.Column("dispute_id", sa.Uuid, sa.ForeignKey("disputes.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("profile_id", sa.Uuid, sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("which", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text) for name in ("state", "grade")),
        sa.Column("points", sa.BigInteger),
        sa.Column("pd_12m", sa.Double),
        sa.Column("computed_at", INSTANT, nullable=False),
        sa.CheckConstraint("which IN ('without', 'corrected')", name="which"),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.Uuid, primary_key=True),
        _of_dispute(),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False),
        sa.Column("profile_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("in_full", sa.Boolean, nullable=False),
        sa.Column("told_at", INSTANT, nullable=False),
        sa.Column("notification_id", sa.Uuid),
        sa.Column("acknowledged_at", INSTANT),
        *(sa.Column(name, sa.Text) for name in ("acknowledged_by", "action")),
        sa.CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="receipt"),
        sa.CheckConstraint("action IN ('none', 'recomputed', 'decision_reviewed', 'no_longer_held')", name="action"),
        sa.UniqueConstraint("dispute_id", "consent_id"),
    )
    op.create_index("ix_corrections_institution_id_told_at", "corrections", ["institution_id", "told_at", "id"])


def _grant() -> None:
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO creditlink_worker")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO creditlink_api")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    moved = (
        "state, level, due_at, sent_at, trouble, answered_at, verdict, answer, believed_until, appeal_until,"
        " overdue_told_at, changed_at, ended_at, keep_until"
    )
    op.execute(f"GRANT UPDATE ({moved}) ON disputes TO creditlink_api")
    op.execute("GRANT UPDATE (acknowledged_at, acknowledged_by, action) ON corrections TO creditlink_api")
    # A firm files, withdraws and appeals; the operator routes and records answers; a bank reads.
    op.execute(f"CREATE POLICY firm ON disputes FOR SELECT TO creditlink_api USING ({FIRM})")
    op.execute(
        f"CREATE POLICY firm_files ON disputes FOR INSERT TO creditlink_api WITH CHECK ({FIRM} AND state = 'filed')"
    )
    op.execute(
        f"CREATE POLICY firm_moves ON disputes FOR UPDATE TO creditlink_api USING ({FIRM})"
        f" WITH CHECK ({FIRM} AND state IN ('withdrawn', 'filed'))"
    )
    op.execute(f"CREATE POLICY bank ON disputes FOR SELECT TO creditlink_api USING ({BANK})")
    op.execute(f"CREATE POLICY staff ON disputes FOR SELECT TO creditlink_api USING ({STAFF})")
    op.execute(
        f"CREATE POLICY staff_moves ON disputes FOR UPDATE TO creditlink_api USING ({STAFF}) WITH CHECK ({STAFF})"
    )
    own = f"dispute_id IN (SELECT id FROM disputes WHERE {FIRM} OR {STAFF})"  # noqa: S608 (made of constants)
    for table in CHILDREN:
        op.execute(f"CREATE POLICY own ON {table} FOR SELECT TO creditlink_api USING ({own})")
        op.execute(f"CREATE POLICY own_adds ON {table} FOR INSERT TO creditlink_api WITH CHECK ({own})")
    # Whoever sees the profile sees what stands beside it: the policies of `profiles` decide.
    beside = "profile_id IN (SELECT id FROM profiles)"
    op.execute(f"CREATE POLICY seen ON contested_scores FOR SELECT TO creditlink_api USING ({beside})")
    op.execute(f"CREATE POLICY seen_adds ON contested_scores FOR INSERT TO creditlink_api WITH CHECK ({beside})")
    # That it was told, and nothing of the firm's data, an institution reads whatever became of the consent.
    op.execute(f"CREATE POLICY bank ON corrections FOR SELECT TO creditlink_api USING ({INSTITUTION})")
    op.execute(
        f"CREATE POLICY bank_receives ON corrections FOR UPDATE TO creditlink_api"
        f" USING ({INSTITUTION}) WITH CHECK ({INSTITUTION})"
    )
    op.execute(f"CREATE POLICY firm ON corrections FOR SELECT TO creditlink_api USING ({FIRM})")
    op.execute(f"CREATE POLICY staff ON corrections FOR SELECT TO creditlink_api USING ({STAFF})")
    op.execute("REVOKE INSERT ON corrections FROM creditlink_api")
    # Whoever was given a decision is told of a correction, though the profile is gone: never what the record says.
    op.execute("GRANT SELECT (decided_at, about) ON decision_records TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE SELECT (decided_at, about) ON decision_records FROM creditlink_worker")
    op.drop_constraint(op.f("ck_pulls_trigger"), "pulls")
    op.execute("UPDATE pulls SET \"trigger\" = 'operator' WHERE \"trigger\" = 'dispute'")
    op.create_check_constraint(
        op.f("ck_pulls_trigger"), "pulls", "\"trigger\" IN ('consent', 'profile', 'retry', 'operator')"
    )
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION corrections_fixed()")
    op.execute("DROP FUNCTION disputes_fixed()")

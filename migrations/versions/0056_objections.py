"""Objections of firms to accesses: asked by the firm, answered by the bank, decided by the operator."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None
serves = "0053"  # a table that older code does not know

INSTANT = sa.DateTime(timezone=True)
STAFF = "current_setting('creditlink.actor', true) = 'operator'"
FIRM = "enterprise_id = (SELECT creditlink_firm())"
BANK = "institution_id = (SELECT creditlink_setting('institution_id'))"
UNDECIDED = "finding IS NULL AND decision IS NULL AND decided_by IS NULL"
# A firm objects to a line of its own evidence that its bank made; what it copies from there is what the line says.
OF_LINE = """EXISTS (
    SELECT FROM audit_entries e WHERE e.chain_id = access_objections.enterprise_id AND e.seq = line
    AND e.institution_id = access_objections.institution_id AND e.at = accessed_at
    AND e.consent_id IS NOT DISTINCT FROM access_objections.consent_id)"""
# What was said stays said, whoever may write to the row by its state.
FIXED = """
CREATE FUNCTION access_objections_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.answered_at IS NOT NULL AND (NEW.answer_reason, NEW.answer, NEW.answered_by, NEW.answered_at)
            IS DISTINCT FROM (OLD.answer_reason, OLD.answer, OLD.answered_by, OLD.answered_at))
        OR (OLD.escalated_at IS NOT NULL AND (NEW.escalated_for, NEW.escalated_at)
            IS DISTINCT FROM (OLD.escalated_for, OLD.escalated_at))
        OR OLD.state IN ('accepted', 'closed')
    THEN
        RAISE EXCEPTION 'what was said of an objection does not change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "access_objections",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id")),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text),
        sa.Column("accessed_at", INSTANT, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("answer_due_at", INSTANT, nullable=False),
        sa.Column("decision_due_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("answer_reason", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("answered_by", sa.Text),
        sa.Column("answered_at", INSTANT),
        sa.Column("escalated_for", sa.Text),
        sa.Column("escalated_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("finding", sa.Text),
        sa.Column("decision", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.UniqueConstraint("enterprise_id", "line"),
        sa.CheckConstraint("state IN ('asked', 'answered', 'accepted', 'escalated', 'closed')", name="state"),
        sa.CheckConstraint("(answered_at IS NULL) = (answer_reason IS NULL)", name="answer"),
        sa.CheckConstraint("state NOT IN ('answered', 'accepted') OR answered_at IS NOT NULL", name="answered"),
        sa.CheckConstraint("(escalated_at IS NULL) = (escalated_for IS NULL)", name="escalation"),
        sa.CheckConstraint("state NOT IN ('escalated', 'closed') OR escalated_at IS NOT NULL", name="escalated"),
        sa.CheckConstraint("escalated_for IN ('unanswered', 'unsatisfied')", name="escalated_for"),
        sa.CheckConstraint("(state = 'closed') = (finding IS NOT NULL)", name="closed"),
        sa.CheckConstraint("finding IN ('proper', 'improper', 'undecided')", name="finding"),
    )
    op.create_index("ix_access_objections_state_due_at", "access_objections", ["state", "answer_due_at"])
    op.execute(FIXED)
    op.execute(
        "CREATE TRIGGER fixed BEFORE UPDATE ON access_objections FOR EACH ROW"
        " EXECUTE FUNCTION access_objections_fixed()"
    )
    op.execute("GRANT SELECT, INSERT ON access_objections TO creditlink_api")
    op.execute(
        "GRANT UPDATE (state, answer_reason, answer, answered_by, answered_at, escalated_for, escalated_at, ended_at,"
        " finding, decision, decided_by) ON access_objections TO creditlink_api"
    )
    op.execute("GRANT SELECT, DELETE ON access_objections TO creditlink_worker")
    op.execute("GRANT UPDATE (state, escalated_for, escalated_at) ON access_objections TO creditlink_worker")
    op.execute("ALTER TABLE access_objections ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON access_objections TO creditlink_worker USING (true) WITH CHECK (true)")
    for name, whose in (("firm", FIRM), ("bank", BANK), ("staff", STAFF)):
        op.execute(f"CREATE POLICY {name} ON access_objections FOR SELECT TO creditlink_api USING ({whose})")
    op.execute(
        "CREATE POLICY firm_asks ON access_objections FOR INSERT TO creditlink_api"
        f" WITH CHECK ({FIRM} AND state = 'asked' AND answered_at IS NULL AND {OF_LINE})"
    )
    # Each writes only when it is its turn, and only into the states that its step leads to.
    op.execute(
        "CREATE POLICY firm_ends ON access_objections FOR UPDATE TO creditlink_api"
        f" USING ({FIRM} AND state = 'answered')"
        f" WITH CHECK ({FIRM} AND state IN ('accepted', 'escalated') AND {UNDECIDED})"
    )
    op.execute(
        "CREATE POLICY bank_answers ON access_objections FOR UPDATE TO creditlink_api"
        f" USING ({BANK} AND state IN ('asked', 'escalated') AND answered_at IS NULL)"
        f" WITH CHECK ({BANK} AND state IN ('answered', 'escalated') AND answered_at IS NOT NULL AND {UNDECIDED})"
    )
    op.execute(
        "CREATE POLICY staff_decides ON access_objections FOR UPDATE TO creditlink_api"
        f" USING ({STAFF} AND state = 'escalated') WITH CHECK ({STAFF} AND state = 'closed')"
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("access_objections")
    op.execute("DROP FUNCTION access_objections_fixed()")

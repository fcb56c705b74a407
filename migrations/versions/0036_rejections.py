"""Rejected rows are a queue for each source: one entry a record, with a state, closed by the office's correction."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# Rows from before have no record id; of those that are the same in all that is known, the newest stays.
FINGERPRINT = """
    UPDATE rejected_rows SET fingerprint = sha256(convert_to(
        concat_ws(E'\\n', 'place', resource, position, field, reason, excerpt), 'UTF8'))"""
SAME = """
    WITH same AS (
        SELECT enterprise_id, source, fingerprint, max(id) AS stays, count(*) AS times,
               min(recorded_at) AS first, max(recorded_at) AS last
        FROM rejected_rows GROUP BY enterprise_id, source, fingerprint)
    UPDATE rejected_rows r SET times = s.times, seen_at = s.last, changed_at = s.first, recorded_at = s.first
    FROM same s WHERE s.stays = r.id"""
OTHERS = """
    DELETE FROM rejected_rows r USING rejected_rows newer
    WHERE newer.enterprise_id = r.enterprise_id AND newer.source = r.source AND newer.fingerprint = r.fingerprint
      AND newer.id > r.id"""

# What everybody may know: sums over all firms.
COUNTS = """
    CREATE FUNCTION creditlink_rejection_counts() RETURNS TABLE (source text, state text, entries bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT r.source, r.state, count(*) FROM public.rejected_rows r GROUP BY r.source, r.state $$"""

OF_WORK = "enterprise_id = (SELECT creditlink_consent_enterprise())"
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
BY_WORK = "pull_id, position, field, excerpt, reason, row_version, state, times, seen_at, changed_at, changed_by, note"
BY_OPERATOR = "state, changed_at, changed_by, note"


def upgrade() -> None:
    """Apply."""
    op.add_column("rejected_rows", sa.Column("record_id", sa.Text))
    op.add_column("rejected_rows", sa.Column("row_version", sa.BigInteger))
    op.add_column("rejected_rows", sa.Column("fingerprint", sa.LargeBinary))
    op.add_column("rejected_rows", sa.Column("state", sa.Text, nullable=False, server_default="open"))
    op.add_column("rejected_rows", sa.Column("times", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("rejected_rows", sa.Column("seen_at", INSTANT))
    op.add_column("rejected_rows", sa.Column("changed_at", INSTANT))
    op.add_column("rejected_rows", sa.Column("changed_by", sa.Text, nullable=False, server_default="system"))
    op.add_column("rejected_rows", sa.Column("note", sa.Text))
    for statement in (FINGERPRINT, SAME, OTHERS):
        op.get_bind().exec_driver_sql(statement)
    for column in ("fingerprint", "seen_at", "changed_at"):
        op.alter_column("rejected_rows", column, nullable=False)
    for column in ("state", "times", "changed_by"):
        op.alter_column("rejected_rows", column, server_default=None)
    op.create_check_constraint("state", "rejected_rows", "state IN ('open', 'sent', 'corrected', 'dismissed')")
    op.create_check_constraint("dismissed_with_reason", "rejected_rows", "(state = 'dismissed') <= (note IS NOT NULL)")
    op.create_check_constraint("seen", "rejected_rows", "times >= 1 AND recorded_at <= seen_at")
    op.create_unique_constraint(
        op.f("uq_rejected_rows_enterprise_id_source_fingerprint"), "rejected_rows",
        ["enterprise_id", "source", "fingerprint"],
    )  # fmt: skip
    op.drop_index("ix_rejected_rows_source_recorded_at", "rejected_rows")
    op.create_index("ix_rejected_rows_source_state_id", "rejected_rows", ["source", "state", "id"])

    op.get_bind().exec_driver_sql(COUNTS)
    op.execute("REVOKE ALL ON FUNCTION creditlink_rejection_counts() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_rejection_counts() TO creditlink_api, creditlink_worker")
    op.execute(f"GRANT UPDATE ({BY_WORK}) ON rejected_rows TO creditlink_worker")
    op.execute(f"GRANT UPDATE ({BY_OPERATOR}) ON rejected_rows TO creditlink_api")
    op.execute(
        "CREATE POLICY worker_meets ON rejected_rows FOR UPDATE TO creditlink_worker"
        f" USING ({OF_WORK}) WITH CHECK ({OF_WORK})"
    )
    op.execute(f"CREATE POLICY operator_sees ON rejected_rows FOR SELECT TO creditlink_api USING ({OPERATOR})")
    op.execute(
        f"CREATE POLICY operator_moves ON rejected_rows FOR UPDATE TO creditlink_api USING ({OPERATOR})"
        f" WITH CHECK ({OPERATOR})"
    )


def downgrade() -> None:
    """Undo."""
    for policy in ("operator_moves", "operator_sees", "worker_meets"):
        op.execute(f"DROP POLICY {policy} ON rejected_rows")
    op.execute(f"REVOKE UPDATE ({BY_OPERATOR}) ON rejected_rows FROM creditlink_api")
    op.execute(f"REVOKE UPDATE ({BY_WORK}) ON rejected_rows FROM creditlink_worker")
    op.execute("DROP FUNCTION creditlink_rejection_counts()")
    op.drop_index("ix_rejected_rows_source_state_id", "rejected_rows")
    op.create_index("ix_rejected_rows_source_recorded_at", "rejected_rows", ["source", "recorded_at"])
    added = ("note", "changed_by", "changed_at", "seen_at", "times", "state", "fingerprint", "row_version", "record_id")
    for column in added:  # with their constraints
        op.drop_column("rejected_rows", column)

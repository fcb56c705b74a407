"""One waiting job per queueing lock, whatever sends a job back; and a list of work that failed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# The advisory lock makes "is one waiting already?" and what follows from it one step.
ONE_WAITING = """
CREATE FUNCTION creditlink_one_waiting_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    twin bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('job:' || NEW.queueing_lock, 0));
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = NEW.queueing_lock AND status = 'todo') THEN
            RETURN NULL;
        END IF;
        RETURN NEW;
    END IF;
    -- A job that goes back meets one that was queued while it ran: that one does its work, no sooner than it would.
    UPDATE procrastinate_jobs
       SET attempts = greatest(attempts, NEW.attempts), scheduled_at = greatest(scheduled_at, NEW.scheduled_at)
     WHERE queueing_lock = NEW.queueing_lock AND status = 'todo' AND id <> NEW.id
    RETURNING id INTO twin;
    IF twin IS NOT NULL THEN
        NEW.status := 'cancelled';
        NEW.scheduled_at := OLD.scheduled_at;
    END IF;
    RETURN NEW;
END;
$$
"""

# In the transaction that ends the job: a failed job is on the list, whatever becomes of the process that ran it.
LIST_FAILED = """
CREATE FUNCTION creditlink_list_failed_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'failed' THEN
        INSERT INTO dead_letters (id, kind, task, item, job_id, queue, lock, queueing_lock, priority, args, failures,
                                  first_failed_at, last_failed_at)
        VALUES (gen_random_uuid(), 'job', NEW.task_name, coalesce(NEW.queueing_lock, NEW.id::text), NEW.id,
                NEW.queue_name, NEW.lock, NEW.queueing_lock, NEW.priority, NEW.args, 1, now(), now())
        ON CONFLICT (task, item) WHERE resolved_at IS NULL DO UPDATE
           SET job_id = excluded.job_id, args = excluded.args, failures = dead_letters.failures + 1,
               last_failed_at = excluded.last_failed_at;
    ELSE
        UPDATE dead_letters SET resolved_at = now(), resolution = 'succeeded'
         WHERE kind = 'job' AND task = NEW.task_name AND item = coalesce(NEW.queueing_lock, NEW.id::text)
           AND resolved_at IS NULL;
    END IF;
    RETURN NULL;
END;
$$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("job_id", sa.BigInteger),
        sa.Column("queue", sa.Text),
        sa.Column("lock", sa.Text),
        sa.Column("queueing_lock", sa.Text),
        sa.Column("priority", sa.BigInteger),
        sa.Column("args", pg.JSONB),
        sa.Column("error", sa.Text),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("first_failed_at", INSTANT, nullable=False),
        sa.Column("last_failed_at", INSTANT, nullable=False),
        sa.Column("next_try_at", INSTANT),
        sa.Column("resolved_at", INSTANT),
        sa.Column("resolution", sa.Text),
        sa.CheckConstraint("kind IN ('job', 'item')", name=op.f("ck_dead_letters_kind")),
        sa.CheckConstraint(
            "resolution IN ('succeeded', 'retried', 'dropped')", name=op.f("ck_dead_letters_resolution")
        ),
        sa.CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name=op.f("ck_dead_letters_resolved")),
    )
    op.create_index(
        "uq_dead_letters_open", "dead_letters", ["task", "item"], unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )  # fmt: skip
    op.create_index("ix_dead_letters_last_failed_at", "dead_letters", ["last_failed_at", "id"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO creditlink_worker")
    op.execute("GRANT SELECT, UPDATE (next_try_at, resolved_at, resolution) ON dead_letters TO creditlink_api")
    # The API shows and moves them for the operator alone.
    op.execute("ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY worker ON dead_letters TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute(
        "CREATE POLICY operator ON dead_letters TO creditlink_api"
        " USING (current_setting('creditlink.actor', true) = 'operator')"
        " WITH CHECK (current_setting('creditlink.actor', true) = 'operator')"
    )
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(ONE_WAITING)
        cursor.execute(LIST_FAILED)
    op.execute(
        "CREATE TRIGGER creditlink_one_waiting_job_insert BEFORE INSERT ON procrastinate_jobs FOR EACH ROW"
        " WHEN (NEW.queueing_lock IS NOT NULL AND NEW.status = 'todo')"
        " EXECUTE FUNCTION creditlink_one_waiting_job()"
    )
    op.execute(
        "CREATE TRIGGER creditlink_one_waiting_job_update BEFORE UPDATE OF status ON procrastinate_jobs FOR EACH ROW"
        " WHEN (NEW.queueing_lock IS NOT NULL AND NEW.status = 'todo' AND OLD.status <> 'todo')"
        " EXECUTE FUNCTION creditlink_one_waiting_job()"
    )
    op.execute(
        "CREATE TRIGGER creditlink_list_failed_job AFTER UPDATE OF status ON procrastinate_jobs FOR EACH ROW"
        " WHEN (NEW.status <> OLD.status AND NEW.status IN ('failed', 'succeeded'))"
        " EXECUTE FUNCTION creditlink_list_failed_job()"
    )


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER creditlink_list_failed_job ON procrastinate_jobs")
    op.execute("DROP TRIGGER creditlink_one_waiting_job_update ON procrastinate_jobs")
    op.execute("DROP TRIGGER creditlink_one_waiting_job_insert ON procrastinate_jobs")
    op.execute("DROP FUNCTION creditlink_list_failed_job()")
    op.execute("DROP FUNCTION creditlink_one_waiting_job()")
    op.drop_table("dead_letters")

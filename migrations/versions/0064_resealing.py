"""An archived record may be sealed anew by another key of the server: what it says, and its link, stay the same."""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None
serves = "0061"  # a trigger that lets one thing more pass

# As in 0047, and one way more. The owner alone comes here with both set: no role that serves may write a payload.
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
            THEN
                NEW.marks := NULL;
                RETURN NEW;
            END IF;
            -- A record from before there were marks is given them once, and nothing else changes.
            IF OLD.marks IS NULL AND NEW.marks IS NOT NULL AND OLD.payload IS NOT NULL
               AND to_jsonb(NEW) - 'marks' = to_jsonb(OLD) - 'marks'
            THEN
                RETURN NEW;
            END IF;{reseals}
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$"""
RESEALS = """
            -- Another key seals the same record: the link names the hash of what is sealed, which is compared.
            IF OLD.payload IS NOT NULL AND NEW.payload IS NOT NULL
               AND current_setting('creditlink.reseals', true) = 'on'
               AND current_user NOT IN ('creditlink_api', 'creditlink_worker')
               AND to_jsonb(NEW) - 'payload' = to_jsonb(OLD) - 'payload'
            THEN
                RETURN NEW;
            END IF;"""


def upgrade() -> None:
    """Apply."""
    op.get_bind().exec_driver_sql(FINAL.format(reseals=RESEALS).replace("%", "%%"))


def downgrade() -> None:
    """Undo."""
    op.get_bind().exec_driver_sql(FINAL.format(reseals="").replace("%", "%%"))

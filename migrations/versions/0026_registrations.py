"""The registration has two clocks: each entry that was known of a firm, from when it holds and since when known."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# What was there before this migration holds from the firm's beginning: nobody knows of an earlier entry.
BACKFILL = """
    INSERT INTO registrations
        (enterprise_id, valid_from, known_at, industry, region, entity_type, status, registered_capital_fen,
         paid_in_capital_fen, established_on, linked_struck_off)
    SELECT id, coalesce(established_on, (created_at AT TIME ZONE 'Asia/Shanghai')::date), created_at, industry, region,
           entity_type, status, registered_capital_fen, paid_in_capital_fen, established_on, linked_struck_off
    FROM enterprises"""

# In the database, so that whoever changes the registry appends to its history. Where the transaction does not say from
# when an entry holds (creditlink.valid_from), it holds from the day it was known; a firm's first, from its beginning.
KEEP = """
    CREATE FUNCTION creditlink_keep_registration() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    DECLARE
        known timestamptz := CASE WHEN TG_OP = 'INSERT' THEN NEW.created_at
                                  WHEN NEW.updated_at > OLD.updated_at THEN NEW.updated_at
                                  ELSE clock_timestamp() END;
        begins date := nullif(current_setting('creditlink.valid_from', true), '')::date;
    BEGIN
        IF TG_OP = 'INSERT' THEN
            begins := coalesce(begins, NEW.established_on);
        END IF;
        INSERT INTO registrations
            (enterprise_id, valid_from, known_at, industry, region, entity_type, status, registered_capital_fen,
             paid_in_capital_fen, established_on, linked_struck_off)
        VALUES (NEW.id, coalesce(begins, (known AT TIME ZONE 'Asia/Shanghai')::date), known, NEW.industry, NEW.region,
                NEW.entity_type, NEW.status, NEW.registered_capital_fen, NEW.paid_in_capital_fen, NEW.established_on,
                NEW.linked_struck_off);
        RETURN NULL;
    END $$"""

CHANGED = """
    CREATE TRIGGER kept_change AFTER UPDATE ON enterprises FOR EACH ROW
    WHEN ((OLD.industry, OLD.region, OLD.entity_type, OLD.status, OLD.registered_capital_fen, OLD.paid_in_capital_fen,
           OLD.established_on, OLD.linked_struck_off)
          IS DISTINCT FROM
          (NEW.industry, NEW.region, NEW.entity_type, NEW.status, NEW.registered_capital_fen, NEW.paid_in_capital_fen,
           NEW.established_on, NEW.linked_struck_off))
    EXECUTE FUNCTION creditlink_keep_registration()"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "registrations",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("industry", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("entity_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("registered_capital_fen", sa.BigInteger),
        sa.Column("paid_in_capital_fen", sa.BigInteger),
        sa.Column("established_on", sa.Date),
        sa.Column("linked_struck_off", sa.Boolean, nullable=False),
    )
    op.create_index("ix_registrations_enterprise_id", "registrations", ["enterprise_id"])
    op.execute(BACKFILL)
    op.execute(KEEP)
    op.execute(
        "CREATE TRIGGER kept AFTER INSERT ON enterprises FOR EACH ROW EXECUTE FUNCTION creditlink_keep_registration()"
    )
    op.execute(CHANGED)
    op.execute("GRANT SELECT ON registrations TO creditlink_api, creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER kept_change ON enterprises")
    op.execute("DROP TRIGGER kept ON enterprises")
    op.execute("DROP FUNCTION creditlink_keep_registration()")
    op.drop_table("registrations")

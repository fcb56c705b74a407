"""Consents, their events, counters and receipts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# What the firm's decision writes, once; everything else but the state is fixed from the first insert.
DECIDED = (
    "enterprise_id",
    "categories",
    "starts_at",
    "granted_by",
    "granted_role",
    "text_version",
    "text_lang",
    "text_sha256",
    "text_shown",
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "consents",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False, index=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("amends", sa.Uuid, sa.ForeignKey("consents.id"), index=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("asked", pg.JSONB, nullable=False),
        sa.Column("asked_uscc", sa.Text, index=True),
        sa.Column("categories_asked", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("optional_categories", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("access", sa.Text, nullable=False),
        sa.Column("actions", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("history_months", sa.BigInteger, nullable=False),
        sa.Column("data_life_days", sa.BigInteger, nullable=False),
        sa.Column("pulls_per_month", sa.BigInteger, nullable=False),
        sa.Column("pulls_per_day", sa.BigInteger),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("fair_use_version", sa.Text, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("answer_until", INSTANT, nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id")),
        sa.Column("categories", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("starts_at", INSTANT),
        sa.Column("granted_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("granted_role", sa.Text),
        sa.Column("text_version", sa.Text),
        sa.Column("text_lang", sa.Text),
        sa.Column("text_sha256", sa.Text),
        sa.Column("text_shown", pg.JSONB),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "state IN ('REQUESTED', 'ACTIVE', 'PAUSED', 'REJECTED', 'REVOKED', 'EXPIRED', 'EXHAUSTED')", name="state"
        ),
        sa.CheckConstraint("access IN ('once', 'recurring')", name="access"),
        sa.CheckConstraint("channel IN ('redirect', 'inbox')", name="channel"),
        sa.CheckConstraint(
            "state IN ('REQUESTED', 'REJECTED') OR (enterprise_id IS NOT NULL AND granted_by IS NOT NULL"
            " AND starts_at IS NOT NULL AND text_sha256 IS NOT NULL AND cardinality(categories) > 0)",
            name="granted_in_full",
        ),
        sa.CheckConstraint("starts_at IS NULL OR starts_at < expires_at", name="validity"),
        sa.CheckConstraint("categories <@ categories_asked", name="never_wider"),
    )
    op.create_index("ix_consents_enterprise_id_requested_at", "consents", ["enterprise_id", "requested_at"])
    op.create_index("ix_consents_institution_id_requested_at", "consents", ["institution_id", "requested_at", "id"])
    op.create_index("ix_consents_state_expires_at", "consents", ["state", "expires_at"])
    op.create_table(
        "consent_events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("from_state", sa.Text),
        sa.Column("to_state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ix_consent_events_consent_id_id", "consent_events", ["consent_id", "id"])
    op.create_table(
        "consent_uses",
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
    )

    moving = ", ".join(f"'{name}'" for name in ("state", "changed_at"))
    decided = ", ".join(f"'{name}'" for name in ("state", "changed_at", *DECIDED))
    op.execute(f"""
        CREATE FUNCTION consents_only_move() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                RAISE EXCEPTION 'consents are kept: expired and revoked ones stay visible';
            END IF;
            IF (NEW.state = OLD.state OR NOT CASE OLD.state
                WHEN 'REQUESTED' THEN NEW.state IN ('ACTIVE', 'REJECTED')
                WHEN 'ACTIVE' THEN NEW.state IN ('PAUSED', 'REVOKED', 'EXPIRED', 'EXHAUSTED')
                WHEN 'PAUSED' THEN NEW.state IN ('ACTIVE', 'REVOKED', 'EXPIRED')
                ELSE false END)
            THEN
                RAISE EXCEPTION USING MESSAGE = 'consent cannot change from ' || OLD.state || ' to ' || NEW.state;
            END IF;
            IF OLD.state = 'REQUESTED' THEN
                IF to_jsonb(NEW) - ARRAY[{decided}] <> to_jsonb(OLD) - ARRAY[{decided}] THEN
                    RAISE EXCEPTION 'what a consent asked for is immutable';
                END IF;
            ELSIF to_jsonb(NEW) - ARRAY[{moving}] <> to_jsonb(OLD) - ARRAY[{moving}] THEN
                RAISE EXCEPTION 'a consent is immutable but for its state';
            END IF;
            RETURN NEW;
        END $$""")
    op.execute("""
        CREATE TRIGGER consents_only_move BEFORE UPDATE OR DELETE ON consents
        FOR EACH ROW EXECUTE FUNCTION consents_only_move()""")
    op.execute("""
        CREATE FUNCTION consent_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'consent events are append-only'; END $$""")
    op.execute("""
        CREATE TRIGGER consent_events_are_final BEFORE UPDATE OR DELETE ON consent_events
        FOR EACH ROW EXECUTE FUNCTION consent_events_are_final()""")

    changeable = ", ".join(("state", "changed_at", *DECIDED))
    op.execute(f"GRANT SELECT, INSERT, UPDATE ({changeable}) ON consents TO creditlink_api")
    op.execute("GRANT SELECT, UPDATE (state, changed_at) ON consents TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON consent_events TO creditlink_api, creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE (used, last_at) ON consent_uses TO creditlink_api")
    op.execute("GRANT SELECT ON consent_uses TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    for table in ("consent_uses", "consent_events", "consents"):
        op.drop_table(table)
    op.execute("DROP FUNCTION consents_only_move")
    op.execute("DROP FUNCTION consent_events_are_final")

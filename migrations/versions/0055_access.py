"""Access of firms' people: links, recovery codes, devices, invitations, identities; notices and where they go."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
OWN = "account_id = (SELECT creditlink_setting('account_id'))"
HELD = "secret_hash = (SELECT current_setting('creditlink.invitation', true))"
OF_FIRM = "enterprise_id = (SELECT creditlink_firm())"
# Accounts are the operator's to add. This adds one of a firm's person, who acts for nobody until a representation says
# so; its role and status are not the caller's to choose.
PERSON = """
    CREATE FUNCTION creditlink_add_person(new_id uuid, new_login text, name text, hash text, at timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        INSERT INTO public.accounts (id, login, display_name, password_hash, role, status, created_at)
            VALUES (new_id, new_login, name, hash, 'enterprise', 'active', at)
            ON CONFLICT (login) DO NOTHING;
        RETURN FOUND;
    END $$"""
PERSON_SIGNATURE = "creditlink_add_person(uuid, text, text, text, timestamptz)"


def _account(name: str = "account_id", **options: object) -> sa.Column:
    return sa.Column(name, sa.Uuid, sa.ForeignKey("accounts.id"), **options)


def _firm(**options: object) -> sa.Column:
    return sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), **options)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "person_links",
        sa.Column("id", sa.Uuid, primary_key=True),
        _account(nullable=False, index=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False, unique=True),
        sa.Column("channel", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("purpose IN ('reset', 'verify')", name="purpose"),
        sa.CheckConstraint("(purpose = 'verify') = (address IS NOT NULL)", name="verify"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid, primary_key=True),
        _account(nullable=False, index=True),
        sa.Column("code_hash", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
    )
    op.create_table(
        "person_devices",
        sa.Column("id", sa.Uuid, primary_key=True),
        _account(nullable=False, index=True),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False, index=True),
        sa.Column("ended_at", INSTANT),
    )
    op.add_column("web_sessions", sa.Column("device_id", sa.Uuid))
    op.create_table(
        "identity_bindings",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("subject_digest", sa.Text, primary_key=True),
        _account(nullable=False, index=True),
        sa.Column("bound_at", INSTANT, nullable=False),
    )
    op.create_table(
        "firm_invitations",
        sa.Column("id", sa.Uuid, primary_key=True),
        _firm(nullable=False, index=True),
        _account("invited_by", nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("limits", pg.JSONB),
        sa.Column("valid_until", INSTANT),
        sa.Column("secret_hash", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("end_reason", sa.Text),
        _account("taken_by"),
        sa.CheckConstraint("end_reason IN ('taken', 'withdrawn')", name="end_reason"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        sa.CheckConstraint("(taken_by IS NOT NULL) = (end_reason IS NOT DISTINCT FROM 'taken')", name="taken"),
    )
    op.create_table(
        "person_channels",
        _account(primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("kinds", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("verified_at", INSTANT, nullable=False),
        sa.CheckConstraint("channel IN ('email', 'sms', 'wechat')", name="channel"),
        sa.CheckConstraint("language IN ('zh', 'en')", name="language"),
    )
    op.create_table(
        "person_messages",
        sa.Column("id", sa.Uuid, primary_key=True),
        _account(nullable=False),
        _firm(index=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("page", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, index=True),
        sa.Column("sorted_at", INSTANT),
        sa.Column("read_at", INSTANT),
    )
    op.create_index("ix_person_messages_account_id_created_at", "person_messages", ["account_id", "created_at", "id"])
    op.create_index(
        "ix_person_messages_unsorted", "person_messages", ["created_at"], postgresql_where=sa.text("sorted_at IS NULL")
    )
    op.create_table(
        "message_deliveries",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("message_id", sa.Uuid, sa.ForeignKey("person_messages.id", ondelete="CASCADE"), index=True),
        _account(),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, index=True),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.CheckConstraint("channel IN ('email', 'sms', 'wechat')", name="channel"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
        # What was sealed for sending is not kept beyond it.
        sa.CheckConstraint("state = 'waiting' OR sealed IS NULL", name="sealed"),
    )
    op.create_index(
        "ix_message_deliveries_waiting", "message_deliveries", ["next_try_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip
    for table in ("firm_invitations", "person_channels", "person_messages", "message_deliveries"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT ON person_links, recovery_codes, person_devices, identity_bindings"
               " TO creditlink_api")  # fmt: skip
    op.execute("GRANT UPDATE (ended_at) ON person_links TO creditlink_api")
    op.execute("GRANT UPDATE (used_at) ON recovery_codes TO creditlink_api")
    op.execute("GRANT DELETE ON recovery_codes TO creditlink_api")
    op.execute("GRANT UPDATE (agent, address, last_at, ended_at) ON person_devices TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON firm_invitations TO creditlink_api")
    op.execute("GRANT UPDATE (ended_at, end_reason, taken_by) ON firm_invitations TO creditlink_api")
    op.execute(f"CREATE POLICY own ON firm_invitations TO creditlink_api USING ({OF_FIRM}) WITH CHECK ({OF_FIRM})")
    # Who holds the link sees that one row, and may take it up.
    op.execute(f"CREATE POLICY held ON firm_invitations FOR SELECT TO creditlink_api USING ({HELD})")
    op.execute(f"CREATE POLICY taken ON firm_invitations FOR UPDATE TO creditlink_api USING ({HELD})")
    op.execute("GRANT SELECT, INSERT, DELETE ON person_channels TO creditlink_api")
    op.execute("GRANT UPDATE (address, language, kinds, verified_at) ON person_channels TO creditlink_api")
    op.execute(f"CREATE POLICY own ON person_channels TO creditlink_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("GRANT SELECT, INSERT ON person_messages TO creditlink_api")
    op.execute("GRANT UPDATE (read_at) ON person_messages TO creditlink_api")
    op.execute(f"CREATE POLICY own ON person_messages FOR SELECT TO creditlink_api USING ({OWN})")
    op.execute(f"CREATE POLICY reads ON person_messages FOR UPDATE TO creditlink_api USING ({OWN})")
    op.execute("CREATE POLICY tells ON person_messages FOR INSERT TO creditlink_api WITH CHECK (true)")
    op.execute("GRANT SELECT (id, account_id, channel, state, created_at) ON message_deliveries TO creditlink_api")
    op.execute("GRANT INSERT ON message_deliveries TO creditlink_api")
    op.execute(f"CREATE POLICY own ON message_deliveries FOR SELECT TO creditlink_api USING ({OWN})")
    op.execute("CREATE POLICY sends ON message_deliveries FOR INSERT TO creditlink_api WITH CHECK (true)")
    op.execute("GRANT SELECT ON person_channels TO creditlink_worker")
    op.execute("CREATE POLICY worker ON person_channels FOR SELECT TO creditlink_worker USING (true)")
    op.execute("GRANT SELECT, INSERT, DELETE ON person_messages, message_deliveries TO creditlink_worker")
    op.execute("GRANT UPDATE (sorted_at) ON person_messages TO creditlink_worker")
    op.execute("GRANT UPDATE (state, tries, next_try_at, last_error, sealed) ON message_deliveries"
               " TO creditlink_worker")  # fmt: skip
    for table in ("person_messages", "message_deliveries"):
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT (expires_at), DELETE ON person_links TO creditlink_worker")
    op.execute("GRANT SELECT (last_at), DELETE ON person_devices TO creditlink_worker")
    op.execute(PERSON)
    op.execute(f"REVOKE ALL ON FUNCTION {PERSON_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {PERSON_SIGNATURE} TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute(f"DROP FUNCTION {PERSON_SIGNATURE}")
    for table in (
        "message_deliveries", "person_messages", "person_channels", "firm_invitations", "identity_bindings",
        "person_devices", "recovery_codes", "person_links",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_column("web_sessions", "device_id")

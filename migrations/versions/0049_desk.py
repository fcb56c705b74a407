"""The bank desk: people of institutions, the clients it acts by, what it asked firms for, acts of two people."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
PERSON = "desk_people.account_id"
OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"
ADMIN = """
    CREATE FUNCTION creditlink_invite_lender(
        new_id uuid, new_login text, name text, held text[], hash text, open_until timestamptz, at timestamptz)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE inviter public.desk_people%ROWTYPE;
    BEGIN
        SELECT * INTO inviter FROM public.desk_people p
            WHERE p.account_id::text = current_setting('creditlink.account_id', true) AND p.status = 'active'
              AND p.institution_id::text = current_setting('creditlink.institution_id', true);
        IF NOT FOUND OR NOT 'desk_admin' = ANY (inviter.roles) THEN
            RAISE EXCEPTION 'an administrator of the institution invites' USING ERRCODE = 'insufficient_privilege';
        END IF;
        INSERT INTO public.accounts (id, login, display_name, password_hash, role, status, created_at)
            VALUES (new_id, new_login, name, '!', 'lender', 'active', at);
        INSERT INTO public.desk_people (account_id, institution_id, roles, status, invitation_hash, invited_until,
            invited_by, created_at, changed_at)
            VALUES (new_id, inviter.institution_id, held, 'invited', hash, open_until, inviter.account_id, at, at);
    END $$"""
ADMIN_SIGNATURE = "creditlink_invite_lender(uuid, text, text, text[], text, timestamptz, timestamptz)"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "desk_people",
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("roles", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("invitation_hash", sa.Text, unique=True),
        sa.Column("invited_until", INSTANT),
        sa.Column("invited_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "roles <@ ARRAY['lender', 'product_editor', 'desk_admin'] AND cardinality(roles) > 0", name="roles"
        ),
        sa.CheckConstraint("status IN ('invited', 'active', 'suspended', 'ended')", name="status"),
        sa.CheckConstraint("(status = 'invited') = (invitation_hash IS NOT NULL)", name="invited"),
    )
    op.create_table(
        "desk_clients",
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("hand", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False, unique=True),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("hand IN ('acts', 'checks')", name="hand"),
    )
    op.create_table(
        "desk_requests",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("asked_by", sa.Uuid, sa.ForeignKey(PERSON), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("consent", sa.Text),
        sa.Column("application", sa.Text),
        sa.Column("scan_hash", sa.Text, unique=True),
        sa.Column("state_hash", sa.Text, unique=True),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("polled_at", INSTANT),
        sa.CheckConstraint("channel IN ('inbox', 'code', 'application')", name="channel"),
        sa.CheckConstraint("state IN ('waiting', 'granted', 'declined', 'expired', 'over')", name="state"),
        sa.Index("ix_desk_requests_institution_id_asked_at", "institution_id", "asked_at"),
    )
    op.create_table(
        "desk_acts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", pg.JSONB, nullable=False),
        sa.Column("subject_sha256", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Uuid, sa.ForeignKey(PERSON), nullable=False),
        sa.Column("proposed_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_by", sa.Uuid, sa.ForeignKey(PERSON)),
        sa.Column("end_reason", sa.Text),
        sa.CheckConstraint("end_reason IN ('done', 'declined', 'taken_back')", name="end_reason"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)", name="ended"
        ),
        sa.CheckConstraint("end_reason <> 'done' OR ended_by <> proposed_by", name="two_people"),
        sa.Index(
            "uq_desk_acts_waiting", "institution_id", "kind", "subject_sha256", unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )  # fmt: skip
    # A security key is any account's: staff's, and now of people of institutions.
    op.drop_constraint("fk_staff_keys_account_id_staff_members", "staff_keys", type_="foreignkey")
    op.create_foreign_key("fk_staff_keys_account_id_accounts", "staff_keys", "accounts", ["account_id"], ["id"])
    # Who somebody is has to be known before their institution is; all else is the institution's own.
    op.execute("GRANT SELECT ON desk_people TO creditlink_api")
    op.execute(
        "GRANT UPDATE (roles, status, invitation_hash, invited_until, changed_at) ON desk_people TO creditlink_api"
    )
    op.execute("ALTER TABLE desk_people ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY seen ON desk_people FOR SELECT TO creditlink_api USING (true)")
    op.execute(
        "CREATE POLICY taken_up ON desk_people FOR UPDATE TO creditlink_api"
        " USING (status = 'invited') WITH CHECK (status = 'active')"
    )
    op.execute(f"CREATE POLICY own ON desk_people FOR UPDATE TO creditlink_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("GRANT SELECT ON desk_clients TO creditlink_api")
    op.execute("ALTER TABLE desk_clients ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON desk_clients FOR SELECT TO creditlink_api USING ({OWN})")
    op.execute("GRANT SELECT, INSERT ON desk_requests TO creditlink_api")
    op.execute(
        "GRANT UPDATE (state, consent, state_hash, sealed, polled_at, expires_at) ON desk_requests TO creditlink_api"
    )
    op.execute("GRANT SELECT, INSERT ON desk_acts TO creditlink_api")
    op.execute("GRANT UPDATE (ended_at, ended_by, end_reason) ON desk_acts TO creditlink_api")
    for table in ("desk_requests", "desk_acts"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO creditlink_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("GRANT SELECT (expires_at, state), DELETE ON desk_requests TO creditlink_worker")
    op.execute("CREATE POLICY tidied ON desk_requests FOR ALL TO creditlink_worker USING (true)")
    op.execute(ADMIN)
    op.execute(f"REVOKE ALL ON FUNCTION {ADMIN_SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {ADMIN_SIGNATURE} TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute(f"DROP FUNCTION {ADMIN_SIGNATURE}")
    op.drop_constraint("fk_staff_keys_account_id_accounts", "staff_keys", type_="foreignkey")
    op.execute("DELETE FROM staff_keys WHERE account_id NOT IN (SELECT account_id FROM staff_members)")
    op.create_foreign_key(
        "fk_staff_keys_account_id_staff_members", "staff_keys", "staff_members", ["account_id"], ["account_id"]
    )
    for table in ("desk_acts", "desk_requests", "desk_clients", "desk_people"):
        op.drop_table(table)

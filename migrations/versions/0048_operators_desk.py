"""The operator's desk: what its pages may see and turn, open circuits, evidence found by who, what and when."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None
serves = "0036"  # columns that older code leaves empty

AUDIT = "current_setting('creditlink.actor', true) = 'audit'"
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"

# The pages' role may stop a lender or its software and replace keys for one who is an operator now: the database asks
# for the person, as no claim of the application's alone should turn a bank off. An institution's own session may
# change its own software.
TURNED = """
    CREATE FUNCTION creditlink_turned_by_whom() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        whose uuid := CASE WHEN TG_TABLE_NAME = 'clients' THEN (to_jsonb(NEW) ->> 'institution_id')::uuid END;
    BEGIN
        IF pg_has_role(current_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'USAGE')
            OR whose = nullif(current_setting('creditlink.institution_id', true), '')::uuid
            OR (current_setting('creditlink.actor', true) = 'operator' AND EXISTS (
                SELECT FROM public.staff_members m
                WHERE m.account_id = nullif(current_setting('creditlink.account_id', true), '')::uuid
                AND m.status = 'active' AND 'operator' = ANY (m.roles)))
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'only an operator turns institutions and their clients'
            USING ERRCODE = 'insufficient_privilege';
    END $$"""
SEEN = ("pulls", "pull_parts", "notifications", "webhook_deliveries")


def upgrade() -> None:
    """Apply."""
    op.add_column("sources", sa.Column("rests_until", sa.DateTime(timezone=True)))
    op.add_column("clients", sa.Column("keys_changed_at", sa.DateTime(timezone=True)))
    op.execute("GRANT SELECT ON source_budgets TO creditlink_api")
    for table in SEEN:
        op.execute(f"CREATE POLICY operator_sees ON {table} FOR SELECT TO creditlink_api USING ({OPERATOR})")
    op.execute(f"CREATE POLICY operator_replays ON webhook_deliveries FOR UPDATE TO creditlink_api USING ({OPERATOR})")
    op.execute(f"CREATE POLICY audited ON audit_heads FOR SELECT TO creditlink_api USING ({AUDIT})")
    op.execute("GRANT UPDATE (status) ON institutions TO creditlink_api")
    op.execute("GRANT UPDATE (status, jwks, jwks_uri, keys_changed_at, updated_at) ON clients TO creditlink_api")
    op.get_bind().exec_driver_sql(TURNED)
    for table in ("institutions", "clients"):
        op.execute(
            f"CREATE TRIGGER turned_by_whom BEFORE UPDATE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION creditlink_turned_by_whom()"
        )
    op.create_index("ix_audit_entries_at", "audit_entries", ["at", "id"])
    op.create_index("ix_audit_entries_actor_at", "audit_entries", ["actor", "at", "id"])
    op.create_index("ix_audit_entries_action_at", "audit_entries", ["action", "at", "id"])
    op.create_index(
        "ix_pulls_open_requested_at", "pulls", ["requested_at", "id"], postgresql_where=sa.text("status = 'OPEN'")
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_pulls_open_requested_at", "pulls")
    for index in ("ix_audit_entries_action_at", "ix_audit_entries_actor_at", "ix_audit_entries_at"):
        op.drop_index(index, "audit_entries")
    for table in ("institutions", "clients"):
        op.execute(f"DROP TRIGGER turned_by_whom ON {table}")
    op.execute("DROP FUNCTION creditlink_turned_by_whom()")
    op.execute("REVOKE UPDATE (status, jwks, jwks_uri, keys_changed_at, updated_at) ON clients FROM creditlink_api")
    op.execute("REVOKE UPDATE (status) ON institutions FROM creditlink_api")
    op.execute("DROP POLICY audited ON audit_heads")
    op.execute("DROP POLICY operator_replays ON webhook_deliveries")
    for table in SEEN:
        op.execute(f"DROP POLICY operator_sees ON {table}")
    op.execute("REVOKE SELECT ON source_budgets FROM creditlink_api")
    op.drop_column("clients", "keys_changed_at")
    op.drop_column("sources", "rests_until")

"""Roles, the job queue, institutions and clients, enterprises and who acts for them, audit."""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql as pg

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    # Roles belong to the server, not to one database, so they may exist already; an owner that makes none need not be
    # allowed to.
    for role in ("creditlink_api", "creditlink_worker"):
        op.execute(f"""
            DO $$ BEGIN
                IF to_regrole('{role}') IS NULL THEN
                    CREATE ROLE {role} LOGIN;
                END IF;
            EXCEPTION WHEN duplicate_object THEN NULL; WHEN unique_violation THEN NULL;
            END $$""")
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        op.execute(f"GRANT {role} TO CURRENT_USER")
    # A raw cursor: the queue's schema has colons and percent signs that are not parameters.
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(SchemaManager.get_schema())
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO creditlink_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO creditlink_worker, creditlink_api")
    op.execute("REVOKE ALL ON alembic_version FROM creditlink_worker")
    op.execute("GRANT SELECT ON alembic_version TO creditlink_worker, creditlink_api")
    op.execute("GRANT SELECT, INSERT ON procrastinate_jobs, procrastinate_events TO creditlink_api")
    op.execute("GRANT SELECT ON procrastinate_workers TO creditlink_api")

    op.create_table(
        "institutions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("code", sa.Text, nullable=False, unique=True),
        sa.Column("name_zh", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("pairwise_salt", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("kind IN ('bank', 'leasing', 'guarantee', 'microloan', 'factoring')", name="kind"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("client_id", sa.Text, nullable=False, unique=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("jwks", pg.JSONB),
        sa.Column("jwks_uri", sa.Text),
        sa.Column("redirect_uris", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("categories", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("webhook_url", sa.Text),
        sa.Column("metadata", pg.JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="status"),
        sa.CheckConstraint("(jwks IS NULL) <> (jwks_uri IS NULL)", name="one_key_source"),
    )
    op.create_table(
        "enterprises",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("uscc", sa.Text, nullable=False, unique=True),
        sa.Column("uscc_exception", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text),
        sa.Column("industry", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("entity_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("registered_capital_fen", sa.BigInteger),
        sa.Column("paid_in_capital_fen", sa.BigInteger),
        sa.Column("established_on", sa.Date),
        sa.Column("linked_struck_off", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "entity_type IN ('company', 'partnership', 'sole_trader', 'cooperative')", name="entity_type"
        ),
        sa.CheckConstraint("status IN ('active', 'suspended', 'revoked', 'deregistered')", name="status"),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("login", sa.Text, nullable=False, unique=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("totp_secret", sa.Text),
        sa.Column("totp_last_step", sa.BigInteger),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("metadata", pg.JSONB, nullable=False, server_default=sa.text("'{}'")),
    )
    op.create_table(
        "representations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("limits", pg.JSONB),
        sa.Column("appointed_by", sa.Uuid, sa.ForeignKey("accounts.id")),
        sa.Column("valid_from", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("role IN ('legal_representative', 'agent')", name="role"),
        sa.CheckConstraint("valid_until IS NULL OR valid_from < valid_until", name="validity"),
    )
    op.create_index(
        "uq_representations_legal",
        "representations",
        ["enterprise_id"],
        unique=True,
        postgresql_where=sa.text("role = 'legal_representative' AND ended_at IS NULL"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("chain_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("enterprise_id", sa.Uuid),
        sa.Column("institution_id", sa.Uuid),
        sa.Column("client_id", sa.Text),
        sa.Column("consent_id", sa.Uuid),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text),
        sa.Column("detail", pg.JSONB, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.UniqueConstraint("chain_id", "seq"),
    )
    op.create_index("ix_audit_entries_enterprise_id_at", "audit_entries", ["enterprise_id", "at"])
    op.create_table(
        "audit_heads",
        sa.Column("chain_id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("institution_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("resource_id", sa.Uuid),
    )

    op.execute("GRANT SELECT ON institutions, clients, enterprises TO creditlink_api, creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON representations, accounts TO creditlink_api")
    op.execute("GRANT SELECT ON representations, accounts TO creditlink_worker")
    # Evidence is added, never changed, whoever runs the process.
    op.execute("GRANT SELECT, INSERT ON audit_entries TO creditlink_api, creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE ON audit_heads TO creditlink_api, creditlink_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO creditlink_api, creditlink_worker")
    op.execute("""
        CREATE FUNCTION audit_entries_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'audit entries are append-only'; END $$""")
    op.execute("""
        CREATE TRIGGER audit_entries_are_final BEFORE UPDATE OR DELETE ON audit_entries
        FOR EACH ROW EXECUTE FUNCTION audit_entries_are_final()""")


def downgrade() -> None:
    """Undo."""
    for table in (
        "idempotency_keys",
        "audit_heads",
        "audit_entries",
        "representations",
        "accounts",
        "enterprises",
        "clients",
        "institutions",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION audit_entries_are_final")
    # The queue has no down script: everything it made carries its name.
    op.execute("""
        DO $$ DECLARE item record; BEGIN
            FOR item IN SELECT tablename FROM pg_tables
                        WHERE schemaname = 'public' AND tablename LIKE 'procrastinate_%' LOOP
                EXECUTE format('DROP TABLE %I CASCADE', item.tablename);
            END LOOP;
            FOR item IN SELECT oid::regprocedure AS signature FROM pg_proc
                        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'procrastinate_%' LOOP
                EXECUTE format('DROP FUNCTION %s CASCADE', item.signature);
            END LOOP;
            FOR item IN SELECT typname FROM pg_type
                        WHERE typnamespace = 'public'::regnamespace AND typname LIKE 'procrastinate_%'
                        AND typtype IN ('e', 'c') LOOP
                EXECUTE format('DROP TYPE %I CASCADE', item.typname);
            END LOOP;
        END $$""")
    for role in ("creditlink_api", "creditlink_worker"):
        op.execute(f"DROP OWNED BY {role}")

"""Developers of a sandbox: who signed up, and what their clients sent. A production's database takes none."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

OWN = "account_id = (SELECT creditlink_setting('account_id'))"
OF_INSTITUTION = "institution_id = (SELECT creditlink_setting('institution_id'))"
MINE = "institution_id IN (SELECT d.institution_id FROM developers d WHERE d." + OWN + ")"  # noqa: S608 (our own words)
OWNERS = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
# Institutions, clients and accounts are the operator's to add. These functions add one of each, of a fixed form, and
# only where the database says that it is a sandbox's: whoever serves requests in production can make none.
ONLY_IN_A_SANDBOX = """
        IF NOT EXISTS (SELECT FROM public.database_purpose WHERE purpose = 'sandbox') THEN
            RAISE EXCEPTION 'only a sandbox has developers';
        END IF;"""
FUNCTIONS = {
    "creditlink_join_developer(uuid, text, text, uuid, text, text, text, text[], text[], text[], int, timestamptz)": """
    CREATE FUNCTION creditlink_join_developer(
        new_account uuid, new_login text, new_hash text, new_institution uuid, new_code text, new_salt text,
        new_client text, new_addresses text[], new_scopes text[], new_categories text[], most int, new_at timestamptz)
    RETURNS text LANGUAGE plpgsql <OWNERS> AS $$
    BEGIN <ONLY>
        PERFORM pg_advisory_xact_lock(1684371814);  -- they are counted before one is added
        IF (SELECT count(*) FROM public.developers) >= most THEN
            RETURN 'full';
        END IF;
        INSERT INTO public.accounts (id, login, display_name, password_hash, role, status, created_at)
            VALUES (new_account, new_login, new_login, new_hash, 'developer', 'active', new_at)
            ON CONFLICT (login) DO NOTHING;
        IF NOT FOUND THEN
            RETURN 'taken';
        END IF;
        INSERT INTO public.institutions (id, code, name_zh, name_en, kind, status, pairwise_salt, created_at)
            VALUES (new_institution, new_code, '沙箱开发者 ' || new_code, 'Sandbox developer ' || new_code, 'bank',
                    'active', new_salt, new_at);
        INSERT INTO public.clients (id, client_id, institution_id, name, jwks, redirect_uris, scopes, categories,
                                    metadata, status, created_at, updated_at)
            VALUES (gen_random_uuid(), new_client, new_institution, 'Sandbox client', '{"keys": []}', new_addresses,
                    new_scopes, new_categories, '{"sandbox": true}', 'active', new_at, new_at);
        INSERT INTO public.developers (account_id, institution_id, created_at, seen_at)
            VALUES (new_account, new_institution, new_at, new_at);
        RETURN 'joined';
    END $$""",
    "creditlink_set_developer_client(text, jsonb, text, text[], timestamptz)": """
    CREATE FUNCTION creditlink_set_developer_client(
        of_client text, new_jwks jsonb, new_jwks_uri text, new_addresses text[], new_at timestamptz)
    RETURNS boolean LANGUAGE plpgsql <OWNERS> AS $$
    BEGIN <ONLY>
        UPDATE public.clients c
            SET jwks = new_jwks, jwks_uri = new_jwks_uri, redirect_uris = new_addresses, updated_at = new_at
            FROM public.developers d
            WHERE c.client_id = of_client AND c.institution_id = d.institution_id
              AND d.account_id = public.creditlink_setting('account_id');
        RETURN FOUND;
    END $$""",
    "creditlink_end_developers(timestamptz, int)": """
    CREATE FUNCTION creditlink_end_developers(idle_since timestamptz, most int)
    RETURNS int LANGUAGE plpgsql <OWNERS> AS $$
    DECLARE
        one record;
        ended int := 0;
    BEGIN <ONLY>
        FOR one IN SELECT * FROM public.developers WHERE seen_at < idle_since ORDER BY seen_at LIMIT most FOR UPDATE
        LOOP
            UPDATE public.clients SET status = 'suspended' WHERE institution_id = one.institution_id;
            UPDATE public.institutions SET status = 'suspended' WHERE id = one.institution_id;
            DELETE FROM public.web_sessions WHERE account_id = one.account_id;
            -- The login is all that we know of a person, and the account stays only for what refers to it.
            UPDATE public.accounts SET login = 'ended-' || id, display_name = 'ended', password_hash = '!',
                status = 'closed' WHERE id = one.account_id;
            DELETE FROM public.developers WHERE account_id = one.account_id;
            ended := ended + 1;
        END LOOP;
        RETURN ended;
    END $$""",
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "developers",
        sa.Column("account_id", sa.Uuid, sa.ForeignKey("accounts.id", name="fk_developers_account_id_accounts")),
        sa.Column(
            "institution_id", sa.Uuid,
            sa.ForeignKey("institutions.id", name="fk_developers_institution_id_institutions"), nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_developers"),
        sa.UniqueConstraint("institution_id", name="uq_developers_institution_id"),
    )  # fmt: skip
    op.create_table(
        "developer_requests",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column(
            "institution_id", sa.Uuid,
            sa.ForeignKey("developers.institution_id", name="fk_developer_requests_institution_id_developers",
                          ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("failed_check", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_developer_requests"),
    )  # fmt: skip
    op.create_index("ix_developer_requests_institution_id_at", "developer_requests", ["institution_id", "at"])
    op.create_index("ix_developer_requests_at", "developer_requests", ["at"])
    for table in ("developers", "developer_requests"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT ON developers TO creditlink_api")
    op.execute("GRANT UPDATE (seen_at) ON developers TO creditlink_api")
    op.execute(f"CREATE POLICY own ON developers TO creditlink_api USING ({OWN}) WITH CHECK ({OWN})")
    # Whoever writes the log, for an institution, asks whether it is a developer's.
    op.execute(f"CREATE POLICY logged ON developers FOR SELECT TO creditlink_api USING ({OF_INSTITUTION})")
    op.execute(f"CREATE POLICY seen ON developers FOR UPDATE TO creditlink_api USING ({OF_INSTITUTION})")
    op.execute("GRANT SELECT, INSERT ON developer_requests TO creditlink_api")
    op.execute(f"CREATE POLICY own ON developer_requests FOR SELECT TO creditlink_api USING ({MINE})")
    op.execute(f"CREATE POLICY logs ON developer_requests FOR INSERT TO creditlink_api WITH CHECK ({OF_INSTITUTION})")
    op.execute("GRANT SELECT (at), DELETE ON developer_requests TO creditlink_worker")
    op.execute("CREATE POLICY worker ON developer_requests TO creditlink_worker USING (true)")
    for signature, body in FUNCTIONS.items():
        written = body.replace("<OWNERS>", OWNERS).replace("<ONLY>", ONLY_IN_A_SANDBOX)
        op.get_bind().exec_driver_sql(written)  # colons that are no parameters
        who = "creditlink_worker" if "_end_" in signature else "creditlink_api"
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO {who}")


def downgrade() -> None:
    """Undo."""
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_table("developer_requests")
    op.drop_table("developers")

"""A firm's consent to itself: an institution that is no lender, a client that is nobody's software, and no token."""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

OWN = "'00000000-0000-4000-8000-0000006f776e'"
OWNERS = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
KINDS = ("bank", "leasing", "guarantee", "microloan", "factoring", "operator")
CHANNELS = ("redirect", "inbox", "financing")
CHECK = "ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) {more}"
RULES = (
    ("institutions", "own_use", f"(kind = 'own') = (id = {OWN})"),
    # Nothing can authenticate as it, and it may ask for nothing.
    (
        "clients",
        "own_use",
        f"institution_id <> {OWN} OR (status = 'suspended' AND jwks = '{{\"keys\": []}}'::jsonb AND scopes = '{{}}'"
        " AND redirect_uris = '{}' AND webhook_url IS NULL)",
    ),
    ("access_tokens", "own_use", f"institution_id <> {OWN}"),
    # A firm's consent to itself names no lender, and no lender's consent is for the firm's own use.
    ("consents", "own_use", f"(channel = 'own') = (institution_id = {OWN}) AND (channel = 'own') = (purpose = 'own')"),
)

ADD = """
    CREATE FUNCTION creditlink_own_use() RETURNS void LANGUAGE sql {owners} AS $$
        INSERT INTO public.institutions (id, code, name_zh, name_en, kind, status, pairwise_salt, created_at)
            VALUES ({own}, 'OWN_USE', '企业自用', 'The firm itself', 'own', 'active',
                    replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), now())
            ON CONFLICT DO NOTHING;
        INSERT INTO public.clients (id, client_id, institution_id, name, jwks, redirect_uris, scopes, categories,
                                    metadata, status, created_at, updated_at)
            VALUES ({own}, 'own-use', {own}, 'The firm itself', '{{"keys": []}}', '{{}}', '{{}}', '{{}}', '{{}}',
                    'suspended', now(), now())
            ON CONFLICT DO NOTHING $$"""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _allow(table: str, column: str, names: tuple[str, ...], more: str = "") -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{column}")
    op.execute(CHECK.format(table=table, name=column, rule=f"{column} IN ({_listed(names)})", more=more))


def upgrade() -> None:
    """Apply."""
    _allow("institutions", "kind", (*KINDS, "own"))
    _allow("consents", "channel", (*CHANNELS, "own"))
    for table, name, rule in RULES:
        op.execute(CHECK.format(table=table, name=name, rule=rule, more=""))
    # Institutions and clients are the operator's to add. This adds these two rows and no others.
    op.execute(ADD.format(own=OWN, owners=OWNERS))
    op.execute("REVOKE ALL ON FUNCTION creditlink_own_use() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION creditlink_own_use() TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP FUNCTION creditlink_own_use()")
    for table, name, _ in reversed(RULES):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}")
    # What firms agreed with themselves stays.
    _allow("consents", "channel", CHANNELS, "NOT VALID")
    _allow("institutions", "kind", KINDS, "NOT VALID")

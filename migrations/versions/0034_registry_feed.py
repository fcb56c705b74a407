"""The registry lives: its feed, what it says of a firm besides what a score reads, and codes to be cleared."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
OPERATOR = "current_setting('creditlink.actor', true) = 'operator'"
# What the registry publishes of a firm is read under its live consent, by the firm itself, and by the operator.
OWN = (
    f"enterprise_id = public.creditlink_consent_enterprise() OR enterprise_id = public.creditlink_firm() OR {OPERATOR}"
)
# What the feed may write of a firm; whether it may be counted, and who must sign, stays the firm's own.
COLUMNS = (
    "uscc, uscc_exception, name, name_en, industry, region, entity_type, status, registered_capital_fen,"
    " paid_in_capital_fen, established_on, linked_struck_off, updated_at"
)

# Codes are public, their history too; a request sees of the registry's history only its own firm's.
CODES = (
    """
    CREATE FUNCTION creditlink_codes(firms uuid[]) RETURNS TABLE (uscc text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT e.uscc FROM public.enterprises e WHERE e.id = ANY(firms)
        UNION
        SELECT i.uscc FROM public.registry_items i WHERE i.kind = 'uscc' AND i.enterprise_id = ANY(firms) $$""",
    """
    CREATE FUNCTION creditlink_firm_of_code(code text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT coalesce((SELECT e.id FROM public.enterprises e WHERE e.uscc = code),
                        (SELECT i.enterprise_id FROM public.registry_items i
                         WHERE i.kind = 'uscc' AND i.uscc = code ORDER BY i.version_id DESC LIMIT 1)) $$""",
)
# An entry that is valid from another day is one more entry, also where it says the same as the one before it: news from
# before a firm's first entry reaches that entry too.
SAME = """(OLD.industry, OLD.region, OLD.entity_type, OLD.status, OLD.registered_capital_fen, OLD.paid_in_capital_fen,
           OLD.established_on, OLD.linked_struck_off)
          IS DISTINCT FROM
          (NEW.industry, NEW.region, NEW.entity_type, NEW.status, NEW.registered_capital_fen, NEW.paid_in_capital_fen,
           NEW.established_on, NEW.linked_struck_off)"""
DATED = "nullif(current_setting('creditlink.valid_from', true), '') IS NOT NULL AND OLD.updated_at <> NEW.updated_at"
KEPT = (
    "CREATE TRIGGER kept_change AFTER UPDATE ON enterprises FOR EACH ROW WHEN ({})"
    " EXECUTE FUNCTION creditlink_keep_registration()"
)
ASK = ("creditlink_codes(uuid[])", "creditlink_firm_of_code(text)")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "registry_loads",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("file_sha256", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("most_unlisted_bps", sa.BigInteger, nullable=False),
        sa.Column("unlisted", sa.BigInteger),
        sa.Column("not_unlisted_because", sa.Text),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("ready_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("kind IN ('full', 'incremental')", name=op.f("ck_registry_loads_kind")),
        sa.CheckConstraint("state IN ('open', 'ready', 'done')", name=op.f("ck_registry_loads_state")),
        sa.CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name=op.f("ck_registry_loads_ended")),
    )
    op.create_table(
        "registry_rows",
        sa.Column("load_id", sa.Uuid, sa.ForeignKey("registry_loads.id"), primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("sequence", sa.Text, nullable=False),
        sa.Column("uscc", sa.Text),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("body", pg.JSONB),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("problems", pg.JSONB),
        sa.CheckConstraint(
            "state IN ('waiting', 'applied', 'unchanged', 'repeated', 'refused')", name=op.f("ck_registry_rows_state")
        ),
        sa.CheckConstraint("(state = 'refused') = (problems IS NOT NULL)", name=op.f("ck_registry_rows_problems")),
    )
    op.create_index(
        "uq_registry_rows_taken", "registry_rows", ["source", "sequence"], unique=True,
        postgresql_where=sa.text("state IN ('applied', 'unchanged')"),
    )  # fmt: skip
    op.create_index("ix_registry_rows_load_id_state", "registry_rows", ["load_id", "state", "position"])
    op.create_index("ix_registry_rows_load_id_uscc", "registry_rows", ["load_id", "uscc"])
    op.create_table(
        "registry_versions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("load_id", sa.Uuid, sa.ForeignKey("registry_loads.id")),
        sa.CheckConstraint(
            "kind IN ('name', 'uscc', 'representative', 'address', 'shareholder', 'branch', 'guarantee', 'listing')",
            name=op.f("ck_registry_versions_kind"),
        ),
    )
    op.create_index("ix_registry_versions_enterprise_id", "registry_versions", ["enterprise_id", "kind", "valid_from"])
    op.create_table(
        "registry_items",
        sa.Column("version_id", sa.BigInteger, sa.ForeignKey("registry_versions.id"), primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("uscc", sa.Text),
        sa.Column("person_key", sa.Text),
        sa.Column("share_bps", sa.BigInteger),
        sa.Column("amount_fen", sa.BigInteger),
    )
    op.create_index("ix_registry_items_enterprise_id", "registry_items", ["enterprise_id"])
    op.create_index("ix_registry_items_uscc", "registry_items", ["uscc"], postgresql_where=sa.text("uscc IS NOT NULL"))
    op.create_index("ix_registry_items_kind_name", "registry_items", ["kind", "name"])
    op.create_index(
        "ix_registry_items_person_key", "registry_items", ["person_key"],
        postgresql_where=sa.text("person_key IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "uscc_clearings",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("uscc", sa.Text, nullable=False),
        sa.Column("other_uscc", sa.Text, nullable=False),
        sa.Column("evidence", pg.JSONB, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("exception_evidence", sa.Text),
        sa.Column("exception_ends_on", sa.Date),
        sa.Column("resolution", sa.Text),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.CheckConstraint("kind IN ('wrong', 'duplicate', 'near_duplicate')", name=op.f("ck_uscc_clearings_kind")),
        sa.CheckConstraint("state IN ('open', 'exception', 'corrected')", name=op.f("ck_uscc_clearings_state")),
        sa.CheckConstraint(
            "(state = 'exception') = (exception_evidence IS NOT NULL)"
            " AND (exception_evidence IS NULL) = (exception_ends_on IS NULL)",
            name=op.f("ck_uscc_clearings_exception"),
        ),
        sa.CheckConstraint(
            "(state = 'corrected') = (resolution IS NOT NULL)", name=op.f("ck_uscc_clearings_corrected")
        ),
    )
    op.create_index("ix_uscc_clearings_enterprise_id", "uscc_clearings", ["enterprise_id"])
    op.create_index("ix_uscc_clearings_opened_at", "uscc_clearings", ["opened_at", "id"])
    op.create_index(
        "uq_uscc_clearings_unsettled", "uscc_clearings", ["kind", "uscc", "other_uscc"], unique=True,
        postgresql_where=sa.text("state <> 'corrected'"),
    )  # fmt: skip
    for body in CODES:
        op.execute(body)
    op.execute("DROP TRIGGER kept_change ON enterprises")
    op.execute(KEPT.format(f"{SAME} OR ({DATED})"))
    _rights()


def _rights() -> None:
    for name in ASK:
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO creditlink_api, creditlink_worker")
    # The operator's request hands rows in; a worker takes them into the registry.
    op.execute("GRANT SELECT, INSERT ON registry_loads, registry_rows TO creditlink_api")
    op.execute("GRANT UPDATE (state, ready_at) ON registry_loads TO creditlink_api")
    op.execute("GRANT SELECT ON registry_versions, registry_items, uscc_clearings TO creditlink_api")
    op.execute("GRANT SELECT ON registry_loads, registry_rows TO creditlink_worker")
    op.execute("GRANT UPDATE (state, ended_at, unlisted, not_unlisted_because) ON registry_loads TO creditlink_worker")
    op.execute("GRANT UPDATE (state, body, problems), DELETE ON registry_rows TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON registry_versions, registry_items, uscc_clearings TO creditlink_worker")
    op.execute(
        "GRANT UPDATE (state, resolution, exception_evidence, exception_ends_on, changed_at) ON uscc_clearings"
        " TO creditlink_worker"
    )
    op.execute(f"GRANT INSERT, UPDATE ({COLUMNS}) ON enterprises TO creditlink_worker")
    for table in ("registry_loads", "registry_rows", "registry_versions", "registry_items", "uscc_clearings"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    for table in ("registry_loads", "registry_rows", "uscc_clearings"):
        op.execute(f"CREATE POLICY operator ON {table} TO creditlink_api USING ({OPERATOR}) WITH CHECK ({OPERATOR})")
    for table in ("registry_versions", "registry_items"):
        op.execute(f"CREATE POLICY reader ON {table} FOR SELECT TO creditlink_api USING ({OWN})")


def downgrade() -> None:
    """Undo."""
    op.execute("DROP TRIGGER kept_change ON enterprises")
    op.execute(KEPT.format(SAME))
    for name in ASK:
        op.execute(f"DROP FUNCTION {name}")
    op.execute(f"REVOKE INSERT, UPDATE ({COLUMNS}) ON enterprises FROM creditlink_worker")
    for table in ("uscc_clearings", "registry_items", "registry_versions", "registry_rows", "registry_loads"):
        op.drop_table(table)

"""A bank's overlay: versions with four eyes, its own columns of firms, results beside profiles; its tenancy alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None
serves = "0036"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
OWN = "institution_id = (SELECT creditlink_setting('institution_id'))"
# A result is seen with its profile: by its bank under the live consent; by the firm where the bank says so.
WITH_PROFILE = "EXISTS (SELECT FROM profiles p WHERE p.id = profile_id)"
FIRM = "shown_to_firm AND enterprise_id = (SELECT creditlink_setting('enterprise_id'))"

FROZEN = """
CREATE FUNCTION overlays_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'retired' OR (OLD.state = 'live' AND NEW.state <> 'retired') THEN
        RAISE EXCEPTION 'overlay version %: % cannot become %', OLD.version, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'live' AND OLD.state <> 'checked' THEN
        RAISE EXCEPTION 'overlay version %: a % version cannot go live', OLD.version, OLD.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.institution_id IS DISTINCT FROM OLD.institution_id OR NEW.version IS DISTINCT FROM OLD.version
        OR (NEW.state <> 'draft' AND (
            NEW.terms IS DISTINCT FROM OLD.terms OR NEW.terms_sha256 IS DISTINCT FROM OLD.terms_sha256
            OR NEW.written_by IS DISTINCT FROM OLD.written_by
            OR (OLD.state <> 'draft' AND NEW.checked_by IS DISTINCT FROM OLD.checked_by)))
    THEN
        RAISE EXCEPTION 'overlay version %: what was checked does not change', OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
UNCHANGED = """
CREATE FUNCTION overlay_results_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a result of an overlay does not change' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "overlays",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("terms", pg.JSONB, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("written_by", sa.Text, nullable=False),
        sa.Column("checked_by", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT),
        sa.UniqueConstraint("institution_id", "version"),
        sa.CheckConstraint("state IN ('draft', 'checked', 'live', 'retired')", name="state"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint(
            "state IN ('draft', 'retired') OR (checked_by IS NOT NULL AND checked_by <> written_by)", name="four_eyes"
        ),
    )
    for name, states in (
        ("uq_overlays_live", "state = 'live'"),
        ("uq_overlays_pending", "state IN ('draft', 'checked')"),
    ):
        op.create_index(name, "overlays", ["institution_id"], unique=True, postgresql_where=sa.text(states))
    op.create_table(
        "overlay_steps",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("overlay_id", sa.Uuid, sa.ForeignKey("overlays.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("keys", pg.ARRAY(sa.Text), nullable=False),
        sa.CheckConstraint("step IN ('write', 'check', 'publish', 'retire')", name="step"),
    )
    op.create_table(
        "overlay_columns",
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), primary_key=True),
        sa.Column("firm", sa.Text, primary_key=True),
        sa.Column("values", pg.JSONB, nullable=False),
        sa.Column("uploaded_at", INSTANT, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
    )
    op.create_table(
        "overlay_results",
        sa.Column("profile_id", sa.Uuid, sa.ForeignKey("profiles.id"), primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("overlay_id", sa.Uuid, sa.ForeignKey("overlays.id"), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("columns", pg.JSONB, nullable=False),
        sa.Column("sources", pg.JSONB, nullable=False),
        sa.Column("result", pg.JSONB, nullable=False),
        sa.Column("result_sha256", sa.Text, nullable=False),
        sa.Column("shown_to_firm", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.execute(FROZEN)
    op.execute("CREATE TRIGGER frozen BEFORE UPDATE ON overlays FOR EACH ROW EXECUTE FUNCTION overlays_frozen()")
    op.execute(UNCHANGED)
    op.execute(
        "CREATE TRIGGER unchanged BEFORE UPDATE ON overlay_results FOR EACH ROW"
        " EXECUTE FUNCTION overlay_results_unchanged()"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON overlays TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON overlay_steps, overlay_results TO creditlink_api")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON overlay_columns TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON overlay_columns, overlay_results TO creditlink_worker")
    for table in ("overlays", "overlay_steps", "overlay_columns"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY bank ON {table} TO creditlink_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("ALTER TABLE overlay_results ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY bank ON overlay_results FOR SELECT TO creditlink_api USING ({OWN} AND {WITH_PROFILE})")
    op.execute(
        f"CREATE POLICY bank_adds ON overlay_results FOR INSERT TO creditlink_api WITH CHECK ({OWN} AND {WITH_PROFILE})"
    )
    op.execute(f"CREATE POLICY firm ON overlay_results FOR SELECT TO creditlink_api USING ({FIRM} AND {WITH_PROFILE})")
    for table in ("overlay_columns", "overlay_results"):
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true)")


def downgrade() -> None:
    """Undo."""
    for table in ("overlay_results", "overlay_columns", "overlay_steps", "overlays"):
        op.drop_table(table)
    op.execute("DROP FUNCTION overlay_results_unchanged()")
    op.execute("DROP FUNCTION overlays_frozen()")

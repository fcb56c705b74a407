"""Who did what to which version of a product; what was public; how much of a quota is taken."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

FROZEN = """
CREATE FUNCTION products_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'retired' OR (OLD.state = 'live' AND NEW.state <> 'retired') THEN
        RAISE EXCEPTION 'product % version %: % cannot become %', OLD.code, OLD.version, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state = 'live' AND OLD.state <> 'checked' THEN
        RAISE EXCEPTION 'product % version %: a % version cannot go live', OLD.code, OLD.version, OLD.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('checked', 'live') AND NEW.state <> 'draft' AND (
        NEW.terms IS DISTINCT FROM OLD.terms OR NEW.terms_sha256 IS DISTINCT FROM OLD.terms_sha256
        OR NEW.code IS DISTINCT FROM OLD.code OR NEW.version IS DISTINCT FROM OLD.version
        OR NEW.institution_id IS DISTINCT FROM OLD.institution_id
        OR NEW.checked_by IS DISTINCT FROM OLD.checked_by OR NEW.written_by IS DISTINCT FROM OLD.written_by
    ) THEN
        RAISE EXCEPTION 'product % version %: what was checked does not change', OLD.code, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("products", sa.Column("published_at", INSTANT))
    # Until now every version was published as it was written.
    op.execute("UPDATE products SET published_at = created_at WHERE state IN ('live', 'retired')")
    op.create_check_constraint("published", "products", "state <> 'live' OR published_at IS NOT NULL")
    op.create_index(
        "uq_products_pending",
        "products",
        ["code"],
        unique=True,
        postgresql_where=sa.text("state IN ('draft', 'checked')"),
    )
    op.execute(FROZEN)
    op.execute("CREATE TRIGGER frozen BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION products_frozen()")
    op.create_table(
        "product_steps",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("product_id", sa.Uuid, sa.ForeignKey("products.id"), nullable=False, index=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("detail", pg.JSONB, nullable=False),
        sa.CheckConstraint("step IN ('write', 'count', 'check', 'publish', 'retire')", name="step"),
    )
    op.create_index("ix_product_steps_institution_id_at", "product_steps", ["institution_id", "at"])
    op.execute("GRANT SELECT, INSERT ON product_steps TO creditlink_api")
    op.create_table(
        "product_commitments",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("committed_fen", sa.BigInteger, nullable=False),
        sa.CheckConstraint("committed_fen >= 0", name="committed"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON product_commitments TO creditlink_api, creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.drop_table("product_commitments")
    op.drop_table("product_steps")
    op.execute("DROP TRIGGER frozen ON products")
    op.execute("DROP FUNCTION products_frozen()")
    op.drop_index("uq_products_pending", "products")
    op.drop_constraint(op.f("ck_products_published"), "products")
    op.drop_column("products", "published_at")

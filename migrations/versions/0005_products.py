"""Loan products: every version that was ever published, at most one of them live."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SEQUENCE product_revisions")
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False, index=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("terms", pg.JSONB, nullable=False),
        sa.Column("terms_sha256", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, unique=True),
        sa.Column("written_by", sa.Text, nullable=False),
        sa.Column("checked_by", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.UniqueConstraint("code", "version"),
        sa.CheckConstraint("state IN ('draft', 'checked', 'live', 'retired')", name="state"),
        sa.CheckConstraint("version >= 1", name="version"),
        # Four eyes: whoever wrote the terms cannot be the one who checked them.
        sa.CheckConstraint(
            "state IN ('draft', 'retired') OR (checked_by IS NOT NULL AND checked_by <> written_by)",
            name="four_eyes",
        ),
        sa.CheckConstraint("terms ->> 'code' = code AND (terms ->> 'version')::bigint = version", name="terms"),
    )
    op.create_index("uq_products_live", "products", ["code"], unique=True, postgresql_where=sa.text("state = 'live'"))
    op.execute("GRANT SELECT, INSERT, UPDATE ON products TO creditlink_api")
    op.execute("GRANT SELECT ON products TO creditlink_worker")
    op.execute("GRANT USAGE ON SEQUENCE product_revisions TO creditlink_api")


def downgrade() -> None:
    """Undo."""
    op.drop_table("products")
    op.execute("DROP SEQUENCE product_revisions")

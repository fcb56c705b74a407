"""What lenders answered, without the firm; and the approval models fitted to it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "approval_cases",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("product_kind", sa.Text, nullable=False),
        sa.Column("pd_12m", sa.Float, nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.Column("sales_12_fen", sa.BigInteger),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("answered_on", sa.Date, nullable=False),
    )
    # Added while a lender answers; read by nobody but the operator's fit.
    op.execute("GRANT INSERT ON approval_cases TO creditlink_api, creditlink_worker")
    op.create_table(
        "approval_models",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("model", pg.JSONB, nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute("GRANT SELECT ON approval_models TO creditlink_api, creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.drop_table("approval_models")
    op.drop_table("approval_cases")

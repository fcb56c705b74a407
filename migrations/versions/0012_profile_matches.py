"""Profiles keep their matches as compact columns, and in words only what an answer tells.

The old form cannot be turned into the new one in SQL, and no profile but those of sandboxes exists yet:
both directions begin with an empty table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute("DELETE FROM profiles")
    op.drop_column("profiles", "matches")
    op.add_column("profiles", sa.Column("products", pg.JSONB, nullable=False))
    op.add_column("profiles", sa.Column("matches", sa.LargeBinary, nullable=False))
    # Floating-point columns hardly compress: trying costs more than it saves.
    op.execute("ALTER TABLE profiles ALTER COLUMN matches SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Undo."""
    op.execute("DELETE FROM profiles")
    op.drop_column("profiles", "matches")
    op.drop_column("profiles", "products")
    op.add_column("profiles", sa.Column("matches", pg.JSONB, nullable=False))

"""Pushed requests, codes, tokens and replay protection."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "pushed_requests",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("request_uri_hash", sa.Text, nullable=False, unique=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False, index=True),
        sa.Column("consent_id", sa.Uuid, nullable=False, index=True),
        sa.Column("redirect_uri", sa.Text),
        sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("state", sa.Text),
        sa.Column("code_challenge", sa.Text),
        sa.Column("dpop_jkt", sa.Text),
        sa.Column("details", pg.JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("opened_at", INSTANT),
        sa.Column("decided_at", INSTANT),
        sa.Column("outcome", sa.Text),
        sa.Column("polled_at", INSTANT),
        sa.CheckConstraint("(redirect_uri IS NULL) = (code_challenge IS NULL)", name="front_channel"),
        sa.CheckConstraint("outcome IN ('approved', 'denied')", name="outcome"),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("code_hash", sa.Text, nullable=False, unique=True),
        sa.Column(
            "pushed_request_id",
            sa.Uuid,
            sa.ForeignKey("pushed_requests.id", ondelete="CASCADE"),
            nullable=False,
            unique=True,
        ),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("code_challenge", sa.Text, nullable=False),
        sa.Column("dpop_jkt", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False, index=True),
        sa.Column("origin_id", sa.Uuid, nullable=False, index=True),
        sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
    )
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), nullable=False),
        sa.Column("institution_id", sa.Uuid, sa.ForeignKey("institutions.id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False, index=True),
        sa.Column("origin_id", sa.Uuid, nullable=False, index=True),
        sa.Column("refresh_token_id", sa.Uuid, sa.ForeignKey("refresh_tokens.id", ondelete="CASCADE")),
        sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("details", pg.JSONB, nullable=False),
        sa.Column("jkt", sa.Text),
        sa.Column("x5t_s256", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("revoked_at", INSTANT),
        sa.CheckConstraint("(jkt IS NULL) <> (x5t_s256 IS NULL)", name="one_binding"),
    )
    op.create_table(
        "used_jtis",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE ON pushed_requests, authorization_codes, refresh_tokens, access_tokens"
        " TO creditlink_api"
    )
    op.execute("GRANT SELECT, INSERT ON used_jtis TO creditlink_api")
    # The worker sweeps out what can no longer be used.
    op.execute(
        "GRANT SELECT, DELETE ON pushed_requests, authorization_codes, refresh_tokens, access_tokens, used_jtis"
        " TO creditlink_worker"
    )


def downgrade() -> None:
    """Undo."""
    for table in ("used_jtis", "access_tokens", "refresh_tokens", "authorization_codes", "pushed_requests"):
        op.drop_table(table)

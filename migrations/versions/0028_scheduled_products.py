"""A version that is published for a later day waits for it: the one on sale stays until then."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

STATES = "state IN ('draft', 'checked', {}'live', 'retired')"
STEPS = "step IN ('write', 'count', 'check', 'publish', {}'retire')"

FROZEN = """
CREATE OR REPLACE FUNCTION products_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'retired' OR (OLD.state = 'live' AND NEW.state <> 'retired'){waiting} THEN
        RAISE EXCEPTION 'product %% version %%: %% cannot become %%', OLD.code, OLD.version, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state {to} AND OLD.state {origin} THEN
        RAISE EXCEPTION 'product %% version %%: a %% version cannot go live', OLD.code, OLD.version, OLD.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state IN ('checked', {kept}'live') AND NEW.state <> 'draft' AND (
        NEW.terms IS DISTINCT FROM OLD.terms OR NEW.terms_sha256 IS DISTINCT FROM OLD.terms_sha256
        OR NEW.code IS DISTINCT FROM OLD.code OR NEW.version IS DISTINCT FROM OLD.version
        OR NEW.institution_id IS DISTINCT FROM OLD.institution_id
        OR NEW.checked_by IS DISTINCT FROM OLD.checked_by OR NEW.written_by IS DISTINCT FROM OLD.written_by
    ) THEN
        RAISE EXCEPTION 'product %% version %%: what was checked does not change', OLD.code, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
""".replace("%%", "%")


def upgrade() -> None:
    """Apply."""
    _states("'scheduled', ", "'start', ")
    op.execute(
        FROZEN.format(
            waiting=" OR (OLD.state = 'scheduled' AND NEW.state NOT IN ('live', 'retired'))",
            to="IN ('live', 'scheduled')",
            origin="NOT IN ('checked', 'scheduled')",
            kept="'scheduled', ",
        )
    )
    # The worker puts versions on sale when their day has come.
    op.execute("GRANT UPDATE (state, published_at, changed_at, revision) ON products TO creditlink_worker")
    op.execute("GRANT USAGE ON SEQUENCE product_revisions TO creditlink_worker")
    op.execute("GRANT SELECT, INSERT ON product_steps TO creditlink_worker")


def downgrade() -> None:
    """Undo."""
    op.execute("REVOKE SELECT, INSERT ON product_steps FROM creditlink_worker")
    op.execute("REVOKE USAGE ON SEQUENCE product_revisions FROM creditlink_worker")
    op.execute("REVOKE UPDATE (state, published_at, changed_at, revision) ON products FROM creditlink_worker")
    op.execute("UPDATE products SET state = 'retired' WHERE state = 'scheduled'")
    op.execute(FROZEN.format(waiting="", to="= 'live'", origin="<> 'checked'", kept=""))
    op.execute("DELETE FROM product_steps WHERE step = 'start'")
    _states("", "")


def _states(state: str, step: str) -> None:
    for table, name, text in (
        ("products", "state", STATES.format(state)),
        ("product_steps", "step", STEPS.format(step)),
    ):
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
        op.create_check_constraint(name, table, text)

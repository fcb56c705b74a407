"""Electricity, water and gas are granted apart; public credit is read by law under any live consent.

What was asked, signed and shown stays as it was: details, signatures, texts and published terms of products are
evidence, and are read as naming all three supplies.
"""

# ruff: noqa: S608 (what the statements are made of are constants of this file)

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

SUPPLIES = "ARRAY['electricity', 'water', 'gas']"
# Of an array of categories: the three in place of the one, in the order of lists.
APART = f"""(SELECT coalesce(array_agg(one ORDER BY place, within), ARRAY[]::text[])
    FROM unnest({{column}}) WITH ORDINALITY AS named(category, place),
         unnest(CASE WHEN category = 'utility' THEN {SUPPLIES} ELSE ARRAY[category] END)
             WITH ORDINALITY AS each(one, within))"""
# And back: only who granted all three granted the one. Nothing becomes wider.
TOGETHER = f"""(SELECT coalesce(array_agg(category ORDER BY place), ARRAY[]::text[])
    FROM (SELECT CASE WHEN category = 'electricity' THEN 'utility' ELSE category END AS category, place
          FROM unnest({{column}}) WITH ORDINALITY AS named(category, place)
          WHERE category NOT IN ('water', 'gas')
            AND (category <> 'electricity' OR {{column}} @> {SUPPLIES})) AS kept)"""
LISTS = {"consents": ("categories_asked", "optional_categories", "categories"), "clients": ("categories",)}

FIRM = "enterprise_id = (SELECT creditlink_consent_enterprise())"
GRANTED = "category = ANY ((SELECT creditlink_consent_categories())::text[])"
SINCE = "period >= (SELECT creditlink_consent_since())"
# No look-back bounds what is public: a listing of years ago may be in force today.
PUBLIC = "category = ANY (ARRAY['registration', 'public_credit'])"


def upgrade() -> None:
    """Apply."""
    op.execute("ALTER TABLE consents DISABLE TRIGGER consents_only_move")
    for table, columns in LISTS.items():
        changes = ", ".join(f"{column} = {APART.format(column=column)}" for column in columns)
        named = " OR ".join(f"'utility' = ANY ({column})" for column in columns)
        op.execute(f"UPDATE {table} SET {changes} WHERE {named}")
    op.execute("ALTER TABLE consents ENABLE TRIGGER consents_only_move")
    _limits(APART, "limits -> 'categories' ? 'utility'")
    op.execute(
        "UPDATE facts SET category = split_part(subkey, '/', 1) WHERE category = 'utility'"
        f" AND split_part(subkey, '/', 1) = ANY ({SUPPLIES})"
    )
    # Each company is asked for itself from now on; what was under way is asked again under its own name.
    op.execute("DELETE FROM pull_parts WHERE source = 'utility' AND finished_at IS NULL")
    op.execute("DELETE FROM sources WHERE name = 'utility'")
    op.execute(f"ALTER POLICY bank ON facts USING ({FIRM} AND ({PUBLIC} OR ({GRANTED} AND {SINCE})))")
    op.execute(f"ALTER POLICY worker_adds ON facts WITH CHECK ({FIRM} AND ({PUBLIC} OR {GRANTED}))")


def downgrade() -> None:
    """Undo; a consent that holds nothing that was granted before keeps the registration, which is public."""
    op.execute(f"ALTER POLICY worker_adds ON facts WITH CHECK ({FIRM} AND {GRANTED})")
    op.execute(f"ALTER POLICY bank ON facts USING ({FIRM} AND {GRANTED} AND {SINCE})")
    op.execute(f"DELETE FROM pull_parts WHERE source = ANY ({SUPPLIES}) AND finished_at IS NULL")
    op.execute(f"DELETE FROM sources WHERE name = ANY ({SUPPLIES})")
    op.execute(f"UPDATE facts SET category = 'utility' WHERE category = ANY ({SUPPLIES})")
    _limits(TOGETHER, f"limits -> 'categories' ?| {SUPPLIES}")
    op.execute("ALTER TABLE consents DISABLE TRIGGER consents_only_move")
    op.execute(
        "UPDATE consents SET categories = array_prepend('registration', categories),"
        " categories_asked = CASE WHEN 'registration' = ANY (categories_asked) THEN categories_asked"
        " ELSE array_prepend('registration', categories_asked) END"
        f" WHERE cardinality(categories) > 0 AND categories <@ {SUPPLIES} AND NOT categories @> {SUPPLIES}"
    )
    for table, columns in LISTS.items():
        changes = ", ".join(f"{column} = {TOGETHER.format(column=column)}" for column in columns)
        named = " OR ".join(f"{column} && {SUPPLIES}" for column in columns)
        op.execute(f"UPDATE {table} SET {changes} WHERE {named}")
    op.execute("ALTER TABLE consents ENABLE TRIGGER consents_only_move")


def _limits(rewritten: str, condition: str) -> None:
    """Rewrite the categories in agents' limits."""
    texts = "ARRAY(SELECT jsonb_array_elements_text(limits -> 'categories'))"
    categories = rewritten.format(column=texts)
    op.get_bind().exec_driver_sql(
        "UPDATE representations SET limits = jsonb_set(limits, '{categories}', to_jsonb("
        f"{categories})) WHERE {condition}"
    )

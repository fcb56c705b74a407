"""The credit card: cards, their places in status lists, what was shown of them and how often it was opened."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None
serves = "0057"  # tables that older code does not know

INSTANT = sa.DateTime(timezone=True)
TEXTS = postgresql.ARRAY(sa.Text)
OWNERS = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
FIRM = "enterprise_id = (SELECT creditlink_firm())"
TABLES = ("credit_cards", "card_presentations", "card_views")
OF_FIRM = """EXISTS (SELECT FROM card_presentations p WHERE p.id = presentation_id
    AND p.enterprise_id = (SELECT creditlink_firm()))"""

# Why a card is good no more although nobody has ended it yet: the one home of that rule, for the status list, for the
# firm's page and for the sweep. Paused is not an end.
TROUBLE = """
    CREATE FUNCTION creditlink_trouble_of(card public.credit_cards, moment timestamptz) RETURNS text
    LANGUAGE sql STABLE OWNERS AS $$
        SELECT CASE
            WHEN card.ended_at IS NOT NULL THEN card.ended_for
            WHEN card.expires_at <= moment THEN 'expired'
            WHEN c.state NOT IN ('ACTIVE', 'PAUSED') OR c.expires_at <= moment THEN 'consent'
            WHEN e.status NOT IN ('active', 'suspended') THEN 'firm'
            WHEN EXISTS (SELECT FROM public.disputes d
                         WHERE d.enterprise_id = card.enterprise_id AND d.state = 'corrected'
                         AND d.ended_at > card.issued_at
                         AND (d.category = ANY (card.categories) OR 'profile' = ANY (card.categories)))
                THEN 'correction'
            WHEN c.state = 'PAUSED' THEN 'paused'
        END
        FROM public.consents c, public.enterprises e WHERE c.id = card.consent_id AND e.id = card.enterprise_id $$"""

# The same of a card by its id: whoever asks cannot make up a row to ask about.
TROUBLE_BY_ID = """
    CREATE FUNCTION creditlink_card_trouble(card uuid, moment timestamptz) RETURNS text LANGUAGE sql STABLE OWNERS AS $$
        SELECT public.creditlink_trouble_of(c, moment) FROM public.credit_cards c WHERE c.id = card $$"""

# What every verifier may know: which places of a list are not simply good, and never whose they are.
STATES = """
    CREATE FUNCTION creditlink_card_states(list uuid, moment timestamptz, only_place bigint DEFAULT NULL)
    RETURNS TABLE (place bigint, status bigint) LANGUAGE sql STABLE OWNERS AS $$
        SELECT found.place, CASE WHEN found.trouble = 'paused' THEN 2 ELSE 1 END
        FROM (SELECT c.place, public.creditlink_trouble_of(c, moment) AS trouble FROM public.credit_cards c
              WHERE c.list_id = list AND (only_place IS NULL OR c.place = only_place)
              AND (c.expires_at > moment OR c.ended_at IS NOT NULL)) AS found
        WHERE found.trouble IS NOT NULL $$"""

# A place that was never given out, of those that the caller drew; a new list begins when half of the last are taken.
TAKE = """
    CREATE FUNCTION creditlink_take_card_place(fresh uuid, size bigint, drawn bigint[], moment timestamptz)
    RETURNS TABLE (list_id uuid, place bigint) LANGUAGE plpgsql OWNERS AS $$
    DECLARE
        latest public.card_status_lists;
        one bigint;
    BEGIN
        IF size NOT BETWEEN 8 AND 16777216 THEN
            RAISE EXCEPTION 'a list has 8 to 16777216 places' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('card places', 0));
        SELECT l.* INTO latest FROM public.card_status_lists l ORDER BY l.opened_at DESC, l.id LIMIT 1;
        IF latest.id IS NULL
            OR (SELECT count(*) FROM public.card_places p WHERE p.list_id = latest.id) >= latest.size / 2
        THEN
            INSERT INTO public.card_status_lists (id, size, opened_at) VALUES (fresh, size, moment)
                RETURNING * INTO latest;
        END IF;
        FOREACH one IN ARRAY drawn LOOP
            INSERT INTO public.card_places (list_id, place) SELECT latest.id, one % latest.size
                ON CONFLICT ON CONSTRAINT pk_card_places DO NOTHING;
            IF FOUND THEN
                RETURN QUERY SELECT latest.id, one % latest.size;
                RETURN;
            END IF;
        END LOOP;
    END $$"""

# Opening a link: whoever has its token reads what was sealed for it, and is counted; nothing else of the row goes out.
OPEN = """
    CREATE FUNCTION creditlink_open_card(hash text, moment timestamptz, today date, counted boolean)
    RETURNS TABLE (sealed bytea, is_ended boolean) LANGUAGE plpgsql OWNERS AS $$
    DECLARE
        found public.card_presentations;
    BEGIN
        SELECT p.* INTO found FROM public.card_presentations p WHERE p.token_hash = hash;
        IF found.id IS NULL THEN
            RETURN;
        END IF;
        IF counted AND found.ended_at IS NULL AND found.good_until > moment THEN
            INSERT INTO public.card_views AS v (presentation_id, viewed_on, times) VALUES (found.id, today, 1)
                ON CONFLICT ON CONSTRAINT pk_card_views DO UPDATE SET times = v.times + 1;
        END IF;
        RETURN QUERY SELECT found.sealed, found.ended_at IS NOT NULL;
    END $$"""

FUNCTIONS = {
    "creditlink_trouble_of(public.credit_cards, timestamptz)": (),
    "creditlink_card_trouble(uuid, timestamptz)": ("creditlink_api", "creditlink_worker"),
    "creditlink_card_states(uuid, timestamptz, bigint)": ("creditlink_api",),
    "creditlink_take_card_place(uuid, bigint, bigint[], timestamptz)": ("creditlink_api",),
    "creditlink_open_card(text, timestamptz, date, boolean)": ("creditlink_api",),
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "card_status_lists",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
    )
    op.create_table(
        "card_places",
        sa.Column("list_id", sa.Uuid, sa.ForeignKey("card_status_lists.id"), primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True),
    )
    op.create_table(
        "credit_cards",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False),
        sa.Column("consent_id", sa.Uuid, sa.ForeignKey("consents.id"), nullable=False, index=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("facts", TEXTS, nullable=False),
        sa.Column("categories", TEXTS, nullable=False),
        sa.Column("list_id", sa.Uuid, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("issued_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_for", sa.Text),
        sa.Column("keep_until", INSTANT, nullable=False),
        sa.UniqueConstraint("list_id", "place"),
        sa.CheckConstraint("holder IN ('page', 'wallet')", name="holder"),
        sa.CheckConstraint(
            "ended_for IN ('revoked', 'replaced', 'consent', 'correction', 'firm', 'expired')", name="ended_for"
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_for IS NULL)", name="ended"),
        sa.CheckConstraint("(sealed IS NOT NULL) = (holder = 'page' AND ended_at IS NULL)", name="content"),
        sa.CheckConstraint("issued_at < expires_at", name="validity"),
    )
    op.create_index(
        "uq_credit_cards_good", "credit_cards", ["enterprise_id", "holder"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_index("ix_credit_cards_keep_until", "credit_cards", ["keep_until"])
    op.create_table(
        "card_presentations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("card_id", sa.Uuid, sa.ForeignKey("credit_cards.id", ondelete="CASCADE"), nullable=False),
        sa.Column("enterprise_id", sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False, index=True),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("facts", TEXTS, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("shown_by", sa.Uuid, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("shown_at", INSTANT, nullable=False),
        sa.Column("good_until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.UniqueConstraint("token_hash"),
        sa.CheckConstraint("shown_at < good_until", name="validity"),
        sa.CheckConstraint("sealed IS NULL OR ended_at IS NULL", name="content"),
    )
    op.create_index("ix_card_presentations_card_id_shown_at", "card_presentations", ["card_id", "shown_at"])
    op.create_table(
        "card_views",
        sa.Column(
            "presentation_id", sa.Uuid, sa.ForeignKey("card_presentations.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("viewed_on", sa.Date, primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
    for function in (TROUBLE, TROUBLE_BY_ID, STATES, TAKE, OPEN):
        op.execute(function.replace("OWNERS", OWNERS))
    for function, roles in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        for role in roles:
            op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
    op.execute("GRANT SELECT ON card_status_lists TO creditlink_api")
    op.execute("GRANT SELECT, INSERT ON credit_cards, card_presentations TO creditlink_api")
    op.execute("GRANT SELECT ON card_views TO creditlink_api")
    op.execute("GRANT UPDATE (sealed, ended_at, ended_for) ON credit_cards TO creditlink_api")
    op.execute("GRANT UPDATE (sealed, ended_at) ON card_presentations TO creditlink_api")
    op.execute("GRANT SELECT, DELETE ON credit_cards, card_presentations, card_views TO creditlink_worker")
    op.execute("GRANT UPDATE (sealed, ended_at, ended_for) ON credit_cards TO creditlink_worker")
    op.execute("GRANT UPDATE (sealed, ended_at) ON card_presentations TO creditlink_worker")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker ON {table} TO creditlink_worker USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY firm ON card_views FOR SELECT TO creditlink_api USING ({OF_FIRM})")
    for table in ("credit_cards", "card_presentations"):
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO creditlink_api USING ({FIRM})")
        op.execute(f"CREATE POLICY firm_adds ON {table} FOR INSERT TO creditlink_api WITH CHECK ({FIRM})")
        # What ended stays so.
        op.execute(
            f"CREATE POLICY firm_ends ON {table} FOR UPDATE TO creditlink_api"
            f" USING ({FIRM} AND ended_at IS NULL) WITH CHECK ({FIRM} AND ended_at IS NOT NULL)"
        )


def downgrade() -> None:
    """Undo."""
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("card_views", "card_presentations", "credit_cards", "card_places", "card_status_lists"):
        op.drop_table(table)

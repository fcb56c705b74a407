"""What runs with the owner's rights, or decides who sees a row, looks at nothing that its caller made."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests import factories as make


@pytest.fixture(params=["creditlink_api", "creditlink_worker"])
def attack(request, empty_database):
    """Run statements as a role that may make temporary tables, as it could before; yields what then is there."""

    def run(*statements, seen):
        with empty_database.engine("owner").connect() as connection:
            name = connection.dialect.identifier_preparer.quote(empty_database.name)
            connection.execute(text(f"GRANT TEMPORARY ON DATABASE {name} TO {request.param}"))
            connection.execute(text(f"SET LOCAL ROLE {request.param}"))
            try:
                for statement in statements:
                    connection.execute(text(statement))
                return connection.scalar(text(seen))
            finally:
                connection.rollback()

    return run


def test_a_view_of_ones_own_does_not_run_with_the_owners_rights(attack):
    who = attack(
        "CREATE TEMP TABLE told (who text)",
        "GRANT INSERT ON told TO PUBLIC",
        "CREATE FUNCTION pg_temp.tell() RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO pg_temp.told VALUES (current_user); RETURN 'tax'; END $$",
        "CREATE TEMP VIEW pull_parts AS"
        " SELECT pg_temp.tell() AS source, 'DELIVERED' AS status, now() AS began_at, now() AS finished_at",
        "SELECT * FROM creditlink_source_health('-infinity')",
        seen="SELECT string_agg(who, ',') FROM pg_temp.told",
    )
    assert who is None


def test_a_registration_is_not_forged_from_a_table_of_ones_own(attack, empty_database):
    with empty_database.transaction("owner") as session:
        firm = make.make_enterprise(session).id
    with pytest.raises(DBAPIError, match="permission denied"):
        attack(
            "CREATE TEMP TABLE mine (LIKE enterprises)",
            "CREATE TRIGGER kept AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION creditlink_keep_registration()",
            f"INSERT INTO mine SELECT * FROM enterprises WHERE id = '{firm}'",
            seen="SELECT count(*) FROM registrations",
        )


@pytest.mark.parametrize(
    ("table", "opened"),
    [
        ("consents", "creditlink_consent_id()"),
        ("consents", "creditlink_consent_enterprise()"),
        ("consents", "creditlink_consent_since()"),
        ("consents", "creditlink_consent_categories()"),
        ("representations", "creditlink_firm()"),
    ],
)
def test_a_table_of_ones_own_opens_no_rows(attack, empty_database, table, opened):
    """Row-level security asks these functions; with forged answers every firm's records are open."""
    with empty_database.transaction("owner") as session:
        firm, client = make.make_enterprise(session), make.make_client(session)
        account = make.make_account(session)
        ids = {"firm": firm.id, "institution": client.institution_id, "account": account.id}
    forged = {
        "consents": "CREATE TEMP TABLE consents AS SELECT '{firm}'::uuid AS id, '{firm}'::uuid AS enterprise_id,"
        " '{institution}'::uuid AS institution_id, 'ACTIVE' AS state, now() + interval '1 day' AS expires_at,"
        " now() AS starts_at, 36 AS history_months, ARRAY['tax'] AS categories",
        "representations": "CREATE TEMP TABLE representations AS SELECT '{firm}'::uuid AS enterprise_id,"
        " '{account}'::uuid AS account_id, now() AS valid_from, NULL::timestamptz AS valid_until,"
        " NULL::timestamptz AS ended_at",
    }
    assert (
        attack(
            forged[table].format(**ids),
            f"SELECT set_config('creditlink.consent_id', '{firm.id}', true),"
            f" set_config('creditlink.institution_id', '{client.institution_id}', true),"
            f" set_config('creditlink.enterprise_id', '{firm.id}', true),"
            f" set_config('creditlink.account_id', '{account.id}', true)",
            seen=f"SELECT {opened}",
        )
        is None
    )


@pytest.mark.parametrize("role", ["creditlink_api", "creditlink_worker"])
def test_a_role_makes_no_temporary_table(empty_database, role):
    with empty_database.engine("owner").connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text("CREATE TEMP TABLE mine (id int)"))


def test_every_function_with_the_owners_rights_is_closed(database):
    with database.engine("owner").connect() as connection:
        found = connection.execute(
            text("""SELECT p.proname, array_to_string(p.proconfig, ';') AS settings,
                           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                                   WHERE a.grantee = 0) AS is_everybodys
                    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef""")
        ).all()
    assert {row.proname for row in found} == {
        "creditlink_record", "creditlink_source_health", "creditlink_keep_registration", "creditlink_codes",
        "creditlink_firm_of_code", "creditlink_near_mine", "creditlink_rejection_counts", "creditlink_archive",
        "creditlink_look", "creditlink_archive_later", "creditlink_invite_lender", "creditlink_join_developer",
        "creditlink_set_developer_client", "creditlink_end_developers", "creditlink_own_use",
        "creditlink_add_person", "creditlink_trouble_of", "creditlink_card_trouble", "creditlink_card_states",
        "creditlink_take_card_place", "creditlink_open_card", "creditlink_shown_ended",
        "creditlink_take", "creditlink_charge", "creditlink_admit", "creditlink_give_back", "creditlink_used",
        "creditlink_receivables_elsewhere",
    }  # fmt: skip
    for row in found:
        assert "search_path=pg_catalog, pg_temp" in (row.settings or ""), row.proname
        assert not row.is_everybodys, row.proname

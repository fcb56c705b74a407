"""The registry: codes, duplicates, and who may act for a firm."""

import json
from datetime import date, timedelta
from importlib.util import find_spec, module_from_spec

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from creditlink.cli import enterprises as commands
from creditlink.enterprises import accounts, representation, service
from creditlink.enterprises.service import Registration
from creditlink.kit import uscc
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from tests import factories as make
from tests.factories import NOW


@pytest.fixture
def session(empty_database):
    with db.transaction("owner") as opened:
        yield opened


def entry(**values):
    return Registration(**{"uscc": make.make_uscc(1), "name": "甲公司", "industry": "C33", "region": "440600"} | values)


def wrong_check(code):
    return code[:-1] + ("0" if code[-1] != "0" else "1")


class TestRegister:
    def test_a_firm_is_registered_under_its_compact_code(self, session):
        made = service.register(session, entry(uscc=" " + make.make_uscc(1).lower() + " "), now=NOW)
        assert (made.uscc, made.uscc_exception, made.status) == (make.make_uscc(1), None, "active")

    def test_a_wrong_check_character_needs_evidence(self, session):
        code = wrong_check(make.make_uscc(1))
        with pytest.raises(InvalidRequest, match="register an exception"):
            service.register(session, entry(uscc=code), now=NOW)
        made = service.register(
            session, entry(uscc=code, uscc_exception="licence no. 4406 seen on 2026-08-01"), now=NOW
        )
        assert made.uscc_exception.startswith("licence")

    def test_an_exception_is_not_kept_where_none_is_needed(self, session):
        assert service.register(session, entry(uscc_exception="x"), now=NOW).uscc_exception is None

    def test_a_duplicate_is_refused(self, session):
        service.register(session, entry(), now=NOW)
        with pytest.raises(Conflict, match="registered already"):
            service.register(session, entry(name="乙公司"), now=NOW)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"uscc": "91440600"}, "uscc"),
            ({"uscc": "I" * 18, "uscc_exception": "x"}, "uscc"),
            ({"name": " "}, "name"),
            ({"entity_type": "club"}, "entity_type"),
            ({"industry": "33"}, "industry"),
            ({"industry": "Z33"}, "industry"),
            ({"region": "4406"}, "region"),
            ({"region": "44060٠"}, "region"),
            ({"registered_capital_fen": -1}, "registered_capital_fen"),
        ],
    )
    def test_a_wrong_field_is_named(self, session, change, field):
        with pytest.raises(InvalidRequest) as caught:
            service.register(session, entry(**change), now=NOW)
        assert [e["pointer"] for e in caught.value.extra["errors"]] == [f"/{field}"]

    def test_near_duplicates_are_reported(self, session):
        code = make.make_uscc(1)
        first = service.register(session, entry(), now=NOW)
        middle = code[:9] + ("A" if code[9] != "A" else "B") + code[10:]
        off = service.register(session, entry(uscc=middle, name="乙", uscc_exception="x"), now=NOW)
        start = "92" + code[2:]
        head = service.register(session, entry(uscc=start, name="丙", uscc_exception="x"), now=NOW)
        same_name = service.register(session, entry(uscc=make.make_uscc(777)), now=NOW)
        service.register(session, entry(uscc=make.make_uscc(888), name="丁"), now=NOW)
        found = {(n.uscc, n.why) for n in service.near_duplicates(session, first)}
        assert found == {
            (off.uscc, "one_character_off"),
            (head.uscc, "one_character_off"),
            (same_name.uscc, "same_name"),
        }


@pytest.mark.pure
class TestUscc:
    @given(st.text(alphabet=uscc.ALPHABET, min_size=17, max_size=17))
    def test_a_computed_check_character_is_right_and_every_other_wrong(self, body):
        good = body + uscc.check_value(body)
        for c in uscc.ALPHABET:
            checked = uscc.check(body + c)
            if checked.well_formed:
                assert checked.check_ok == (body + c == good)

    @pytest.mark.parametrize("authority", uscc.ALPHABET)
    @pytest.mark.parametrize("right", [True, False])
    def test_authority_and_kind_are_checked_together(self, authority, right):
        """Every pair of GB 32100 is well-formed and no other is, whatever the check character."""
        kinds = {
            **{"1": "1239", "2": "19", "3": "123459", "4": "19", "5": "1239", "6": "129", "7": "129", "8": "19"},
            **{"9": "123", "A": "19", "N": "1239", "Y": "1"},
        }
        for kind in uscc.ALPHABET:
            body = f"{authority}{kind}440600MA4UXYQ27"
            last = uscc.check_value(body)
            found = uscc.check(body + (last if right else uscc.ALPHABET[(uscc.ALPHABET.index(last) + 1) % 31]))
            assert found.well_formed is (kind in kinds.get(authority, "")), body
            assert found.check_ok is (found.well_formed and right)

    @pytest.mark.parametrize(
        ("code", "said"),
        [
            ("N2440606MA4UXYQ278", None),
            ("95440606MA4UXYQ27X", "has kind 5, but authority 9 registers only 1, 2, 3"),
            ("B1440606MA4UXYQ27X", "begins with B, which is no registering authority"),
            ("9144060AMA4UXYQ27X", "has 44060A for the region"),
            ("91440606MA4UXYQ27", "needs 18 characters"),
            ("91440606MA4UXYQ2\x007", "needs 18 characters"),
        ],
    )
    def test_what_is_wrong_is_named(self, code, said):
        found = uscc.check(code)
        assert found.well_formed is (said is None)
        if said is not None:
            assert found.reason.startswith(said)

    def test_a_sum_of_zero_gives_zero_and_does_not_crash(self):
        body = next(
            b
            for n in range(2000)
            for b in [f"91440600MA{n:07d}"]
            if sum(uscc.ALPHABET.index(c) * w for c, w in zip(b, uscc._WEIGHTS, strict=True)) % 31 == 0
        )
        assert uscc.check(body + "0").check_ok


class TestRepresentation:
    def test_a_new_legal_representative_takes_the_place_of_the_former(self, session):
        firm, old, new = make.make_enterprise(session), make.make_account(session), make.make_account(session)
        make.make_representation(session, firm, old)
        later = NOW + timedelta(days=1)
        make.make_representation(session, firm, new, now=later)
        assert service.may_act(session, old, firm, later) is None
        assert service.may_act(session, new, firm, later).role == "legal_representative"

    def test_an_agent_acts_until_the_end_date_exclusive(self, session):
        firm, agent = make.make_enterprise(session), make.make_account(session)
        end = NOW + timedelta(days=10)
        make.make_representation(session, firm, agent, "agent", valid_until=end)
        assert service.may_act(session, agent, firm, NOW - timedelta(seconds=1)) is None
        assert service.may_act(session, agent, firm, end - timedelta(seconds=1)).role == "agent"
        assert service.may_act(session, agent, firm, end) is None
        assert service.represented_by(session, agent, end) == []

    def test_a_dismissed_agent_and_a_locked_account_act_no_more(self, session):
        firm, agent = make.make_enterprise(session), make.make_account(session)
        right = make.make_representation(session, firm, agent, "agent")
        agent.status = "locked"
        assert service.may_act(session, agent, firm, NOW) is None
        agent.status = "active"
        representation.end_representation(session, right, now=NOW + timedelta(hours=1))
        assert service.may_act(session, agent, firm, NOW + timedelta(hours=1)) is None

    def test_nobody_acts_for_a_firm_that_is_gone(self, session):
        firm, person = make.make_enterprise(session, status="deregistered"), make.make_account(session)
        make.make_representation(session, firm, person)
        assert service.may_act(session, person, firm, NOW) is None

    def test_limits_bound_an_agent(self, session):
        firm, agent = make.make_enterprise(session), make.make_account(session)
        right = make.make_representation(
            session, firm, agent, "agent", limits={"categories": ["tax"], "purposes": ["report"]}
        )
        assert service.outside_limits(right, purpose="report", categories=["tax"], runs_days=1) is None
        assert service.outside_limits(right, purpose="underwriting", categories=["tax"], runs_days=1) == "purpose"
        assert (
            service.outside_limits(right, purpose="report", categories=["tax", "electricity"], runs_days=1)
            == "category:electricity"
        )

    @pytest.mark.parametrize("wrong", [{"role": "owner"}, {"valid_until": NOW}, {"limits": {"amount": ["1"]}}])
    def test_an_appointment_that_makes_no_sense_is_refused(self, session, wrong):
        firm, agent = make.make_enterprise(session), make.make_account(session)
        with pytest.raises(InvalidRequest):
            make.make_representation(session, firm, agent, **{"role": "agent"} | wrong)


class TestAccounts:
    def test_a_login_is_taken_once_whatever_its_case(self, session):
        accounts.create_account(session, login="Chen.Wei", display_name="陈", password="x" * 12, now=NOW)
        assert accounts.by_login(session, " CHEN.WEI ").login == "chen.wei"
        with pytest.raises(Conflict):
            accounts.create_account(session, login="chen.wei", display_name="陈", password="x" * 12, now=NOW)

    @pytest.mark.parametrize(
        "wrong", [{"login": "a"}, {"login": "a b c"}, {"password": "short"}, {"password": "x" * 257}, {"role": "root"}]
    )
    def test_what_cannot_be_an_account_is_refused(self, session, wrong):
        values = {"login": "chen", "display_name": "陈", "password": "x" * 12} | wrong
        with pytest.raises(InvalidRequest):
            accounts.create_account(session, **values, now=NOW)

    def test_passwords_are_argon2id_and_not_guessable_from_the_row(self, session):
        account = make.make_account(session, password=make.PASSWORD)
        assert account.password_hash.startswith("$argon2id$")
        assert accounts.password_matches(account, make.PASSWORD)
        assert not accounts.password_matches(account, make.PASSWORD + " ")
        assert not accounts.password_matches(None, "nobody has this password")

    def test_hashing_costs_what_rfc_9106_recommends(self):
        found = find_spec("creditlink.enterprises.accounts")
        as_shipped = module_from_spec(found)  # the tests' own is quick
        found.loader.exec_module(as_shipped)
        assert "$m=65536,t=3,p=4$" in as_shipped.hash_password("x" * 12)
        # An unknown login costs as much as a known one.
        assert not as_shipped._hasher.check_needs_rehash(as_shipped._NOBODY)

    def test_a_changed_server_key_makes_codes_wrong_and_nothing_crash(self, session):
        account = make.make_account(session)
        accounts.enroll_totp(account, accounts.new_totp_secret(), key="k" * 40)
        assert accounts.totp_secret(account, key="k" * 40)
        assert accounts.totp_secret(account, key="other" * 10) is None
        assert not accounts.spend_totp(session, account, "123456", key="other" * 10, now=NOW)


class TestCommands:
    @pytest.fixture
    def run(self, empty_database, settings, monkeypatch):
        monkeypatch.setattr(commands, "start", lambda role: (settings, empty_database))

        def invoke(*arguments):
            return CliRunner().invoke(commands.enterprises, arguments)

        return invoke

    def test_check_needs_no_database(self, run):
        good, bad = make.make_uscc(1), wrong_check(make.make_uscc(1))
        result = run("check-uscc", good, bad)
        assert result.exit_code == 0
        assert [c["check_ok"] for c in json.loads(result.output)] == [True, False]
        assert run("check-uscc", "nonsense").exit_code == 1

    def test_add_appoint_and_dismiss(self, run):
        code = make.make_uscc(1)
        added = run("add", "--uscc", code, "--name", "甲", "--industry", "C33", "--region", "440600")
        assert json.loads(added.output)["uscc"] == code
        assert run("add-account", "--login", "chen", "--name", "陈", "--password", "x" * 12).exit_code == 0
        appointed = run("appoint", "--login", "chen", "--uscc", code, "--role", "agent", "--until", "2999-01-01")
        assert json.loads(appointed.output)["valid_until"] == "2998-12-31 16:00:00+00:00"
        assert run("dismiss", "--login", "chen", "--uscc", code).exit_code == 0
        again = run("dismiss", "--login", "chen", "--uscc", code)
        assert again.exit_code == 1
        assert "does not act" in again.output
        assert json.loads(run("list").output)[0]["name"] == "甲"

    def test_amend_changes_the_registry_and_keeps_what_was(self, run, empty_database):
        code = make.make_uscc(1)
        run("add", "--uscc", code, "--name", "甲", "--industry", "C33", "--region", "440600")
        done = run("amend", "--uscc", code, "--status", "revoked", "--from", "2026-01-05")
        assert json.loads(done.output)["status"] == "revoked"
        with empty_database.transaction("owner") as session:
            rows = session.execute(text("SELECT status, valid_from FROM registrations ORDER BY id")).all()
        # The firm's first entry, of the day it was added, is revoked by it too.
        assert [row.status for row in rows] == ["active", "revoked", "revoked"]
        assert [row.valid_from for row in rows[1:]] == [date(2026, 1, 5), rows[0].valid_from]
        wrong = run("amend", "--uscc", code, "--region", "44")
        assert wrong.exit_code == 1
        assert "region: must be 6 digits" in wrong.output

    def test_a_refusal_is_one_line(self, run):
        result = run("add", "--uscc", "x", "--name", "甲", "--industry", "C33", "--region", "440600")
        assert result.exit_code == 1
        assert "uscc" in result.output
        assert "Traceback" not in result.output

    def test_import_takes_what_is_good_and_names_the_rest(self, run, tmp_path):
        one, two = make.make_uscc(1), make.make_uscc(2)
        file = tmp_path / "firms.csv"
        file.write_text(
            "uscc,name,industry,region,established_on,registered_capital_fen\n"
            f"{one},甲,C33,440600,2019-02-28,100\n"
            f"{two},乙,C33,440600,2019-02-30,100\n"
            f"{one},丙,C33,440600,,\n"
            f"{wrong_check(two)},丁,C33,440600,,\n"
            f"{two},甲,C33,440600,,ten\n"
            f"{two},甲,C33,440600,,\n",
            encoding="utf-8",
        )
        result = run("import", str(file))
        report = json.loads(result.output)
        assert (result.exit_code, report["registered"]) == (1, 2)
        assert [(r["line"], r["field"]) for r in report["refused"]] == [
            (3, "established_on"), (4, "uscc"), (5, "uscc"), (6, "registered_capital_fen"),
        ]  # fmt: skip
        assert [r["value"] for r in report["refused"]] == ["2019-02-30", one, wrong_check(two), "ten"]
        assert [n["why"] for n in report["near_duplicates"]] == ["same_name"]
        assert len(json.loads(run("duplicates").output)) == 1

    @pytest.mark.parametrize(
        ("line", "field", "value"),
        [
            ("{},乙有限公司,Yi Co., Ltd.,C33,440606", "line", "乙有限公司"),
            ("{},甲\0公司,Jia Co,C33,440606", "name", "甲\ufffd公司"),
            ('{},"乙,Yi Co,C33,440606', "line", '"乙'),
            ("{},乙,Yi Co,C３３,440606", "industry", "C３３"),
        ],
    )
    def test_a_bad_row_costs_itself_only(self, run, tmp_path, line, field, value):
        file = tmp_path / "firms.csv"
        good = "{},甲,,C33,440606"
        rows = [one.format(make.make_uscc(k)) for k, one in enumerate((good, line, good))]
        file.write_text("\n".join(["uscc,name,name_en,industry,region", *rows]), encoding="utf-8")
        result = run("import", str(file))
        report = json.loads(result.output)
        assert (result.exit_code, report["registered"]) == (1, 2)
        assert [(r["line"], r["field"]) for r in report["refused"]] == [(3, field)]
        assert value in report["refused"][0]["value"]

    @pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
    def test_import_reads_what_spreadsheets_write(self, run, tmp_path, encoding):
        file = tmp_path / "firms.csv"
        file.write_bytes(f"uscc,name,industry,region\r\n{make.make_uscc(1)},甲有限公司,C33,440606\r\n".encode(encoding))
        assert run("import", str(file)).exit_code == 0
        assert json.loads(run("list").output)[0]["name"] == "甲有限公司"

    def test_a_file_with_strange_columns_is_refused_before_any_row(self, run, tmp_path):
        file = tmp_path / "firms.csv"
        file.write_text("uscc,name,colour\n", encoding="utf-8")
        result = run("import", str(file))
        assert result.exit_code == 1
        assert "colour" in result.output


@pytest.mark.parametrize("founded", ["0001-01-01", "1899-12-31", "9999-12-31"])
def test_a_firm_is_founded_on_a_day_that_can_be(empty_database, founded):
    given = Registration(
        uscc="91440606MA4XYW11XE", name="甲有限公司", industry="C33", region="440606",
        established_on=date.fromisoformat(founded),
    )  # fmt: skip
    with empty_database.transaction("owner") as session, pytest.raises(InvalidRequest) as refused:
        service.register(session, given, now=NOW)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == ["/established_on"]

"""`creditlink products`: files checked without a database, and a product's life by two operators."""

import json

import pytest
from click.testing import CliRunner

from creditlink.cli import products as commands
from tests.engine.matching.samples import raw, rule
from tests.factories import make_institution, make_staff


def invoke(*arguments):
    result = CliRunner().invoke(commands.products, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def file(tmp_path):
    def write(*products, name="products.json"):
        path = tmp_path / name
        path.write_text(json.dumps(list(products), indent=1, ensure_ascii=False), "utf-8")
        return path

    return write


class TestValidate:
    def test_names_line_field_and_value_and_lists_the_good_rows_with_findings(self, file):
        contradicting = [rule("profile.points", ">=", 700), rule("profile.points", "<=", 600)]
        path = file(raw("T-1"), raw("T-2", rate_bps_max=2), raw("T-3", rules=contradicting))
        line = path.read_text("utf-8").split('"rate_bps_max": 2,')[0].count("\n") + 1
        result = invoke("validate", path)
        assert result.exit_code == 1
        assert f"products.json line {line}: product 'T-2': field 'rate_bps_max': value 2: is below" in result.stdout
        assert "line 2: T-1 version 1" in result.stdout
        assert "error (contradiction)" in result.stdout
        assert "2 products are well-formed, 1 things are wrong" in result.stdout

    def test_without_a_fault_it_ends_well_and_says_that_no_firm_was_counted(self, file, monkeypatch, tmp_path):
        monkeypatch.setenv("CREDITLINK_VAR_DIR", str(tmp_path))
        result = invoke("validate", file(raw()))
        assert result.exit_code == 0
        assert "firms not counted: there is no finished screening" in result.stdout
        told = json.loads(invoke("validate", file(raw()), "--json").stdout)
        assert (told["wrong"], told["products"][0]["product"], "firms" in told["products"][0]) == ([], "TAX-1", False)

    def test_a_name_of_no_known_form_is_refused(self, file):
        result = invoke("validate", file(raw(), name="products.xlsx"))
        assert (result.exit_code, "must end in .json" in result.output) == (1, True)


class TestLife:
    @pytest.fixture
    def run(self, empty_database, monkeypatch):
        monkeypatch.setattr(commands, "start", lambda _role: (None, empty_database))
        with empty_database.transaction("owner") as session:
            make_institution(session, code="LJB")
            for login in ("lin", "wu"):
                make_staff(session, login, "operator")
        return invoke

    def test_two_operators_take_a_file_to_the_public_and_off_again(self, run, file):
        (made,) = json.loads(run("write", file(raw("LJB-TAX")), "--by", "Lin").stdout)
        assert (made["state"], made["written_by"]) == ("draft", "operator:lin")
        sha = made["terms_sha256"][:12]
        for by, digits, said in (
            ("lin", sha, "cannot check it"),
            (" LIN ", sha, "cannot check it"),
            ("wu", sha[:6], "not those that were read"),
        ):
            refused = run("check", "LJB-TAX", 1, "--sha256", digits, "--by", by)
            assert (refused.exit_code, said in refused.output) == (1, True), by
        assert "a version that is draft allows" in run("publish", "LJB-TAX", 1, "--by", "lin").output
        assert json.loads(run("check", "LJB-TAX", 1, "--sha256", sha, "--by", "wu").stdout)["state"] == "checked"
        run("publish", "LJB-TAX", 1, "--by", "lin")
        assert [one["code"] for one in json.loads(run("list", "--state", "live").stdout)] == ["LJB-TAX"]
        run("retire", "LJB-TAX", 1, "--by", "lin", "--note", "over")
        told = json.loads(run("show", "LJB-TAX", 1).stdout)
        assert [one["step"] for one in told["steps"]] == ["write", "check", "publish", "retire"]
        assert told["steps"][-1]["note"] == "over"

    def test_a_wrong_row_or_lender_writes_nothing(self, run, file):
        refused = run("write", file(raw("LJB-TAX"), raw("LJB-TWO", kind="gold")), "--by", "lin")
        assert (refused.exit_code, "field 'kind': value 'gold'" in refused.output) == (1, True)
        refused = run("write", file(raw("LJB-TAX"), raw("XXB-TAX", institution_code="XXB")), "--by", "lin")
        assert "product 'XXB-TAX': field 'institution_code': value 'XXB': is not registered" in refused.output
        assert json.loads(run("list").stdout) == []

    def test_a_version_that_is_not_there_is_told(self, run):
        refused = run("show", "LJB-TAX", 1)
        assert (refused.exit_code, "there is no such version" in refused.output) == (1, True)

"""Codes to be cleared: what comes on the list and why, who settles it how, and what goes to the registrar."""

import json
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from creditlink.cli import registry as commands
from creditlink.enterprises import service
from creditlink.enterprises.registry import clearing
from creditlink.enterprises.registry.clearing import ClearingQuery
from creditlink.kit import uscc
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.errors import Conflict, InvalidRequest
from creditlink.kit.postgres import db
from tests.factories import NOW, make_uscc

TODAY = day_of(NOW)
GOOD, OTHER = make_uscc(1), make_uscc(2)


def slip(code, place=16):
    """The code with one character of its number changed, and so with a wrong check character."""
    new = "8" if code[place] != "8" else "7"
    return code[:place] + new + code[place + 1 :]


def listed(uscc, name="佛山市恒达五金有限公司", **values):
    return {"uscc": uscc, "name": name, "industry": "C33", "region": "440604", "established_on": "2019-05-06"} | values


def items(state="open", today=TODAY):
    with db.transaction("worker") as session:
        page, _ = clearing.page_of(session, ClearingQuery(state=state), today=today)
        return [clearing.as_json(one, today=today) for one in page]


def kinds():
    return sorted((one["kind"], one["uscc"], one["other_uscc"]) for one in items())


class TestWhatComesOnTheList:
    def test_a_code_that_fails_its_check_is_registered_and_listed(self, load):
        code = slip(GOOD)
        assert load(listed(code), kind="full")["rows"]["applied"] == 1
        (item,) = items()
        assert (item["kind"], item["uscc"]) == ("wrong", code)
        assert uscc.check(code).reason == item["evidence"]["check"]
        load(listed(code), kind="full")  # once, however often it is met
        assert len(items()) == 1

    def test_a_slip_of_another_firms_code_under_the_same_name_is_a_near_duplicate(self, load):
        load(listed(GOOD), listed(slip(GOOD), "佛山恒达五金有限责任公司"), kind="full")
        assert kinds() == [("near_duplicate", slip(GOOD), GOOD), ("wrong", slip(GOOD), None)]
        evidence = next(one["evidence"] for one in items() if one["kind"] == "near_duplicate")
        assert (evidence["places"], evidence["check"]) == ([17], [False, True])
        assert evidence["likeness"] > 0.85

    def test_two_neighbours_swapped_are_a_slip_too(self, load):
        at = next(n for n in range(8, 16) if GOOD[n] != GOOD[n + 1])
        swapped = GOOD[:at] + GOOD[at + 1] + GOOD[at] + GOOD[at + 2 :]
        load(listed(GOOD), listed(swapped), kind="full")
        assert ("near_duplicate", swapped, GOOD) in kinds()

    def test_firms_of_other_names_or_codes_further_apart_are_two_firms(self, load):
        load(listed(GOOD), listed(slip(GOOD), "佛山市南海宏图塑料制品有限公司"), listed(OTHER), kind="full")
        assert kinds() == [("wrong", slip(GOOD), None)]

    def test_a_pair_of_which_both_fail_is_listed_once(self, load):
        load(listed(slip(GOOD, 16)), listed(slip(slip(GOOD, 16), 15)), kind="full")
        assert [kind for kind, *_ in kinds()] == ["near_duplicate", "wrong", "wrong"]

    def test_two_firms_of_one_code_are_a_duplicate_and_the_second_is_kept_aside(self, load):
        load(listed(GOOD), kind="full")
        done = load(
            listed(GOOD, "深圳市宏图塑料制品有限公司", established_on="2011-01-01") | {"sequence": "7"},
        )
        assert "another name, founded on another day (2019-05-06)" in done["refused"][0]["problems"][0]["problem"]
        (item,) = items()
        assert item["kind"] == "duplicate"
        assert item["evidence"]["names"] == ["佛山市恒达五金有限公司", "深圳市宏图塑料制品有限公司"]
        assert item["evidence"]["established_on"] == ["2019-05-06", "2011-01-01"]

    def test_a_code_twice_in_one_full_list_is_a_duplicate(self, load):
        done = load(listed(GOOD), listed(GOOD), listed(GOOD, "佛山市另一家有限公司"), kind="full")
        assert (done["rows"]["applied"], done["rows"]["repeated"], done["rows"]["refused"]) == (1, 1, 1)
        assert [one["kind"] for one in items()] == ["duplicate"]

    def test_a_code_change_onto_another_firms_code_is_a_duplicate(self, load):
        load(listed(GOOD), listed(OTHER, "佛山市另一家有限公司"), kind="full")
        done = load({"sequence": "1", "uscc": OTHER, "former_uscc": GOOD})
        assert done["rows"]["refused"] == 1
        assert kinds() == [("duplicate", OTHER, None)]

    def test_a_new_name_or_a_corrected_day_alone_is_no_duplicate(self, load):
        load(listed(GOOD), kind="full")
        load(listed(GOOD, "佛山市新名有限公司") | {"sequence": "1"})
        load(listed(GOOD, "佛山市新名有限公司", established_on="2019-05-07") | {"sequence": "2"})
        assert items() == []


class TestSettling:
    @pytest.fixture
    def item(self, load):
        load(listed(slip(GOOD)), kind="full")
        return items()[0]["id"]

    def act(self, what, item, *arguments, **more):
        with db.transaction("owner") as session:
            what(session, clearing.clearing_of(session, item), *arguments, **{"now": NOW} | more)

    def test_an_exception_has_evidence_and_an_end(self, item):
        self.act(clearing.assign, item, "区登记科 李工")
        ends = TODAY + timedelta(days=30)
        self.act(clearing.confirm_exception, item, "营业执照原件已核", ends_on=ends)
        assert items() == []
        (kept,) = items("exception")
        assert (kept["owner"], kept["exception_evidence"]) == ("区登记科 李工", "营业执照原件已核")
        with db.transaction("owner") as session:
            assert service.by_uscc(session, slip(GOOD)).uscc_exception == "营业执照原件已核"
        # On the day it ends it is open again, by itself.
        assert [one["state"] for one in items("open", ends)] == ["open"]
        assert items("exception", ends) == []
        assert len(items("open", ends - timedelta(days=1))) == 0

    @pytest.mark.parametrize(("evidence", "days"), [("", 5), ("  ", 5), ("x" * 501, 5), ("seen", 0), ("seen", -1)])
    def test_an_exception_without_evidence_or_end_is_refused(self, item, evidence, days):
        with pytest.raises(InvalidRequest):
            self.act(clearing.confirm_exception, item, evidence, ends_on=TODAY + timedelta(days=days))
        assert items()[0]["state"] == "open"

    def test_what_the_registry_still_says_cannot_be_closed(self, item):
        with pytest.raises(Conflict, match="still has this code"):
            self.act(clearing.close, item, "corrected")

    def test_the_registrars_correction_closes_it(self, item, load):
        load({"sequence": "1", "uscc": GOOD, "former_uscc": slip(GOOD)})
        assert items() == []
        (closed,) = items("corrected")
        assert closed["resolution"] == f"the registry changed the code to {GOOD}"
        with db.transaction("owner") as session:
            assert service.by_uscc(session, GOOD).uscc_exception is None
        with pytest.raises(Conflict, match="corrected already"):
            self.act(clearing.assign, item, "x")

    def test_a_code_that_is_wrong_again_is_a_new_entry(self, item, load):
        load({"sequence": "1", "uscc": GOOD, "former_uscc": slip(GOOD)})
        load({"sequence": "2", "uscc": slip(GOOD), "former_uscc": GOOD}, now=NOW + timedelta(days=1))
        assert (len(items("corrected")), len(items())) == (1, 1)


class TestCommands:
    @pytest.fixture
    def run(self, monkeypatch, empty_database, settings):
        monkeypatch.setattr("creditlink.cli.registry.start", lambda _role: (settings, empty_database))

        def run(*arguments):
            return CliRunner().invoke(commands.registry, [str(one) for one in arguments])

        return run

    @pytest.fixture
    def feed(self, tmp_path):
        def write(*rows, name="feed.ndjson"):
            path = tmp_path / name
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            return path

        return write

    def test_a_file_is_loaded_its_wrong_lines_named(self, run, feed):
        file = feed(listed(GOOD), listed(OTHER, industry="?"), {"uscc": 1})
        done = run("load", file, "--full")
        answer = json.loads(done.stdout)
        assert done.exit_code == 1
        assert answer["rows"] == {"waiting": 0, "applied": 1, "unchanged": 0, "repeated": 0, "refused": 2}
        assert [(one["row"], one["problems"][0]["field"]) for one in answer["refused"]] == [
            (2, "industry"),
            (3, "uscc"),
        ]
        shown = json.loads(run("show", answer["id"]).stdout)
        assert shown["refused"] == answer["refused"]
        assert "rgl_" not in run("show", "rgl_1").stdout

    def test_a_dry_run_says_the_same_and_does_nothing(self, run, feed, empty_database):
        file = feed(listed(GOOD), listed(slip(OTHER)))
        answer = json.loads(run("load", file, "--full", "--dry-run").stdout)
        assert (answer["dry_run"], answer["rows"]["applied"]) == (True, 2)
        with empty_database.transaction("owner") as session:
            assert service.by_uscc(session, GOOD) is None
        assert run("load", file, "--full").exit_code == 0
        with empty_database.transaction("owner") as session:
            assert service.by_uscc(session, GOOD) is not None

    def test_the_same_changes_again_change_nothing(self, run, feed):
        file = feed({"sequence": "1", **listed(GOOD)})
        assert json.loads(run("load", file, "--incremental").stdout)["rows"]["applied"] == 1
        assert json.loads(run("load", file, "--incremental").stdout)["rows"]["repeated"] == 1

    @pytest.mark.parametrize(
        ("name", "arguments", "says"),
        [
            ("feed.ndjson", (), "say --full or --incremental"),
            ("feed.xlsx", ("--full",), "must end in one of"),
            ("feed.csv", ("--full",), "the header"),
            ("feed.ndjson", ("--full", "--region", "5"), "region"),
        ],
    )
    def test_what_cannot_be_a_load_is_refused_in_one_line(self, run, feed, name, arguments, says):
        done = run("load", feed(listed(GOOD), name=name), *arguments)
        assert done.exit_code in (1, 2)
        assert says in done.output

    def test_the_list_is_cleared_and_exported(self, run, feed, tmp_path):
        run("load", feed(listed(GOOD, "=恒达有限公司"), listed(slip(GOOD), "=恒达有限公司")), "--full")
        found = json.loads(run("clearing", "list", "--kind", "wrong").stdout)["items"]
        (one,) = found
        assert json.loads(run("clearing", "assign", one["id"], "--owner", "李工").stdout)["owner"] == "李工"
        refused = run("clearing", "close", one["id"], "--resolution", "done")
        assert (refused.exit_code, "still has this code" in refused.output) == (1, True)
        until = day_of(utc_now()) + timedelta(days=9)
        kept = run("clearing", "except", one["id"], "--evidence", "执照", "--until", until)
        assert json.loads(kept.stdout)["state"] == "exception"
        to = tmp_path / "codes.csv"
        assert run("clearing", "export", to, "--state", "all").exit_code == 0
        rows = {row["kind"]: row for row in pl.read_csv(to).to_dicts()}
        assert rows["wrong"]["why"].startswith("校验码不符")
        assert rows["near_duplicate"]["other_uscc"] == GOOD
        assert rows["near_duplicate"]["name"] == "'=恒达有限公司"  # no formula
        assert json.loads(run("clearing", "scan").stdout) == {"wrong": 0, "near_duplicate": 0, "corrected": 0}


def test_only_the_operator_sees_the_list(load):
    load(listed(slip(GOOD)), kind="full")
    with db.transaction("api") as session:
        assert session.scalars(select(clearing.UsccClearing)).all() == []
    with db.transaction("api", viewer=db.Viewer(actor="operator")) as session:
        assert len(session.scalars(select(clearing.UsccClearing)).all()) == 1

"""The kit passes what is right and catches what is wrong, one fault at a time."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from creditlink.conformance import suite
from creditlink.conformance.bench import Bench
from creditlink.conformance.cases import KINDS, CaseFault, read_cases
from creditlink.conformance.recording import OFFICES
from creditlink.kit.settings import ROOT
from creditlink.records.connectors import social_security
from creditlink.records.connectors.social_security import SocialSecurityConnector
from creditlink.records.connectors.wire import Failure, PullStopped
from creditlink.records.pulls.delivery import Delivery

HARD_VALUES = os.environ.get("HARD_VALUES", "150")
"""For each connector here, every time; the kit's own number, which takes minutes, where somebody asks for it."""

WIRE = Path(__file__).parent / "wire" / "social_security"


@pytest.fixture(scope="module")
def cases():
    found = {}
    for case in read_cases(WIRE):
        found.setdefault(case.kind, []).append(case)
    return found


@pytest.fixture
def bench_of():
    def make(kind):
        def build(office):
            return kind(office.wire(), api_key=office.credentials["api_key"])

        return Bench(replace(social_security.FACTORY, build=build))

    return make


def run_kit(connector, wire, folder):
    """Run the kit as the author of a connector does: in a folder of their own, with the plugin alone."""
    command = [sys.executable, "-m", "pytest", "-p", "creditlink.conformance.plugin", "-p", "no:cacheprovider"]
    command += [
        "-W",
        "error",
        "--pyargs",
        "creditlink.conformance.suite",
        "--connector",
        connector,
        "--wire",
        str(wire),
        "--hard-values",
        HARD_VALUES,
    ]
    env = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=os.environ | env, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.pure
@pytest.mark.long
@pytest.mark.parametrize("connector", ["social_security", *OFFICES])
def test_a_built_in_connector_conforms(connector, tmp_path):
    done = run_kit(connector, WIRE.parent / connector, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b[1-9]\d+ passed", done.stdout)


@pytest.mark.pure
@pytest.mark.parametrize(
    ("connector", "wire", "said"),
    [
        ("nobody", WIRE, "no connector 'nobody' is installed; there are"),
        ("social_security", WIRE.parent, "there is no golden file"),
    ],
)
def test_wrong_options_are_said(tmp_path, connector, wire, said):
    done = run_kit(connector, wire, tmp_path)
    assert done.returncode == 4
    assert said in done.stderr


@pytest.mark.pure
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"kind": "delivered"', '"kind": "whatever"', "kind 'whatever' is not one of"),
        ('"until"', '"till"', "member 'until' is missing"),
        ('"since": "2024-01-01"', '"since": "2024-01"', "one.json: "),
        ('"expect": {', '"expect": [', "one.json: "),
        ('"status": 200', '"state": 200', "member 'status' is missing"),
        ('"frame": "payroll_months"', '"frames": "payroll_months"', "member 'frame' is missing"),
    ],
)
def test_a_golden_file_that_does_not_read_is_named(tmp_path, old, new, said):
    text = (WIRE / "delivered.json").read_text()
    assert old in text
    (tmp_path / "one.json").write_text(text.replace(old, new))
    with pytest.raises(CaseFault, match=re.escape(said)):
        read_cases(tmp_path)


class AsksOn(SocialSecurityConnector):
    def fetch(self, uscc, *, since, until, proceed):
        return super().fetch(uscc, since=since, until=until, proceed=lambda: True)


class StopsLate(SocialSecurityConnector):
    def fetch(self, uscc, *, since, until, proceed):
        delivery = super().fetch(uscc, since=since, until=until, proceed=lambda: True)
        if not proceed():
            raise PullStopped
        return delivery


class EmptyIsNoRecord(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        if not delivery.facts and delivery.status == "DELIVERED":
            delivery.resources["payroll"].status = "NO_RECORD"
        return delivery


class DropsBadRows(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        delivery.rejects.clear()
        return delivery


class LooksFurther(SocialSecurityConnector):
    def fetch(self, uscc, *, since, until, proceed):
        return super().fetch(uscc, since=since.replace(year=2000), until=until.replace(year=2030), proceed=proceed)


class TellsItsKey(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        if delivery.error:
            delivery.resources["payroll"].error = f"key {self._api_key} was refused"
        return delivery


class TellsTheFirm(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        if delivery.error:
            delivery.resources["payroll"].error = f"nothing for {uscc}"
        return delivery


class FirstPageOnly(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        result = delivery.resources["payroll"]
        if result.pages > 1:
            delivery.facts = delivery.facts[:4]
        return delivery


class NewestVersionOnly(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        delivery.facts = list({fact.period: fact for fact in delivery.facts}.values())
        return delivery


class AllIsWell(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        result = delivery.resources["payroll"]
        if result.status != "NO_RECORD":
            result.status, result.error = "DELIVERED", None
        return delivery


class Breaks(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        if delivery.status == "DOWN":
            raise ValueError("this was not expected")
        return delivery


class KeepsNoDigest(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        delivery.digest = ""
        return delivery


class AsksTwice(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        super().fetch(uscc, **more)
        return super().fetch(uscc, **more)


class GivesUp(SocialSecurityConnector):
    def fetch(self, uscc, **more):
        self._wire.limits = replace(self._wire.limits, attempts=1)
        return super().fetch(uscc, **more)


class Guesses(SocialSecurityConnector):
    """Puts a value where the office's does not read."""

    def fetch(self, uscc, **more):
        delivery = super().fetch(uscc, **more)
        if delivery.facts and delivery.rejects:
            delivery.facts.append(replace(delivery.facts[0], values={"headcount": -1}))
            delivery.rejects.clear()
        return delivery


class KeepsTheLast(SocialSecurityConnector):
    """Mixes up firms that are asked about at once."""

    def fetch(self, uscc, **more):
        self.last = super().fetch(uscc, **more)
        self.seen = getattr(self, "seen", []) + self.last.facts
        return Delivery(self.source, list(self.seen), self.last.rejects, self.last.resources, self.last.digest)


class EndlessPages(SocialSecurityConnector):
    def fetch(self, uscc, *, since, until, proceed):
        delivery = super().fetch(uscc, since=since, until=until, proceed=proceed)
        try:
            while delivery.resources["payroll"].error == "the office repeats a cursor":
                self._page(uscc, since, until, None, proceed)
        except Failure:
            pass
        return delivery


FAULTS = [
    (AsksOn, "test_it_stops_when_it_may_not_proceed"),
    (StopsLate, "test_it_stops_when_it_may_not_proceed"),
    (AsksOn, "test_the_products_patience_ends_it_too"),
    (EmptyIsNoRecord, "test_the_statuses_are_told_apart"),
    (AllIsWell, "test_the_statuses_are_told_apart"),
    (DropsBadRows, "test_a_value_that_cannot_be_costs_its_row_and_says_so"),
    (Guesses, "test_a_value_that_cannot_be_costs_its_row_and_says_so"),
    (LooksFurther, "test_nothing_outside_the_asked_range_is_taken"),
    (FirstPageOnly, "test_the_golden_files_come_out_as_written"),
    (NewestVersionOnly, "test_both_clocks_tick"),
    (AllIsWell, "test_a_body_that_is_cut_off_is_no_answer"),
    (AllIsWell, "test_a_body_of_another_kind_is_no_answer"),
    (AllIsWell, "test_a_failure_has_its_status"),
    (Breaks, "test_a_body_of_another_kind_is_no_answer"),
    (Breaks, "test_a_failure_has_its_status"),
    (KeepsNoDigest, "test_the_same_answers_give_the_same_digest"),
    (KeepsTheLast, "test_several_firms_at_once_stay_apart"),
    (AsksTwice, "test_pages_neither_overlap_nor_leave_gaps"),
    (GivesUp, "test_a_fault_that_passes_is_not_noticed"),
    (AllIsWell, "test_silence_is_a_time_out"),
    (EndlessPages, "test_an_office_that_repeats_a_page_for_ever_ends"),
]
MORE = {
    "test_a_body_of_another_kind_is_no_answer": {"kind": "a page of a proxy"},
    "test_a_failure_has_its_status": {"status": 500, "wanted": "DOWN"},
    "test_a_value_that_cannot_be_costs_its_row_and_says_so": {"most_hard_values": 40},
}


def run_check(bench, name, cases):
    check = getattr(suite, name)
    wanted = check.__code__.co_varnames[: check.__code__.co_argcount]
    more = MORE.get(name, {}) | ({"cases": cases} if "cases" in wanted else {})
    for case in [cases["paged"][0], cases["delivered"][0]] if {"case", "whole"} & set(wanted) else [None]:
        check(bench, **more | ({name: case for name in ("case", "whole") if name in wanted}))


@pytest.mark.pure
@pytest.mark.parametrize(("kind", "name"), FAULTS, ids=lambda one: getattr(one, "__name__", one))
def test_each_fault_is_caught_by_its_check(monkeypatch, bench_of, cases, kind, name):
    monkeypatch.setattr(suite, "_MOST_SECONDS", 1.0)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_check(bench_of(kind), name, cases)


@pytest.mark.pure
@pytest.mark.parametrize("name", sorted({name for _, name in FAULTS}))
def test_and_none_in_a_connector_that_is_right(bench_of, cases, name):
    run_check(bench_of(SocialSecurityConnector), name, cases)


@pytest.mark.pure
@pytest.mark.parametrize(("kind", "leaked"), [(TellsItsKey, "api_key"), (TellsTheFirm, "the code of firm")])
def test_what_an_error_shows_is_found(bench_of, cases, kind, leaked):
    bench = bench_of(kind)
    case = cases["denied"][0]
    with bench.facing(case) as (connector, _):
        bench.fetch(connector, case)
    assert bench.leaks([], [case.uscc])[0].startswith(leaked)
    assert bench_of(SocialSecurityConnector).leaks([], [case.uscc]) == []


@pytest.mark.pure
def test_every_check_is_held_against_a_fault_or_is_about_the_files():
    checks = {name for name in vars(suite) if name.startswith("test_")}
    about_files = {"test_every_kind_of_case_is_recorded", "test_its_golden_files_use_every_frame_it_names"}
    # XML and JSON both have their own word on the mark; no fault of a connector would be told from theirs.
    assert checks - {name for _, name in FAULTS} == about_files | {"test_a_byte_order_mark_is_read_over_or_refused"}


@pytest.mark.pure
def test_a_folder_without_every_kind_is_not_enough(cases):
    suite.test_every_kind_of_case_is_recorded(cases)
    for kind in KINDS:
        with pytest.raises(AssertionError):
            suite.test_every_kind_of_case_is_recorded({one: held for one, held in cases.items() if one != kind})

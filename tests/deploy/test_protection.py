"""The protection matrix is true: each file and test that it names is there, and its page is what it says."""

import re

import pytest

from creditlink.kit.settings import ROOT
from tests.deploy.test_bill import tool
from tests.proof.test_threats import names_in

protection = tool("protection")
CONTROLS = protection.controls()

# How many control points each chapter of level 3 has; of the others nothing is software, and they are one line each.
CHAPTERS = {"8.1.2": 3, "8.1.3": 6, "8.1.4": 11, "8.1.5": 4, "8.1.9": 10, "8.1.10": 14}
NUMBERS = [
    number
    for chapter in (f"8.1.{n}" for n in range(1, 11))
    for number in ([f"{chapter}.{n}" for n in range(1, CHAPTERS[chapter] + 1)] if chapter in CHAPTERS else [chapter])
]

pytestmark = pytest.mark.pure


def test_no_control_is_left_out():
    assert [one["no"] for one in CONTROLS] == NUMBERS


@pytest.mark.parametrize("control", CONTROLS, ids=lambda one: one["no"])
def test_a_control_is_shown_by_what_it_names(control):
    assert re.search(r"[\u4e00-\u9fff]", control["zh"])
    assert re.fullmatch(r"[ -~]+", control["en"])
    is_said = bool(control.get("note_zh")) and bool(control.get("note_en"))
    if control["state"] == "operator":
        assert "by" not in control
        assert "tests" not in control
        assert is_said
        return
    assert control["state"] in ("done", "partly")
    assert is_said == (control["state"] == "partly"), "what is not done is said, and only that"
    assert [file for file in control["by"] if not (ROOT / file).is_file()] == []
    assert control["tests"]
    for test in control["tests"]:
        file, _, name = test.partition("::")
        assert name in names_in(ROOT / "tests" / file), test


def test_the_page_is_of_today():
    """Run `make protection` after a change of config/protection.toml."""
    assert protection.PAGE.read_text() == protection.page()

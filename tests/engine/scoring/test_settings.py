import copy
import tomllib
from pathlib import Path

import pytest

import creditlink
from creditlink.engine.facts.frames import FRAME_SCHEMAS
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.scoring.scale import Scale
from creditlink.engine.scoring.settings import ScoreSettingError, parse

pytestmark = pytest.mark.pure

FILE = Path(creditlink.__file__).parents[1] / "config" / "score.toml"
VALUES = tomllib.loads(FILE.read_text())


def test_the_committed_file_fits_the_catalogue_and_the_defaults():
    settings = parse(VALUES)
    assert settings.scale == Scale()
    assert settings.reasons.limit == 4
    members = [name for group in settings.reasons.groups.values() for name in group]
    assert [name for name in members if name not in BY_NAME] == []
    for evidence in settings.scorable.evidence:
        assert BY_NAME[evidence.indicator].category == evidence.category
    for rule in (*settings.knockouts, *settings.human_review):
        if rule.indicator:
            assert rule.indicator in BY_NAME
            assert rule.category == BY_NAME[rule.indicator].category
        else:
            assert rule.registration in FRAME_SCHEMAS["registration"]


def test_a_group_of_reasons_keeps_to_one_category():
    for group in parse(VALUES).reasons.groups.values():
        assert len({BY_NAME[name].category for name in group}) == 1, group


def changed(path, value):
    values = copy.deepcopy(VALUES)
    *parents, last = path
    table = values
    for step in parents:
        table = table[step]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("points", "offset"), "600", r"points\.offset: .* got '600'"),
        (("points", "points_to_double"), 0, r"points\.points_to_double"),
        (("points",), None, "points: a table is expected"),
        (("grades", 0, "grade"), "AA", "grades: A\\+, A, B"),
        (("grades", 1, "pd_below"), 0.001, r"grades\.A\.pd_below: a number above 0\.003"),
        (("grades", 5, "pd_below"), 0.9, r"grades\.E\.pd_below: 1\.0"),
        (("grades",), 3, "grades: a list"),
        (("reasons", "limit"), 0, r"reasons\.limit"),
        (("reasons", "limit"), True, r"reasons\.limit"),
        (("reasons", "least_points"), -1, r"reasons\.least_points"),
        (("reasons", "groups", "margin"), [], r"reasons\.groups\.margin"),
        (("reasons", "groups", "margin"), ["sales_3_fen"], "'sales_3_fen' is in two groups"),
        (("scorable", "least_months"), -1, r"scorable\.least_months"),
        (("scorable", "within_months"), 0, r"scorable\.within_months"),
        (("scorable", "evidence"), [], r"scorable\.evidence"),
        (("scorable", "evidence", 3, "supply"), "steam", r"scorable\.evidence\.3\.supply: .* got 'steam'"),
        (("scorable", "evidence", 3, "months"), 0, r"scorable\.evidence\.3\.months"),
        (("reasons", "least_missing_points"), -1, r"reasons\.least_missing_points"),
        (("scorable", "evidence", 0, "at_least"), "6", r"scorable\.evidence\.0\.at_least: .* got '6'"),
        (("scorable", "evidence", 1, "indicator"), None, r"scorable\.evidence\.1\.indicator"),
        (("knockouts", 0, "code"), "X1", r"knockouts\.code: .* got 'X1'"),
        (("knockouts", 0, "code"), "K02", "'K02' is given to two rules"),
        (("knockouts", 0, "at_least"), None, r"knockouts\.K01\.at_least"),
        (("knockouts", 0, "label_en"), "", r"knockouts\.K01\.label_en"),
        (("knockouts", 0, "registration"), "status", "either indicator or registration"),
        (("human_review", 0, "one_of"), None, r"human_review\.H01\.one_of"),
    ],
)
def test_a_wrong_line_is_named(path, value, message):
    with pytest.raises(ScoreSettingError, match=message):
        parse(changed(path, value))

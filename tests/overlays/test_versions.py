"""`/v1/overlays`: the life of a bank's overlay, its four eyes, and what is refused of it."""

from __future__ import annotations

import copy
import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.overlays.conftest import BODY


def changed(path, value):
    """The sample with one member changed; the path is its steps."""
    body = copy.deepcopy(BODY)
    at = body
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return body


class TestLife:
    def test_from_draft_to_retired_by_two_clients(self, ours):
        draft = ours.writer.call("PUT", json=BODY)
        assert draft.status_code == 200, draft.text
        assert (draft.json()["version"], draft.json()["state"]) == (1, "draft")
        assert draft.json()["reach"]["riskier"]["grades"] <= 2
        assert ours.writer.call("PUT", json=BODY).json()["terms_sha256"] == draft.json()["terms_sha256"]
        assert ours.checker.check().json()["state"] == "checked"
        assert ours.writer.call("POST", "/1/publish", json={"note": "spring"}).json()["state"] == "live"
        assert ours.go_live(name_en="Second") == 2
        states = {one["version"]: one["state"] for one in ours.writer.call("GET").json()["items"]}
        assert states == {1: "retired", 2: "live"}
        gone = ours.writer.call("POST", "/2/retire", json={}).json()
        assert (gone["state"], gone["allowed"]) == ("retired", [])
        assert [one["step"] for one in gone["steps"]] == ["write", "check", "publish", "retire"]

    def test_who_wrote_it_cannot_check_it(self, ours):
        ours.writer.call("PUT", json=BODY)
        answer = ours.writer.check()
        assert (answer.status_code, answer.json()["reason"]) == (409, "own_work")
        assert ours.writer.call("POST", "/1/publish", json={}).status_code == 409

    def test_a_check_is_of_the_terms_that_were_read(self, ours):
        sha = ours.writer.call("PUT", json=BODY).json()["terms_sha256"]
        ours.writer.call("PUT", json=BODY | {"name_en": "Changed meanwhile"})
        answer = ours.checker.call("POST", "/1/check", json={"terms_sha256": sha})
        assert (answer.status_code, answer.json()["reason"]) == (409, "terms_changed")

    def test_another_bank_sees_none_of_it(self, ours, theirs):
        ours.go_live()
        assert theirs.writer.call("GET").json()["items"] == []
        assert theirs.writer.call("GET", "/1").status_code == 404
        assert theirs.writer.call("POST", "/1/retire", json={}).status_code == 404
        assert theirs.writer.call("PUT", json=BODY).json()["version"] == 1

    @pytest.mark.parametrize(
        "statement",
        ["terms = '{}'", "state = 'draft', terms = '{}'", "checked_by = 'bank:x'", "version = 7", "state = 'checked'"],
    )
    def test_what_is_live_is_changed_by_nobody(self, ours, empty_database, statement):
        ours.go_live()
        with pytest.raises(IntegrityError), empty_database.transaction("owner") as session:
            session.execute(text(f"UPDATE overlays SET {statement}"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "value", "pointer"),
        [
            (("weights", 0, "subject"), "indicator.none_such", "/weights/0/subject"),
            (("weights", 0, "log_odds"), 0.1, "/weights/0"),
            (("weights", 0, "log_odds"), "0.1", "/weights/0/log_odds"),
            (("weights", 0, "log_odds"), True, "/weights/0/log_odds"),
            (("weights", 0, "mean"), 1e300, "/weights/0/mean"),
            (("weights", 0, "form"), "neural", "/weights/0/form"),
            (("columns", 0, "name"), "owner_gender", "/columns/0/name"),
            (("columns", 0, "name"), "Ünïcode", "/columns/0/name"),
            (("columns", 0, "name"), "own_x\n", "/columns/0/name"),
            (("columns", 0, "label_zh"), "实际控制人民族", "/columns/0/label_zh"),
            (("columns", 0, "label_zh"), "a\x00b", "/columns/0/label_zh"),
            (("columns", 0, "label_zh"), "\ud800", "/columns/0/label_zh"),
            (("columns",), [BODY["columns"][1]] * 31, "/columns"),
            (("cut_offs", "pd_at_most"), 1, "/cut_offs/pd_at_most"),
            (("cut_offs", "grade_at_least"), "F", "/cut_offs/grade_at_least"),
            (("cut_offs", "rules", 0, "limit"), [0], "/cut_offs/rules/0/limit"),
            (("cut_offs", "rules", 0, "limit"), {"a": 1}, "/cut_offs/rules/0/limit"),
            (("cut_offs", "rules", 0, "outcome"), "arrest", "/cut_offs/rules/0/outcome"),
            (("unknown",), 1, "/unknown"),
        ],
    )
    def test_a_wrong_declaration_is_named_by_its_place(self, ours, path, value, pointer):
        # As text with escapes: no client encodes half a surrogate pair, but anybody may send one.
        body = json.dumps(changed(path, value))
        answer = ours.writer.call("PUT", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
        assert any(one["pointer"].startswith(pointer) for one in answer.json()["errors"]), answer.text
        assert ours.writer.call("GET").json()["items"] == []

    def test_weights_that_flip_too_many_grades_are_refused(self, ours):
        heavy = changed(("weights", 0, "log_odds"), -1.0)
        (said,) = ours.writer.call("PUT", json=heavy).json()["errors"][:1]
        assert "grades" in said["detail"]

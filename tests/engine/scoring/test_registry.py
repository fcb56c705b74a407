"""The register of models: four eyes, no step that the rules do not know, nothing changed unseen."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from creditlink.cli.training.model_seed import seed
from creditlink.engine.scoring.registry import (
    NEXT,
    STATUSES,
    RegistryError,
    from_json,
    refusal,
    register,
    standings,
    step,
    to_json,
)
from tests.engine.scoring.folders import write_folder

pytestmark = pytest.mark.pure

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
PURPOSES = ("underwriting", "monitoring")


def registered(model_id="m1", entries=(), purposes=PURPOSES):
    made = register(
        entries,
        model_id=model_id,
        manifest_sha256="a" * 64,
        purposes=purposes,
        owner="risk",
        by="ada",
        at=NOW,
        reason="made",
    )
    return (*entries, made)


def went(entries, *steps, model_id="m1"):
    for action, status, by in steps:
        entries = (
            *entries,
            step(entries, model_id=model_id, action=action, status=status, by=by, at=NOW, reason="because"),
        )
    return entries


def promoted(entries, model_id="m1", to=("validated", "live")):
    for status in to:
        entries = went(entries, ("propose", status, "ada"), ("approve", status, "ben"), model_id=model_id)
    return entries


def test_two_operators_make_a_model_live():
    standing = standings(promoted(registered()))["m1"]
    assert (standing.status, standing.owner, standing.proposed) == ("live", "risk", None)


def test_nobody_approves_what_they_proposed():
    entries = went(registered(), ("propose", "validated", "ada"))
    with pytest.raises(RegistryError, match="ada proposed validated; another operator"):
        went(entries, ("approve", "validated", "ada"))
    assert standings(entries)["m1"].proposed == ("validated", "ada")


def test_nothing_is_approved_that_was_not_proposed():
    for steps in ([("approve", "validated", "ben")], [("propose", "validated", "ada"), ("approve", "live", "ben")]):
        with pytest.raises(RegistryError, match=r"nobody proposed|may not follow"):
            went(registered(), *steps)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_follows_only_those_it_may(status):
    may = {s for s, after in NEXT.items() if status in after}
    if status in ("candidate", "retired"):
        return
    assert "retired" not in may
    with pytest.raises(RegistryError, match=f"{status} may not follow retired"):
        went(registered(), ("retire", "retired", "ada"), ("propose", status, "ada"))


def test_one_operator_withdraws_a_model_and_there_is_no_way_back():
    entries = went(promoted(registered()), ("retire", "retired", "cleo"))
    assert standings(entries)["m1"].status == "retired"
    with pytest.raises(RegistryError, match="live may not follow retired"):
        went(entries, ("propose", "live", "ada"))


def test_a_new_live_model_retires_the_one_of_its_purposes():
    entries = promoted(promoted(registered()), model_id="m1", to=())
    entries = promoted(registered("m2", entries, ("monitoring",)), model_id="m2")
    entries = promoted(registered("m3", entries, ("report",)), model_id="m3")
    assert {k: v.status for k, v in standings(entries).items()} == {"m1": "retired", "m2": "live", "m3": "live"}


def test_what_was_changed_or_taken_out_breaks_the_chain():
    entries = promoted(registered())
    assert from_json(to_json(entries)) == entries
    for tampered in (
        (*entries[:2], replace(entries[2], by="mallory"), *entries[3:]),
        (*entries[:2], *entries[3:]),
        (*entries[:2], replace(entries[2], by="mallory").sealed(), *entries[3:]),
    ):
        with pytest.raises(RegistryError, match="chain of hashes is broken"):
            standings(tampered)
    with pytest.raises(RegistryError, match="registry"):
        from_json('{"entries": [{"model_id": "m1"}]}')


def test_where_a_model_may_serve():
    live, candidate = standings(promoted(registered()))["m1"], standings(registered())["m1"]
    same, other = {"manifest_sha256": "a" * 64}, {"manifest_sha256": "b" * 64}
    assert refusal(live, production=True, **same) is None
    assert refusal(live, production=True, purpose="monitoring", **same) is None
    assert "not for cultivation" in refusal(live, production=True, purpose="cultivation", **same)
    assert "manifest has changed" in refusal(live, production=False, **other)
    assert "candidate, not live" in refusal(candidate, production=True, **same)
    assert refusal(candidate, production=False, **same) is None
    assert refusal(None, production=False, **same) is None
    assert refusal(None, production=True, **same) == "is not registered"
    retired = standings(went(registered(), ("retire", "retired", "ada")))["m1"]
    assert refusal(retired, production=False, **same) == "is retired"


def test_the_commands_walk_a_model_to_live(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDITLINK_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("CREDITLINK_ENVIRONMENT", "test")
    monkeypatch.setenv("CREDITLINK_SECRET_KEY", "k" * 40)
    write_folder(tmp_path / "m1")

    def call(*words):
        return CliRunner().invoke(seed, words)

    why = ("--reason", "because")
    assert call("register", "m1", "--owner", "risk", "--by", "ada", *why).exit_code == 0
    for status in ("validated", "live"):
        assert call("propose", "m1", status, "--by", "ada", *why).exit_code == 0
        refused = call("approve", "m1", status, "--by", "ada", *why)
        assert refused.exit_code == 1
        assert "another operator must approve" in refused.output
        assert call("approve", "m1", status, "--by", "ben", *why).exit_code == 0
    assert "m1: live" in call("list").output
    assert "registered already" in call("register", "m1", "--owner", "risk", "--by", "ada", *why).output
    assert "not registered" in call("retire", "m2", "--by", "ada", *why).output
    assert "no such file" in call("register", "m2", "--owner", "risk", "--by", "ada", *why).output

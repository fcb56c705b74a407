"""Who serves is read from the register: a change reaches a running process without a restart."""

import shutil
import time
from dataclasses import replace

import pytest

from creditlink.engine.profile.live_model import LiveModel
from creditlink.engine.scoring.model import MANIFEST, sha256_of
from creditlink.kit.errors import ModelPurpose
from creditlink.kit.postgres import db
from creditlink.kit.processes import runtime
from creditlink.lifecycle.tables import PurposeStanding, RegisteredModel
from creditlink.profiles.serving import watch
from creditlink.profiles.serving.live import load_first
from creditlink.profiles.serving.watch import ServedModels
from tests import factories as make


@pytest.fixture
def folder(settings, tmp_path):
    """The models' folder with the champion twice, under two names."""
    models = tmp_path / "models"
    shutil.copytree(settings.models_dir / settings.model, models / "m1")
    shutil.copytree(models / "m1", models / "m2")
    manifest = (models / "m2" / MANIFEST).read_text().replace(settings.model, "m2")
    (models / "m2" / MANIFEST).write_text(manifest)
    return models


@pytest.fixture
def served(settings, empty_database, folder, monkeypatch):
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    here = replace(settings, models_dir=folder, model="m1")
    first = load_first(here)
    parts = runtime.Runtime()
    parts.put(first)
    models = ServedModels(here, first)
    return models, parts, first


def say(folder, **live):
    """Write the register: purpose -> the model that is live for it."""
    with db.transaction("owner") as session:
        session.query(PurposeStanding).delete()
        session.query(RegisteredModel).delete()
        for model_id in ("m1", "m2"):
            sha = sha256_of((folder / model_id / MANIFEST).read_bytes())
            row = {"manifest_sha256": sha, "owner": "x", "tier": "1", "intended_use": "x", "limits": "x", "inputs": []}
            session.add(RegisteredModel(model_id=model_id, registered_at=make.NOW, **row))
        session.flush()
        for purpose, model_id in live.items():
            session.add(PurposeStanding(model_id=model_id, purpose=purpose, status="live", since_at=make.NOW))


def until(condition, models=None, parts=None):
    for _ in range(600):
        if condition():
            return
        if models is not None:
            models.look(parts)
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_without_a_register_a_sandbox_serves_what_the_settings_name(served):
    models, parts, first = served
    models.look(parts)
    assert models.live_for("underwriting", first) is first


def test_production_without_a_register_serves_nothing(served, settings):
    _, parts, first = served
    models = ServedModels(replace(settings, environment="production"), first)
    models.look(parts)
    with pytest.raises(ModelPurpose, match="register of models is empty"):
        models.live_for("underwriting", first)


def test_the_first_request_waits_for_the_live_model_and_each_purpose_has_its_own(served, folder):
    models, parts, first = served
    say(folder, underwriting="m2", monitoring="m1")
    models.look(parts)
    assert models.live_for("underwriting", first).model_id == "m2"
    assert models.live_for("monitoring", first).model.manifest == first.model.manifest
    assert parts.of(LiveModel).model_id == "m2"
    with pytest.raises(ModelPurpose, match="no model is live for report"):
        models.live_for("report", first)


def test_a_change_is_followed_and_taken_back(served, folder):
    models, parts, first = served
    say(folder, underwriting="m1")
    models.look(parts)
    before = models.live_for("underwriting", first)
    for wanted in ("m2", "m1"):
        say(folder, underwriting=wanted)
        models.look(parts)
        is_first = wanted == "m1"
        until(lambda want=is_first: (models.live_for("underwriting", first) is before) == want, models, parts)
    say(folder)
    models.look(parts)
    until(lambda: not models._serving, models, parts)
    with pytest.raises(ModelPurpose):
        models.live_for("underwriting", first)


def test_a_folder_that_is_not_the_registered_one_is_not_served(served, folder):
    models, parts, first = served
    say(folder, underwriting="m1")
    models.look(parts)
    manifest = folder / "m2" / MANIFEST
    say(folder, underwriting="m2")
    manifest.write_text(manifest.read_text() + " ")
    models.look(parts)
    until(lambda: models._wanted == {}, models, parts)
    assert models.live_for("underwriting", first).model_id == first.model_id
    manifest.write_text(manifest.read_text()[:-1])  # mended: the next look finds it
    models.look(parts)
    until(lambda: models.live_for("underwriting", first).model_id == "m2", models, parts)


def test_a_database_that_is_away_changes_nothing(served, folder, monkeypatch):
    models, parts, first = served
    say(folder, underwriting="m2")
    models.look(parts)
    with monkeypatch.context() as patched:
        patched.setattr(db, "_current", db.Database("postgresql://nobody@127.0.0.1:1/nothing"))
        patched.setattr(watch, "STALE_SECONDS", -1.0)  # the request itself looks
        models.look(parts)
    assert models.live_for("underwriting", first).model_id == "m2"

"""The model of commands: the register's where there is one, and never one that nobody signed for in production."""

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from creditlink.audit.tables import AuditEntry
from creditlink.cli.financing import financing
from creditlink.cli.screening.screen import make_plan
from creditlink.cli.serving import model_for
from creditlink.engine.scoring.model import MANIFEST, sha256_of
from creditlink.kit.clock import day_of, utc_now
from creditlink.kit.postgres import db
from creditlink.kit.settings import SettingError
from creditlink.lifecycle.tables import PurposeStanding, RegisteredModel
from creditlink.profiles.serving.in_use import model_in_use
from tests.factories import make_staff

PURPOSE = "prequalification"
NOWHERE = "postgresql://127.0.0.1:9/nowhere"


@pytest.fixture
def shelf(settings, tmp_path):
    """Settings whose folder of models has the champion, and the same model under a second name."""
    folder = tmp_path / "models"
    for name in (settings.model, "second"):
        shutil.copytree(settings.models_dir / settings.model, folder / name)
    manifest = folder / "second" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"model_id": "second"}))
    return replace(settings, models_dir=folder)


def put_live(shelf, name="second", purposes=(PURPOSE,), status="live"):
    sha256 = sha256_of((shelf.models_dir / name / MANIFEST).read_bytes())
    with db.transaction("owner") as session:
        session.add(
            RegisteredModel(
                model_id=name,
                manifest_sha256=sha256,
                owner="ada",
                tier="1",
                intended_use="x",
                limits="x",
                inputs=[],
                registered_at=utc_now(),
            )
        )
        session.flush()
        session.add_all(PurposeStanding(model_id=name, purpose=p, status=status, since_at=utc_now()) for p in purposes)


class TestWithADatabase:
    def test_an_empty_register_leaves_it_to_the_settings_but_not_in_production(self, shelf, empty_database):
        with db.transaction() as session:
            assert model_in_use(session, shelf, PURPOSE).model_id == shelf.model
            with pytest.raises(SettingError, match="nobody signed for a model"):
                model_in_use(session, replace(shelf, environment="production"), PURPOSE)

    def test_what_the_register_has_live_serves_for_its_purpose_alone(self, shelf, empty_database):
        put_live(shelf)
        assert model_for(shelf, None, PURPOSE).model_id == "second"
        with pytest.raises(SettingError, match="no live model for underwriting"):
            model_for(shelf, None, "underwriting")

    def test_a_registered_model_that_is_not_live_does_not_serve(self, shelf, empty_database):
        put_live(shelf, status="retired")
        with pytest.raises(SettingError, match="no live model"):
            model_for(shelf, None, PURPOSE)

    def test_a_folder_that_is_not_the_registered_one_is_refused(self, shelf, empty_database):
        put_live(shelf)
        manifest = shelf.models_dir / "second" / MANIFEST
        manifest.write_text(manifest.read_text() + "\n")
        with pytest.raises(SettingError, match="its manifest has changed"):
            model_for(shelf, None, PURPOSE)

    def test_a_screening_names_the_live_model_in_its_plan(self, shelf, empty_database, tmp_path, monkeypatch):
        put_live(shelf)
        monkeypatch.setattr("creditlink.cli.screening.screen.load_settings", lambda: shelf)
        monkeypatch.setattr("creditlink.cli.screening.screen.stated_hashes", lambda _folder: {})
        products = shelf.config_dir / "products.toml"
        plan = make_plan(str(tmp_path), str(tmp_path), day_of(utc_now()), products)
        assert plan.model == shelf.models_dir / "second"
        assert plan.model_sha256 == sha256_of((plan.model / MANIFEST).read_bytes())
        assert make_plan(str(tmp_path), str(tmp_path), day_of(utc_now()), products, model=shelf.model).model.name == (
            shelf.model
        )


class TestWithout:
    def test_the_settings_decide_and_nothing_is_started(self, shelf, tmp_path, monkeypatch):
        def never(_settings):
            raise AssertionError("no database may be opened")

        monkeypatch.setattr("creditlink.cli.serving.open_database", never)
        assert model_for(replace(shelf, database_url=None), None, PURPOSE).model_id == shelf.model
        assert not (shelf.var_dir / "postgres").exists()

    def test_one_that_is_away_is_said_and_stops_production(self, shelf, capsys):
        away = replace(shelf, database_url=NOWHERE)
        assert model_for(away, None, PURPOSE).model_id == shelf.model
        assert "the register of models cannot be read" in capsys.readouterr().err
        with pytest.raises(SettingError, match="name a model with --model"):
            model_for(replace(away, environment="production", database_api_url=NOWHERE), None, PURPOSE)

    @pytest.mark.parametrize("name", ["third", "", "../second", "second/"])
    def test_a_name_that_is_no_folder_is_refused(self, shelf, name):
        with pytest.raises(SettingError, match="there is no such folder"):
            model_for(shelf, name, PURPOSE)

    def test_a_named_one_needs_no_database(self, shelf):
        assert model_for(replace(shelf, database_url=NOWHERE), "second", PURPOSE).model_id == "second"


class TestWhoActs:
    @pytest.fixture
    def run(self, settings, empty_database, monkeypatch):
        start = lambda role: (settings, db.configure(empty_database, role=role))  # noqa: E731
        monkeypatch.setattr("creditlink.cli.financing.start", start)
        with db.transaction("owner") as session:
            make_staff(session, "olga", "operator")
            make_staff(session, "aud", "auditor")
        return lambda *said: CliRunner().invoke(financing, [str(one) for one in said])

    def entries(self):
        with db.transaction("owner") as session:
            return {entry.action: entry.actor for entry in session.scalars(select(AuditEntry))}

    def test_what_is_learnt_names_the_person(self, run):
        answer = run("learn", "--as", "olga")
        assert answer.exit_code == 0, answer.output
        assert self.entries()["approval.learn"].startswith("staff:")

    @pytest.mark.parametrize(("who", "said"), [("aud", "operator"), ("nobody", "'nobody' is no member of staff")])
    @pytest.mark.parametrize("command", ["learn", "outcomes"])
    def test_one_without_the_role_is_refused_and_nothing_is_done(self, run, tmp_path, command, who, said):
        file = tmp_path / "loans.csv"
        file.write_text("application_id,kind,on,amount_fen\n")
        more = {"learn": (), "outcomes": (file, "--institution", "x")}
        answer = run(command, *more[command], "--as", who)
        assert answer.exit_code == 1, answer.output
        assert said in answer.output
        assert "approval.learn" not in self.entries()

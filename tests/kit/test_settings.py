"""Production refuses every convenience of the sandbox, by name."""

import json
import shutil

import pytest

from creditlink.kit.settings import ROOT, SettingError, load_settings
from creditlink.profiles.serving.live import load_live
from creditlink.records.sources import load_sources
from creditlink.web.wiring import check_files

pytestmark = pytest.mark.pure

FULL = {
    "CREDITLINK_ENVIRONMENT": "production",
    "CREDITLINK_ISSUER": "https://credit.example",
    "CREDITLINK_SECRET_KEY": "k" * 40,
    "DATABASE_URL": "postgresql://owner@db.example/creditlink",
    "DATABASE_API_URL": "postgresql://api@db.example/creditlink",
}


def test_production_starts_with_everything_it_needs():
    assert load_settings(FULL).is_production


@pytest.mark.parametrize("left_out", ["CREDITLINK_SECRET_KEY", "DATABASE_URL", "DATABASE_API_URL"])
def test_production_names_what_is_absent(left_out):
    with pytest.raises(SettingError, match=left_out):
        load_settings({k: v for k, v in FULL.items() if k != left_out})


def test_production_needs_https():
    with pytest.raises(SettingError, match="https"):
        load_settings(FULL | {"CREDITLINK_ISSUER": "http://credit.example"})


def test_a_metrics_token_that_can_be_guessed_is_refused_and_never_shown():
    with pytest.raises(SettingError, match="metrics_token") as refused:
        load_settings(FULL | {"CREDITLINK_METRICS_TOKEN": "short"})
    assert "short" not in str(refused.value)
    settings = load_settings(FULL | {"CREDITLINK_METRICS_TOKEN": "m" * 32})
    assert settings.metrics_token == "m" * 32
    assert "mmm" not in repr(settings)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("CREDITLINK_SECRET_KEYS", "CREDITLINK_SECRET_KEY"), ("CREDITLINK_POOLSIZE", "CREDITLINK_POOL_SIZE")],
)
def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(written, meant):
    with pytest.raises(SettingError) as refused:
        load_settings(FULL | {written: "x" * 40})
    assert str(refused.value) == f"unknown variable {written} in the environment; is {meant} meant?"


def test_a_misspelt_variable_of_a_bureau_is_named(settings_of_tests):
    with pytest.raises(SettingError, match=r"CREDITLINK_BUREAU_TAX_SECRETS .* CREDITLINK_BUREAU_TAX_SECRET meant"):
        load_sources(settings_of_tests, {"CREDITLINK_BUREAU_TAX_SECRETS": "x"})


@pytest.fixture
def settings_of_tests(tmp_path):
    return load_settings({"CREDITLINK_VAR_DIR": str(tmp_path)})


@pytest.fixture
def config_dir(tmp_path):
    """A copy of the configuration, to be broken."""
    return shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("locks"))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("purposes.toml", 'version = "1"', "clock_slack_seconds must be a whole number from 0, got None"),
        ("purposes.toml", "version = ", "Invalid value"),
        ("purposes.toml", b"version = \xff\n", "UTF-8"),
        ("financing.toml", "", "financing.toml"),
        ("declines.toml", "", "declines.toml"),
        ("matching.toml", "", "matching.toml"),
        ("price_response.csv", "", "price_response.csv"),
        ("sources.toml", "", "circuit.failures"),
        ("capacity.toml", "", "cover is absent"),
        ("validity.toml", "version = 1", "days is absent"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(config_dir, tmp_path, file, text, said):
    (config_dir / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    settings = load_settings({"CREDITLINK_VAR_DIR": str(tmp_path), "CREDITLINK_CONFIG_DIR": str(config_dir)})
    with pytest.raises(SettingError) as refused:
        check_files(settings)
    assert said in str(refused.value)
    assert file in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("manifest.json", None),
        ("manifest.json", "{"),
        ("manifest.json", "[]"),
        ("manifest.json", "{}"),
        ("manifest.json", '{"files": {}}'),
        ("model.ubj", "not a model"),
        ("reference.json", None),
        ("reference.json", "{"),
        ("reference.json", "[]"),
        ("reference.json", "{}"),
    ],
)
def test_a_broken_model_folder_is_named(tmp_path, file, text):
    folder = shutil.copytree(ROOT / "models" / "city-2026g", tmp_path / "models" / "city-2026g")
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    settings = load_settings({"CREDITLINK_VAR_DIR": str(tmp_path), "CREDITLINK_MODELS_DIR": str(tmp_path / "models")})
    with pytest.raises(SettingError, match=r"setting model='city-2026g': ") as refused:
        load_live(settings)
    assert "\n" not in str(refused.value)


def test_production_names_a_model_that_is_only_a_candidate(tmp_path):
    shutil.copytree(ROOT / "models" / "city-2026g", tmp_path / "city-2026g")
    register = json.loads((ROOT / "models" / "registry.json").read_text())
    (tmp_path / "registry.json").write_text(json.dumps(register | {"entries": register["entries"][:13]}))
    with pytest.raises(SettingError) as refused:
        load_live(load_settings(FULL | {"CREDITLINK_MODELS_DIR": str(tmp_path)}))
    assert str(refused.value) == (
        "setting model='city-2026g': the model is candidate, not live: two operators must promote it"
    )


def test_a_folder_for_data_that_cannot_be_is_named(tmp_path):
    (tmp_path / "var").write_text("a file")
    with pytest.raises(SettingError, match=r"setting var_dir=.*var'"):
        load_settings({"CREDITLINK_VAR_DIR": str(tmp_path / "var")})

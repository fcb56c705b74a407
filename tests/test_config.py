"""Production refuses every convenience of the sandbox, by name."""

import pytest

from creditlink.config import SettingError, load_settings

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

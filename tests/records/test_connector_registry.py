"""Connectors come from one table and from packages; configuration says which office speaks which dialect, and where."""

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from creditlink.kit.settings import ROOT, SettingError
from creditlink.records.offices import installed, regions
from creditlink.records.offices.builtin import BUILT_IN
from creditlink.records.offices.factory import GROUP, ConnectorFactory, FactoryFault
from creditlink.records.sources import load_sources

pytestmark = pytest.mark.pure

SHIPPED = (ROOT / "config" / "sources.toml").read_text()
SECOND = """
[sources.guangxi]
connector = "social_security"
categories = ["social_security"]
regions = ["45"]
base_url = "http://127.0.0.1:7009"
fresh_hours = 24
credentials = { api_key = "second-key" }
"""

WELL = ConnectorFactory("elsewhere", ("fund_months",), (), lambda _office: None)
MISNAMED = ConnectorFactory("tax", ("fund_months",), (), lambda _office: None)
NO_FACTORY = "a text"


def point(value, name="elsewhere"):
    return EntryPoint(name, f"{__name__}:{value}" if ":" not in value else value, GROUP)


@pytest.fixture
def configured(shipped, tmp_path):
    def read(text, env=None):
        (tmp_path / "sources.toml").write_text(text)
        return load_sources(replace(shipped, config_dir=tmp_path), env or {})

    return read


class TestPackages:
    def test_a_package_adds_its_dialect(self):
        found = installed.factories([point("WELL")])
        assert found["elsewhere"] is WELL
        assert set(found) == {"elsewhere", *(factory.name for factory in BUILT_IN)}

    def test_one_package_on_two_folders_of_the_path_is_one(self):
        assert installed.factories([point("WELL"), point("WELL")])["elsewhere"] is WELL

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            (point("no_such_package_anywhere:FACTORY"), r"no_such_package_anywhere.*ModuleNotFoundError"),
            (point("NOT_THERE"), "'elsewhere'.*does not load: AttributeError"),
            (point("NO_FACTORY"), "is a str, not a ConnectorFactory"),
            (point("WELL", "other"), "'other'.*factory of another name, 'elsewhere'"),
            (point("MISNAMED", "tax"), "'tax' is offered by creditlink itself already"),
        ],
    )
    def test_one_that_is_not_whole_stops_the_start_by_name(self, broken, said):
        with pytest.raises(SettingError, match=said):
            installed.factories([point("WELL"), broken] if broken.name != "elsewhere" else [broken])

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"name": "Two Words"}, "'Two Words'"),
            ({"name": None}, "None"),
            ({"frames": ("gossip",)}, "'gossip'"),
            ({"frames": ("registration",)}, "'registration'"),
            ({"frames": ()}, "none is named"),
            ({"credentials": ("url",)}, "'url'"),
            ({"credentials": ("api key",)}, "'api key'"),
        ],
    )
    def test_a_factory_says_what_is_wrong_with_it(self, change, said):
        with pytest.raises(FactoryFault, match=said):
            replace(WELL, **change)


class TestConfiguration:
    def test_two_offices_speak_one_dialect_each_in_its_place(self, configured):
        config = configured(SHIPPED + SECOND)
        assert config.serving("450100").of_category("social_security") == "guangxi"
        assert config.serving("440600").of_category("social_security") == "social_security"
        assert config.serving("").of_category("social_security") == "social_security"
        asked = config.serving("450100").for_categories(["tax", "social_security"])
        assert {"tax", "guangxi"} <= set(asked)
        assert "social_security" not in asked

    def test_where_no_office_serves_none_holds_the_category(self, configured):
        text = SHIPPED.replace("[sources.social_security]", '[sources.social_security]\nregions = ["44"]')
        assert configured(text + SECOND).serving("110100").of_category("social_security") is None

    def test_each_office_has_its_own_variables(self, configured):
        env = {"CREDITLINK_BUREAU_GUANGXI_API_KEY": "k", "CREDITLINK_BUREAU_GUANGXI_URL": "https://x.test"}
        second = configured(SHIPPED + SECOND, env).sources["guangxi"]
        assert (second.credentials["api_key"], second.base_url) == ("k", "https://x.test")
        with pytest.raises(SettingError, match=r"GUANGXI_APIKEY.*is CREDITLINK_BUREAU_GUANGXI_API_KEY meant"):
            configured(SHIPPED + SECOND, {"CREDITLINK_BUREAU_GUANGXI_APIKEY": "k"})

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('"social_security"\ncat', '"nobody"\ncat', "sources.guangxi.connector.*'nobody'.*social_security"),
            ('["45"]', '["4"]', "sources.guangxi.regions.*'4'"),
            ('["45"]', '["45", 45]', "sources.guangxi.regions.*45"),
            ('["45"]', '"45"', "sources.guangxi.regions.*must be a list"),
            ('["45"]', "[]", "social_security holds social_security for all regions already"),
            ('["social_security"]', '["tax"]', "sources.guangxi.categories.*'tax'"),
            ('["social_security"]', "[]", "sources.guangxi.categories.*not empty"),
            ("fresh_hours = 24", "fresh_hours = inf", "sources.guangxi.fresh_hours"),
            ("[sources.guangxi]", '[sources."guang xi"]', "guang xi"),
            (":7009", ":70099", "sources.guangxi.base_url"),
            ("http://", "http://[", "sources.guangxi.base_url"),
            ('"second-key"', "7", "sources.guangxi.credentials.api_key"),
            ('{ api_key = "second-key" }', '"second-key"', "sources.guangxi.credentials.*must be a table"),
        ],
    )
    def test_a_wrong_entry_is_named(self, configured, old, new, said):
        assert old in SECOND
        with pytest.raises(SettingError, match=said):
            configured(SHIPPED + SECOND.replace(old, new, 1))

    def test_two_offices_never_claim_one_region(self, configured):
        third = SECOND.replace("guangxi", "third").replace('["45"]', '["46", "45"]')
        with pytest.raises(SettingError, match=r"third.*guangxi holds social_security for region 45"):
            configured(SHIPPED + SECOND + third)


class TestRegions:
    def test_the_closest_office_is_asked(self):
        offices = {"all": (), "province": ("44",), "city": ("4406", "4407")}
        found = {region: regions.closest(offices, region) for region in ("440605", "440100", "450100", "")}
        assert found == {"440605": "city", "440100": "province", "450100": "all", "": "all"}

    def test_there_may_be_none(self):
        assert regions.closest({"province": ("44",)}, "450100") is None
        assert regions.closest({}, "440600") is None

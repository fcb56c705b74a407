"""How firms respond to a price: a measured curve, and the rate that brings a lender most."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from creditlink.cli.products import products
from creditlink.engine.features.catalogue import BY_NAME
from creditlink.engine.matching import encoding
from creditlink.engine.matching.book import compile_book
from creditlink.engine.matching.match import match_many
from creditlink.engine.matching.offers.offer import Ask
from creditlink.engine.matching.offers.price_response import GROUPS, Response
from creditlink.engine.matching.products.subjects import Subjects
from creditlink.engine.matching.settings import MatchingSettingsInvalid
from creditlink.kit.files.textfile import TextFile, decode
from creditlink.kit.settings import ROOT
from creditlink.products.files.price_response import PriceResponseInvalid, parse
from creditlink.products.files.seed import load_seed
from creditlink.products.files.settings import load_settings
from tests.engine.matching.samples import SEED, SETTINGS

HEAD = "annual_rate,churn_A,churn_B,churn_C\n"
GOOD = HEAD + "0.04,0,0,0\n0.06,0.4,0.3,0.2\n0.08,0.35,0.6,0.5\n0.12,0.9,0.8,0.7\n"


@pytest.mark.pure
class TestCurve:
    def test_a_lower_share_at_a_higher_rate_is_levelled(self):
        curves = parse(TextFile(GOOD), source="x.csv")
        assert curves["A"].churn == (0.0, 0.4, 0.4, 0.9)
        assert curves["A"].rates_bps == (400.0, 600.0, 800.0, 1200.0)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (HEAD.replace("churn_B", "b") + "0.04,0,0,0\n", "column churn_B is missing"),
            (GOOD.replace("0.4,0.3", "0.4,high"), "line 3: churn_B 'high': must be a number"),
            (GOOD.replace("0.9,", "1.9,"), "line 5: churn_A '1.9': must lie between 0 and 1"),
            (GOOD.replace("0.08,", "0.05,"), "line 4: annual_rate '0.05': rates must ascend"),
            (HEAD + "0.04,0,0,0\n", "1 rates, at least 3 are needed"),
            (GOOD.replace("0.12,0.9,0.8,0.7", "0.12,0.9"), "line 5: line '0.12,0.9': has 2 fields, the header has 4"),
            ("", "column annual_rate is missing"),
        ],
    )
    def test_what_is_wrong_is_named_by_line_column_and_value(self, text, said):
        with pytest.raises(PriceResponseInvalid, match=r"x\.csv") as refused:
            parse(TextFile(text), source="x.csv")
        assert said in str(refused.value)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_what_spreadsheets_write_is_read(self, encoding, end):
        text = GOOD.replace("churn_C", "churn_C,备注").replace("0,0,0\n", "0,0,0,\n").replace("0.2\n", "0.2,实测\n")
        text = text.replace("0.5\n", "0.5,\n").replace("0.7\n", "0.7,\n")
        found = parse(decode(text.replace("\n", end).encode(encoding)), source="x.csv")
        assert found == parse(TextFile(GOOD), source="x.csv")

    @given(
        st.lists(st.floats(0, 1), min_size=4, max_size=9),
        st.floats(0, 1500),
        st.floats(100, 2400),
        st.floats(0, 1500),
    )
    @settings(max_examples=80, deadline=None)
    def test_no_rate_of_the_range_brings_more(self, churn, break_even, low, width):
        curve = Response(tuple(400.0 + 150 * k for k in range(len(churn))), tuple(sorted(churn)))
        low_, even = np.array([low]), np.array([break_even])
        (best,) = curve.best_rate_bps(even, low_, low_ + width)
        known = max(low, min(low + width, curve.rates_bps[-1]))
        assert low <= best <= known

        def gain(rate):
            return (1 - curve.churn_at(rate)) * (rate - break_even)

        assert gain(best) >= gain(np.linspace(low, known, 2001)).max() - 1e-6


@pytest.fixture(scope="module")
def seeded_match():
    """The seed's products beside one firm of grade B."""
    book = compile_book(load_seed(SEED)[1], BY_NAME, SETTINGS)
    numbers = {"profile.pd_12m": 0.02, "profile.grade": 3.0, "profile.points": 650.0, "indicator.sales_12_fen": 6e8}
    firm = Subjects(np.zeros(1, dtype=np.int32), {name: np.array([value]) for name, value in numbers.items()}, {})
    return match_many(book, firm, ask=Ask(100_000_000, 12)).explain(0)


class TestOffers:
    def test_each_offer_says_how_firms_respond_and_the_best_rate(self, seeded_match):
        for match in seeded_match:
            offer, terms = match.offer, match.product
            assert terms.rate_bps_min <= offer.best_rate_bps <= max(terms.rate_bps_max, terms.rate_bps_min)
            assert 0 <= offer.churn <= 1
            assert 0 <= offer.best_rate_churn <= 1
            if offer.unclipped_bps >= terms.rate_bps_min:
                assert offer.best_rate_bps >= min(offer.rate_bps, terms.rate_bps_max) - 1
        told = seeded_match[0].offer.to_dict()
        assert {"churn", "best_rate_bps", "best_rate_churn"} <= set(told)

    def test_it_is_kept_whatever_the_curve_is_by_then(self, seeded_match):
        raw = encoding.pack(seeded_match)
        again = encoding.unpack(raw, seeded_match.book)
        assert [one.offer for one in again] == [one.offer for one in seeded_match]


class TestConfiguration:
    def test_the_curve_of_the_configuration_is_good_and_public(self, client):
        told = client.get("/v1/matching-policy").json["settings"]["response"]
        assert set(told) == set(GROUPS)
        assert len(told["A"]["rates_bps"]) == len(told["A"]["churn"]) >= 3

    def test_a_wrong_one_stops_the_start_by_name(self, tmp_path):
        for name in ("matching.toml", "price_response.csv"):
            (tmp_path / name).write_text((ROOT / "config" / name).read_text("utf-8"), "utf-8")
        (tmp_path / "price_response.csv").write_text(HEAD, "utf-8")
        with pytest.raises(MatchingSettingsInvalid, match=r"price_response\.csv: 0 rates"):
            load_settings(tmp_path / "matching.toml")

    def test_the_command_checks_a_file_and_shows_the_best_rates(self, tmp_path):
        path = tmp_path / "curve.csv"
        path.write_text(GOOD)
        told = CliRunner().invoke(products, ["price-response", str(path), "--break-even", "300", "--json"])
        assert told.exit_code == 0
        assert '"group": "A"' in told.output
        path.write_text(GOOD.replace("0.9", "x"))
        refused = CliRunner().invoke(products, ["price-response", str(path)])
        assert refused.exit_code == 1
        assert "curve.csv, line 5: churn_A 'x'" in refused.output

"""The whole flow, as a bank sees it."""

from __future__ import annotations

import pytest

from tests.oauth.conftest import SCOPE


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
@pytest.mark.parametrize("dpop", ["ES256", "PS256", "EdDSA"])
def test_code_flow_with_every_key(make_bank, authorized, algorithm, dpop):
    bank = make_bank(algorithm, dpop=dpop)
    authorization = authorized(bank)
    answer = authorization.answer
    assert answer["token_type"] == "DPoP"
    assert 0 < answer["expires_in"] <= 600
    assert answer["scope"] == SCOPE
    assert answer["authorization_details"][0]["categories"] == ["registration", "tax"]
    assert answer["grant_id"].startswith("cns_")
    assert bank.introspect(authorization.access_token)["active"] is True

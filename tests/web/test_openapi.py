"""The committed OpenAPI document is what the code says."""

import json

from creditlink.kit.settings import ROOT


def test_the_committed_document_is_true(client):
    served = client.get("/openapi.json").json
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert served == committed, "run: make openapi"


def test_it_is_openapi_31(client):
    assert client.get("/openapi.json").json["openapi"] == "3.1.0"


def test_the_reference_page_needs_nothing_from_elsewhere(client):
    page = client.get("/reference")
    assert page.status_code == 200
    assert "http:" not in page.text
    for path in ("vendor/swagger-ui/swagger-ui-bundle.js", "vendor/swagger-ui/swagger-ui.css", "reference.js"):
        with client.get(f"/static/{path}") as file:
            assert file.status_code == 200

"""The committed OpenAPI document is what the code says."""

import json
import re

from creditlink.kit.settings import ROOT
from creditlink.web import reference
from creditlink.web.manual import inline, sections_of


def test_the_committed_document_is_true(client):
    served = client.get("/openapi.json").json
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert served == committed, "run: make openapi"


def test_it_is_openapi_31(client):
    assert client.get("/openapi.json").json["openapi"] == "3.1.0"


def test_the_reference_shows_every_operation_and_links_to_it(client):
    document = client.get("/openapi.json").json
    index = client.get("/reference?lang=en")
    assert index.status_code == 200
    pages = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for tag in operation["tags"] if method != "parameters" else ():
                pages.setdefault(tag, client.get(f"/reference/{tag}?lang=zh").text)
                anchor = re.search(
                    f'href="/reference/{tag}[^"]*#({method}[^"]*)"><code>{re.escape(path)}</code>', index.text
                )
                assert f'id="{anchor[1]}"' in pages[tag]
                for scope in [s for one in operation.get("security", []) for scopes in one.values() for s in scopes]:
                    assert f"<code>{scope}</code>" in pages[tag]
    for page in (index.text, *pages.values()):
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
        assert "<script" not in page
        assert " style=" not in page


def test_a_process_that_prepared_itself_reads_the_document_no_more(app, monkeypatch):
    reference.prepare(app)
    monkeypatch.setattr(reference, "sections_of", None)
    assert app.test_client().get("/reference/profiles").status_code == 200


def test_a_section_that_is_none_is_a_page_that_does_not_exist(client):
    for name in ("nothing", "%00", "a" * 3000, "..%2fprofiles"):
        assert client.get(f"/reference/{name}", headers={"Accept": "text/html"}).status_code == 404


def test_a_sample_is_of_the_schema_it_is_for(client):
    """Of every body that is asked for: each member that is required is there, of the type that is said."""
    document = client.get("/openapi.json").json
    for section in sections_of(document).values():
        for operation in section.operations:
            if operation.body:
                schema = document["components"]["schemas"][operation.body]
                assert set(schema.get("required", ())) <= json.loads(operation.sample).keys()


def test_descriptions_carry_no_markup():
    assert inline("`a<b` & **c** <script>") == "<code>a&lt;b</code> &amp; <strong>c</strong> &lt;script&gt;"

"""Outside the pages: a browser finds a page, a program a problem, and both get less to carry."""

import gzip
import re

import pytest

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en"}


def test_the_bare_address_leads_a_browser_to_the_pages(client):
    answer = client.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/portal/")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/portal/nowhere", 404), ("/reference/x", 404)])
def test_an_unknown_address_is_a_page_for_a_browser(client, path, status):
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == status
    assert answer.content_type.startswith("text/html")
    assert "This page does not exist" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/oauth/nowhere"])
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_program_gets_a_problem(client, path, accept):
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_programs_addresses_answer_problems_whatever_is_accepted(client):
    assert client.get("/v1/nowhere", headers=BROWSER).content_type == "application/problem+json"


def test_a_wrong_method_is_a_page_too(client):
    answer = client.post("/reference", headers=BROWSER)
    assert (answer.status_code, answer.content_type.split(";")[0]) == (405, "text/html")


class TestCompression:
    @pytest.mark.parametrize("path", ["/openapi.json", "/portal/static/portal.css", "/portal/sign-in"])
    def test_large_texts_are_compressed_for_whoever_accepts_it(self, client, path):
        plain = client.get(path, buffered=True)
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert len(packed.data) < len(plain.data) * 0.7
        assert int(packed.headers["Content-Length"]) == len(packed.data)
        hide = lambda body: re.sub(rb'csrf_token" value="[^"]*"', b"", body)  # noqa: E731
        assert hide(gzip.decompress(packed.data)) == hide(plain.data)

    def test_small_answers_and_other_callers_are_left_alone(self, client):
        assert "Content-Encoding" not in client.get("/health/live", headers={"Accept-Encoding": "gzip"}).headers
        refused = client.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert "Content-Encoding" not in refused.headers

    def test_a_known_file_is_not_sent_again(self, client):
        first = client.get("/portal/static/portal.css", headers={"Accept-Encoding": "gzip"})
        again = client.get(
            "/portal/static/portal.css",
            buffered=True,
            headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]},
        )
        assert (again.status_code, again.data) == (304, b"")

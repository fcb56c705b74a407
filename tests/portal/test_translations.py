"""Every text of the pages exists in Chinese, and what is compiled is what is written."""

import io
import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from creditlink.config import ROOT

pytestmark = pytest.mark.pure
FOLDER = ROOT / "creditlink" / "portal"
PO = FOLDER / "translations" / "zh" / "LC_MESSAGES" / "messages.po"


@pytest.fixture(scope="module")
def written():
    return read_po(io.BytesIO(PO.read_bytes()), locale="zh")


def test_every_text_is_translated(written):
    found = extract_from_dir(FOLDER, method_map=[("**.py", "python"), ("**/templates/**.html", "jinja2")])
    used = {message for _, _, message, _, _ in found}
    have = {message.id: message.string for message in written if message.id}
    assert used - set(have) == set()
    assert set(have) - used == set()
    assert [text for text, chinese in have.items() if not chinese] == []


def test_placeholders_survive_translation(written):
    for message in written:
        if message.id:
            assert set(re.findall(r"%\(\w+\)\w", message.id)) == set(re.findall(r"%\(\w+\)\w", message.string))


def test_the_compiled_catalogue_is_current(written):
    compiled = read_mo(io.BytesIO(PO.with_suffix(".mo").read_bytes()))
    assert {m.id: m.string for m in compiled if m.id} == {m.id: m.string for m in written if m.id}

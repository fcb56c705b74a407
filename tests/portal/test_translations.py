"""Every text of the pages exists in Chinese, and what is compiled is what is written."""

import io
import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from creditlink.kit.settings import ROOT

pytestmark = pytest.mark.pure
FOLDER = ROOT / "creditlink" / "portal"
FOLDERS = (FOLDER, ROOT / "creditlink" / "desk", ROOT / "creditlink" / "web")
PO = FOLDER / "translations" / "zh" / "LC_MESSAGES" / "messages.po"


def whole(text):
    """Return a text, or both forms of a text with a plural, as one."""
    return text if isinstance(text, str) else "\n".join(text)


def placeholders(text):
    return set(re.findall(r"%\(\w+\)\w", whole(text)))


@pytest.fixture(scope="module")
def written():
    return read_po(io.BytesIO(PO.read_bytes()), locale="zh")


def test_every_text_is_translated(written):
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    found = [one for folder in FOLDERS for one in extract_from_dir(folder, method_map=methods)]
    used = {message if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found}
    have = {message.id: whole(message.string) for message in written if message.id}
    assert used - set(have) == set()
    assert set(have) - used == set()
    assert [text for text, chinese in have.items() if not chinese] == []


def test_placeholders_survive_translation(written):
    for message in written:
        if message.id:
            assert placeholders(message.id) == placeholders(message.string)
            # A template formats every text: a bare per cent sign breaks its page.
            assert not re.search(r"%(?![(%])", whole(message.string).replace("%%", "")), message.id


def test_the_compiled_catalogue_is_current(written):
    compiled = read_mo(io.BytesIO(PO.with_suffix(".mo").read_bytes()))
    assert {whole(m.id): whole(m.string) for m in compiled if m.id} == {
        whole(m.id): whole(m.string) for m in written if m.id
    }

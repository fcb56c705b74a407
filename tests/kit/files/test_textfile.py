"""The one reader of text files: encodings, line ends, numbered lines, and JSON taken strictly."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditlink.kit.files.textfile import JsonInvalid, TextFile, TextUnreadable, decode, json_of, read_toml

pytestmark = pytest.mark.pure

TEXT = "uscc,name\n1,佛山\n2,é\n"
CHINESE = "编号,性别,婚姻\n1,男,已婚\n2,女,\n3,女,\n"


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_encoding_and_line_end_reads_alike(self, encoding, end):
        text = CHINESE.replace("\n", end)
        file = decode(text.encode(encoding))
        assert file.whole() == CHINESE
        assert [line for line, _ in file.lines()] == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_without_a_mark_is_told_by_its_zeros(self, encoding):
        assert decode(TEXT.encode(encoding)).whole() == TEXT

    def test_gbk_lines_that_would_be_utf8_by_chance_are_gbk(self):
        assert "女".encode("gbk").decode("utf-8") == "Ů"
        file = decode(CHINESE.encode("gbk"))
        assert (file.encoding, file.text, file.foreign) == ("GB18030", CHINESE, frozenset())

    def test_a_mixture_is_read_and_its_minority_named(self):
        file = decode("深圳市\n东莞市\n".encode() + "佛山市\n".encode("gbk"))
        assert (file.text, file.foreign) == ("深圳市\n东莞市\n佛山市\n", frozenset({3}))
        with pytest.raises(TextUnreadable, match="line 3: is not UTF-8, as the rest of the file is"):
            file.whole()

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_bytes_of_no_encoding_are_named_by_line_and_the_rest_is_there(self, mark):
        file = decode(mark + "甲\n".encode() + b"\xff\xff,1\n" + "乙\n".encode())
        assert list(file.unreadable) == [2]
        assert file.text.split("\n")[::2] == ["甲", "乙"]

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read(self, content):
        file = decode(content)
        assert all(file.flaw(number) is not None for number, line in file.lines() if "\ufffd" in line) or (
            "\ufffd".encode() in content or not file.unreadable
        )
        assert "\r" not in file.text

    @given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=60))
    def test_utf8_is_never_taken_for_anything_else(self, text):
        if not text.startswith("\ufeff"):
            assert decode(text.encode()).text == text


class TestLines:
    def test_only_lf_cr_and_crlf_end_a_line(self):
        text = "a\u2028b\x85c\x0bd\x0ce\x1cf\nsecond"
        assert list(decode(text.encode()).lines()) == [(1, text[:-7]), (2, "second")]

    def test_nul_is_kept_for_the_reader_of_the_field_to_name(self):
        assert decode(b"a,\x00b\nc,d\n").text == "a,\x00b\nc,d\n"


class TestJsonAndToml:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"a": 1, "a": 2}', "member 'a' appears twice"),
            ('{"a": {"b": 1, "b": 2}}', "member 'b' appears twice"),
            ("[NaN]", "NaN is not a JSON number"),
            ("{", "at character 2"),
            ("[" * 100_000, "nested too deeply"),
            ("1" * 5000, "digits"),
        ],
    )
    def test_json_is_taken_strictly(self, text, said):
        with pytest.raises(JsonInvalid, match=said):
            json_of(text)

    def test_a_member_that_comes_twice_is_found_in_one_pass(self):
        """250 kB of names and one of them twice took half a minute when each name was counted."""
        names = ",".join(f'"{number:x}":1' for number in range(25_000))
        began = time.process_time()
        with pytest.raises(JsonInvalid, match="member 'z' appears twice"):
            json_of(f'{{{names},"z":1,"z":1}}')
        assert time.process_time() - began < 5

    def test_toml_with_a_mark(self, tmp_path):
        path = tmp_path / "limits.toml"
        path.write_bytes('name = "佛山"\r\n'.encode("utf-8-sig"))
        assert read_toml(path) == {"name": "佛山"}

    def test_a_text_is_a_file_without_flaws(self):
        assert TextFile("a\nb").whole() == "a\nb"

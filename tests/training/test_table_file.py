"""Reading tables nobody prepared: each flaw an error or a counted finding that names file, column and row."""

import polars as pl
import pytest

from creditlink.training.table.file import TableError, read_table

pytestmark = pytest.mark.pure

HEADER = "firm,sales,bad\n"


@pytest.fixture
def read(tmp_path):
    def written(content, name="book.csv", **how):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, **how)

    return written


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("", "book.csv: the file is empty"),
            ("\n \n", "book.csv: the file is empty"),
            (HEADER, "no row below the header"),
            ('{"a": 1}\n', "begins with '{', as JSON"),
            ("<html><body>no</body></html>\n", "begins with '<'"),
            (b"\x89PNG\r\n\x00\x00\x00", "neither Parquet nor text"),
            (b"PAR1 but not really", "not readable as Parquet"),
            (HEADER + "a,1,0\nb,2\n", "line 3 has 2 fields, the first line has 3"),
            (HEADER + "a,1,0\nb,2,0,9\n", "line 3 has 4 fields, the first line has 3"),
            ("a,a,b\n1,2,3\n", "column 'a' stands twice in the header"),
            ("lonely\n1\n2\n", "not a table: the first line holds no comma"),
            (HEADER.encode() + b"a,1,0\n\xff\xff\xff,2,0\n", "line 3 is neither UTF-8 nor GBK"),
        ],
    )
    def test_with_the_reason(self, read, content, told):
        with pytest.raises(TableError, match=r"book\.csv") as error:
            read(content)
        assert told in str(error.value)

    def test_an_absent_file_and_a_folder(self, tmp_path):
        with pytest.raises(TableError, match=r"none\.csv: No such file"):
            read_table(tmp_path / "none.csv")
        with pytest.raises(TableError, match="is a folder"):
            read_table(tmp_path)


class TestReadAsItIs:
    @pytest.mark.parametrize(("separator", "shown"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'"), (" ", "blanks")])
    def test_another_separator_is_found_and_told(self, read, separator, shown):
        table = read((HEADER + "a,1,0\nb,2,1\n").replace(",", separator))
        assert table.frame["sales"].to_list() == [1.0, 2.0]
        assert shown in table.findings[0].message

    def test_decimal_commas_beside_semicolons(self, read):
        assert read("a;b\n1,5;x\n2,25;y\n").frame["a"].to_list() == [1.5, 2.25]

    def test_gbk_is_read_and_told_with_its_first_line(self, read):
        table = read(HEADER.encode() + b"a,1,0\n" + "佛山,2,1\n".encode("gbk"))
        assert table.frame["firm"].to_list() == ["a", "佛山"]
        assert (table.findings[0].count, "line 3" in table.findings[0].message) == (1, True)

    def test_mixed_encodings_are_read_line_by_line(self, read):
        table = read(HEADER.encode() + "深圳,1,0\n".encode() + "佛山,2,1\n".encode("gbk"))
        assert table.frame["firm"].to_list() == ["深圳", "佛山"]
        assert "mixed encodings" in table.findings[0].message

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_byte_order_marks(self, read, encoding):
        assert read((HEADER + "佛山,2,1\n").encode(encoding)).frame.columns == ["firm", "sales", "bad"]

    def test_text_where_numbers_stand_is_counted_with_its_row(self, read):
        rows = [f"f{i},{i},0" for i in range(99)]
        rows[41] = "f41,unknown amount,0"
        table = read(HEADER + "\n".join(rows) + "\n")
        assert table.frame["sales"].null_count() == 1
        [finding] = table.findings
        assert (finding.column, finding.row, finding.count) == ("sales", 42, 1)
        assert "'unknown amount'" in str(finding)

    def test_infinite_values_are_counted_with_their_row(self, read):
        table = read(HEADER + "a,1,0\nb,inf,0\nc,-inf,1\n")
        assert table.frame["sales"].to_list() == [1.0, None, None]
        assert (table.findings[0].row, table.findings[0].count) == (2, 2)

    @pytest.mark.parametrize("word", ["NA", "n/a", "?", "", "-", "null", "缺失"])
    def test_words_for_missing(self, read, word):
        assert read(HEADER + f"a,{word},0\nb,2,1\n").frame["sales"].to_list() == [None, 2.0]

    def test_money_percent_and_dates(self, read):
        table = read('when,paid,share\n2024/01/31,"$1,250.50",5%\n2024/02/01,"¥3,000",12.5%\n')
        assert table.frame.row(0)[1:] == (1250.5, 0.05)
        assert table.frame.schema["when"] == pl.Date

    def test_without_a_header(self, read):
        assert read("1,2\n3,4\n", header=False).frame.columns == ["column_1", "column_2"]

    def test_parquet_and_what_it_may_hold(self, tmp_path):
        frame = pl.DataFrame({"n": [1, 2], "t": ["1.5", "2"], "c": pl.Series(["a", "b"], dtype=pl.Categorical)})
        frame.with_columns(nested=pl.Series([[1], [2]]), flag=pl.Series([True, None])).write_parquet(
            tmp_path / "t.parquet"
        )
        table = read_table(tmp_path / "t.parquet")
        assert table.frame.row(0, named=True) == {"n": 1.0, "t": 1.5, "c": "a", "flag": 1.0}
        assert [f.column for f in table.findings] == ["nested"]

    def test_the_index_that_pandas_wrote_is_a_label_of_rows(self, tmp_path):
        about = {"pandas": '{"index_columns": ["loan"], "columns": []}'}
        pl.DataFrame({"sales": [1, 2], "loan": [7, 9]}).write_parquet(tmp_path / "t.parquet", metadata=about)
        assert read_table(tmp_path / "t.parquet").row_labels == ("loan",)

    @pytest.mark.parametrize("name", ["__index_level_0__", "Unnamed: 0", "", "index", "序号"])
    def test_row_numbers_are_known_by_their_names(self, read, name):
        rows = "".join(f"{k},{k % 3},{k % 2}\n" for k in (4, 2, 0, 3, 1))
        table = read(f"{name},sales,bad\n{rows}")
        assert table.row_labels == (name or "Unnamed: 0",)
        assert read(f"{name or 'index'},bad\nnorth,1\nsouth,0\n").row_labels == ()


class TestSpreadsheets:
    def test_gbk_is_read_as_gbk_throughout(self, read):
        assert "女".encode("gbk").decode() == "Ů"
        table = read("编号,性别,婚姻\n1,男,已婚\n2,女,\n3,女,未婚\n".encode("gbk"))
        assert table.frame["性别"].to_list() == ["男", "女", "女"]

    def test_full_width_digits_are_numbers(self, read):
        table = read("营业额,占比,备注\n１２３４．５,５％,Ａ\n－７,１２．５％,B\n")
        assert table.frame.rows() == [(1234.5, 0.05, "Ａ"), (-7.0, 0.125, "B")]

    @pytest.mark.parametrize("word", ["#DIV/0!", "#N/A", "#value!", "#REF!"])
    def test_errors_of_a_spreadsheet_are_missing_and_counted(self, read, word):
        table = read(f"ratio,bad\n0.1,0\n{word},1\n{word},0\n0.4,1\n")
        assert table.frame["ratio"].to_list() == [0.1, None, None, 0.4]
        [finding] = table.findings
        assert (finding.column, finding.row, finding.count) == ("ratio", 2, 2)

    @pytest.mark.parametrize("zero", ["0000-00-00", "0000-00-00 00:00:00", "1900-01-00"])
    def test_zero_dates_are_missing_and_named_by_their_row(self, read, zero):
        table = read(f"day,bad\n2020-06-18,0\n2020-05-14,1\n{zero},0\n2020-01-14,1\n")
        assert table.frame.schema["day"] == pl.Date
        [finding] = table.findings
        assert (finding.column, finding.row, finding.count) == ("day", 3, 1)

    def test_a_column_that_text_keeps_from_being_numbers_says_why(self, read):
        table = read("amount,bad\n1,0\n2,1\nabout 3,0\n4,1\n")
        assert "column amount: read as text: 3 of 4 values are numbers, not: 'about 3' (first in row 3)" in [
            str(finding).removeprefix("book.csv: ") for finding in table.findings
        ]

    def test_instants_are_days_of_shanghai(self, read, tmp_path):
        table = read("at,bad\n2024-01-31T16:00:00Z,0\n2024-02-01 00:00:00+08:00,1\n")
        assert {str(day) for day in table.frame["at"]} == {"2024-02-01"}
        instants = pl.Series("at", ["2024-01-31T16:00:00"]).str.to_datetime(time_zone="UTC")
        pl.DataFrame([instants]).write_parquet(tmp_path / "t.parquet")
        assert str(read_table(tmp_path / "t.parquet").frame["at"][0]) == "2024-02-01"

    @pytest.mark.parametrize("end", ["\r", "\r\n"])
    def test_every_line_end(self, read, end):
        assert read((HEADER + "a,1,0\nb,2,1\n").replace("\n", end)).frame["sales"].to_list() == [1.0, 2.0]

    def test_a_quote_gone_wrong_is_named_by_its_own_line(self, read):
        with pytest.raises(TableError, match="line 3: a quote opens in it that is not closed"):
            read(HEADER + 'a,1,0\n"b,2,1\nc,3,0\n')

    def test_nul_is_named_by_its_line(self, read):
        with pytest.raises(TableError, match=r"line 3 holds the character U\+0000"):
            read(HEADER + "a,1,0\nb\0,2,1\n")

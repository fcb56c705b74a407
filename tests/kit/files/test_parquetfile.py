"""A damaged Parquet file is one kind of error, never the end of the process."""

import contextlib
import io
import random

import polars as pl
import pytest

from creditlink.kit.files.parquetfile import ParquetUnreadable, all_have, metadata_of, parquet_of, table_of

pytestmark = pytest.mark.pure

FRAME = pl.DataFrame(
    {
        "firm": pl.Series(range(500), dtype=pl.Int32),
        "direction": pl.Series(["output", "input"] * 250, dtype=pl.Enum(["output", "input"])),
        "text": [f"x{k % 7}" for k in range(500)],
        "share": [k * 1.5 for k in range(500)],
    }
)


def written():
    out = io.BytesIO()
    FRAME.write_parquet(out, compression="zstd", metadata={"made": "here"})
    return out.getvalue()


def test_what_is_whole_is_read():
    assert parquet_of(written()).equals(FRAME)
    assert parquet_of(written(), ["share"]).columns == ["share"]
    assert metadata_of(written())["made"] == "here"


@pytest.mark.parametrize("wrong", [b"", b"PAR1", b"PAR1 but not really PAR1", written()[:-9]])
def test_what_is_none_is_named(wrong):
    for read in (parquet_of, metadata_of):
        with pytest.raises(ParquetUnreadable):
            read(wrong)
    with pytest.raises(ParquetUnreadable, match="colour"):
        parquet_of(written(), ["colour"])


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_are_read_or_named(seed):
    draw, content = random.Random(seed), bytearray(written())
    for _ in range(draw.choice([1, 2, 8])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    with contextlib.suppress(ParquetUnreadable):
        assert parquet_of(bytes(content)).width


SCHEMA = {"firm": pl.Int32, "direction": pl.String}


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        FRAME[:200].write_parquet(tmp_path / "part-0.parquet")
        FRAME[200:].write_parquet(tmp_path / "part-1.parquet")
        return tmp_path

    def test_its_files_are_one_table_with_codes_as_text(self, folder):
        found = table_of(folder, SCHEMA, needed=SCHEMA)
        assert found.equals(FRAME.select("firm", pl.col("direction").cast(pl.String)))

    @pytest.mark.parametrize(
        ("frame", "told"),
        [
            (FRAME.drop("direction"), r"part-1\.parquet: column direction is absent"),
            (
                FRAME.with_columns(pl.col("firm").cast(pl.Int64)),
                "column firm is Int64, expected Int32",
            ),
            (FRAME.with_columns(direction=pl.lit(None, pl.String)), "column direction is null in row 200"),
        ],
    )
    def test_a_wrong_column_is_named(self, folder, frame, told):
        frame.write_parquet(folder / "part-1.parquet")
        with pytest.raises(ParquetUnreadable, match=told):
            table_of(folder, SCHEMA, needed=SCHEMA)

    def test_a_damaged_file_and_an_empty_folder_are_named(self, folder, tmp_path):
        (folder / "part-1.parquet").write_bytes(written()[:-9])
        for read in (lambda: table_of(folder, SCHEMA), lambda: all_have(folder, "firm")):
            with pytest.raises(ParquetUnreadable, match=r"part-1\.parquet: not readable as Parquet"):
                read()
        with pytest.raises(ParquetUnreadable, match="none: no Parquet file"):
            table_of(tmp_path / "none", SCHEMA)

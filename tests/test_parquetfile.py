"""A damaged Parquet file is one kind of error, never the end of the process."""

import contextlib
import io
import random

import polars as pl
import pytest

from creditlink.parquetfile import ParquetUnreadable, metadata_of, parquet_of

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

"""Parquet, Arrow and built-in tables in batches: together they are the whole table."""

from __future__ import annotations

import struct
from pathlib import Path

import polars as pl
import pytest

from contract.errors import InvalidData
from training import binary_rows
from training.batches import Wanted
from training.table import open_rows, read_table

N_ROWS = 1_000
FRAME = pl.DataFrame(
    {
        "whole": range(N_ROWS),
        "real": [None if i % 7 == 0 else i / 8 for i in range(N_ROWS)],
        "money": pl.Series([f"{i}.50" for i in range(N_ROWS)]).str.to_decimal(scale=2),
        "text": ["" if i % 5 == 0 else f"text number {i}" for i in range(N_ROWS)],
        "category": pl.Series([f"c{i % 9}" for i in range(N_ROWS)], dtype=pl.Categorical),
        "choice": pl.Series(["uvw"[i % 3] for i in range(N_ROWS)], dtype=pl.Enum(["u", "v", "w"])),
        "list": [[i] for i in range(N_ROWS)],
    }
)


def write_parquet(path):
    FRAME.write_parquet(path, row_group_size=300)


def write_arrow_file(path):
    FRAME.write_ipc(path, record_batch_size=150)


def write_compressed_arrow_file(path):
    FRAME.write_ipc(path, record_batch_size=150, compression="zstd")


def write_arrow_stream(path):
    FRAME.write_ipc_stream(path)


WRITERS = {
    "t.parquet": write_parquet,
    "t.arrow": write_arrow_file,
    "t.feather": write_compressed_arrow_file,
    "stream.arrow": write_arrow_stream,
}


@pytest.fixture(params=WRITERS)
def path(request, tmp_path, monkeypatch):
    monkeypatch.setattr(binary_rows, "MIN_ROWS", 1)
    monkeypatch.setattr(binary_rows, "MAX_CELLS", 900)
    WRITERS[request.param](tmp_path / request.param)
    return str(tmp_path / request.param)


def test_batches_are_the_table_in_parts(path):
    with open_rows(path) as rows:
        assert rows.columns == tuple(FRAME.columns)
        batches = list(rows.batches(Wanted(rows.columns)))
    assert pl.concat([batch.frame for batch in batches]).equals(read_table(path).frame)
    shares = [batch.share for batch in batches]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1.0
    assert len(batches) > 1 or "stream" in path


def test_only_wanted_columns_are_read(path):
    with open_rows(path) as rows:
        frames = [batch.frame for batch in rows.batches(Wanted(("real", "choice")))]
        again = [batch.frame for batch in rows.batches(Wanted(("real", "choice")))]
    assert pl.concat(frames).equals(read_table(path).frame.select("real", "choice"))
    assert pl.concat(again).equals(pl.concat(frames))


def test_a_stream_may_have_many_record_batches_with_dictionaries_of_their_own(tmp_path):
    parts = [FRAME[:400], FRAME[400:401], FRAME[401:]]
    streams = []
    for number, part in enumerate(parts):
        part.write_ipc_stream(tmp_path / str(number))
        streams.append((tmp_path / str(number)).read_bytes().removesuffix(b"\xff\xff\xff\xff\0\0\0\0"))
    schema = streams[0][: 8 + struct.unpack_from("<i", streams[0], 4)[0]]
    path = tmp_path / "t.arrow"
    path.write_bytes(schema + b"".join(stream.removeprefix(schema) for stream in streams))
    with open_rows(str(path)) as rows:
        frames = [batch.frame for batch in rows.batches(Wanted(("whole", "category", "choice")))]
    assert [frame.height for frame in frames] == [400, 1, 599]
    assert pl.concat(frames).equals(read_table(str(path)).frame.select("whole", "category", "choice"))


def test_a_built_in_comes_in_batches_too(monkeypatch):
    monkeypatch.setattr(binary_rows, "MIN_ROWS", 1)
    monkeypatch.setattr(binary_rows, "MAX_CELLS", 40)
    with open_rows("iris") as rows:
        frames = [batch.frame for batch in rows.batches(Wanted(("petal_width", "species")))]
    assert len(frames) == 8
    assert pl.concat(frames).equals(read_table("iris").frame.select("petal_width", "species"))


def test_nameless_columns_are_called_by_their_position(tmp_path):
    frame = pl.DataFrame({"a": [1], "": [2]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        with open_rows(str(tmp_path / name)) as rows:
            assert rows.columns == ("a", "column_2")
            (batch,) = rows.batches(Wanted(("column_2",)))
        assert batch.frame.rows() == [(2,)]


def outcome(use, path):
    with pytest.raises(InvalidData) as caught:
        use(path)
    return str(caught.value).partition(": ")[0]


def read_batches(path):
    with open_rows(path) as rows:
        list(rows.batches(Wanted(rows.columns)))


@pytest.mark.parametrize("cut", [0, 1, 5, 300, 0.5, 0.9])
def test_a_damaged_file_is_the_same_error_in_batches(path, cut):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: int(cut * len(content)) if isinstance(cut, float) else cut])
    assert outcome(read_batches, path) == outcome(read_table, path)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
@pytest.mark.parametrize(
    "content", [b"hello", b"hello hello hello", b"ARROW1\0\0hello", b"PAR1helloPAR1", b"\xff" * 64]
)
def test_a_file_of_another_kind_is_the_same_error_in_batches(write, name, content):
    path = write(name, content)
    assert outcome(read_batches, path) == outcome(read_table, path)


def test_a_table_without_rows_is_the_same_error_in_batches(tmp_path):
    FRAME.head(0).write_parquet(tmp_path / "t.parquet")
    FRAME.head(0).write_ipc(tmp_path / "t.arrow")
    FRAME.head(0).write_ipc_stream(tmp_path / "u.arrow")
    for name in ("t.parquet", "t.arrow", "u.arrow"):
        path = str(tmp_path / name)
        assert outcome(read_batches, path) == outcome(read_table, path)


@pytest.mark.parametrize("data", ["t.xlsx", "nowhere.csv", "t", ".csv"])
def test_what_is_no_table_is_the_same_error_in_batches(data):
    assert outcome(read_batches, data) == outcome(read_table, data)

"""Arrow streams that are damaged, or not what they say, are refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import CallerError
from contract.schema import Schema
from contract.tensors import RowReader
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.arrow.flatbuffer import I16, I64, U8, BadBuffer, Longs, Number, Table, Tables, Text, encode
from service.formats.arrow.rows import read
from tests.service.formats.streams import (
    END,
    OLDEST,
    TEXTS,
    iris_columns,
    message,
    messages,
    penguin_frame,
    stream,
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: b"", "cut off"),
        (lambda body: b"{}", "cut off"),
        (lambda body: body[:-9], "cut off"),
        (lambda body: body[:100], "cut off"),
        (lambda body: body + b"x", "nothing may follow"),
        (lambda body: END + body, "offset must lead into the buffer"),
        (lambda body: b"\0\0\0\0" + body, "continuation mark"),
        (lambda body: messages(body)[1], "first message must be the schema"),
        (lambda body: messages(body)[0] * 2, "only record batches and dictionaries"),
        (lambda body: messages(body)[0] + message(3, {}, version=2), "version 4 or 5"),
        (lambda body: messages(body)[0] + message(3, {0: Number(I64, -1)}), "0 rows or more"),
        (lambda body: messages(body)[0] + message(3, {0: Number(I64, 1)}), "that its schema demands"),
    ],
)
def test_what_is_no_stream_is_malformed(iris: RowReader, change: Callable[[bytes], bytes], says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        read(change(stream(pl.DataFrame(iris_columns([1.0])))), iris, 10, partial=False)


def test_what_is_not_supported_is_called_by_its_name(iris: RowReader) -> None:
    frame = pl.DataFrame(iris_columns([1.0] * 100))
    for compression in ("lz4", "zstd"):
        with pytest.raises(MalformedBody, match="must be uncompressed"):
            read(stream(frame, compression=compression), iris, 100, partial=False)
    file = io.BytesIO()
    frame.write_ipc(file)
    with pytest.raises(MalformedBody, match="got an Arrow file"):
        read(file.getvalue(), iris, 100, partial=False)
    with pytest.raises(MalformedBody, match="little-endian"):
        read(message(1, {0: Number(I16, 1)}), iris, 100, partial=False)


def test_fields_that_share_one_table_are_not_all_walked(iris: RowReader) -> None:
    content = encode({1: Number(U8, 1), 2: {1: Tables([{2: Number(U8, 1)}])}})
    schema = Table.root(content).table(2)
    assert schema is not None
    start, _ = schema._vector(1, 4)
    n_fields = 100_000
    target = start + struct.unpack_from("<I", content, start)[0] + 4 * (n_fields - 1)
    offsets = np.arange(target - start, target - start - 4 * n_fields, -4, np.uint32)
    metadata = content[: start - 4] + struct.pack("<I", n_fields) + offsets.tobytes() + content[start + 4 :]
    with pytest.raises(MalformedBody, match="each of its fields once"):
        read(struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata, iris, 100, partial=False)


TEXT, VIEW = {2: Number(U8, 5), 3: {}}, {2: Number(U8, 24), 3: {}}
CODES = {**TEXT, 4: {0: Number(I64, 7)}}
"""Types of the column `island`: text with offsets, with views, and from dictionary 7."""


def island_stream(kind: Any, buffers: list[bytes], n_rows: int, n_long: list[int], dictionary: bytes = b"") -> bytes:
    body = b"".join(buffer + bytes(-len(buffer) % 8) for buffer in buffers)
    starts = np.cumsum([0] + [len(buffer) + -len(buffer) % 8 for buffer in buffers]).tolist()
    places = [number for start, buffer in zip(starts, buffers, strict=False) for number in (start, len(buffer))]
    header = {0: Number(I64, n_rows), 1: Longs([n_rows, 0], 2), 2: Longs(places, 2), 4: Longs(n_long)}
    return message(1, {1: Tables([{0: Text("island"), **kind}])}) + dictionary + message(3, header, body)


@pytest.fixture
def islands(foundry: Any) -> RowReader:
    return RowReader(Schema(target="y", features=(foundry.mixed().features[1],), labels=("a", "b")))


@pytest.mark.parametrize(
    ("offsets", "fits"),
    [((0, 3, 6), True), ((1, 1, 3), True), ((0, 4, 2), False), ((-1, 2, 3), False), ((0, 2, 7), False)],
)
def test_offsets_must_rise_inside_their_buffer(islands: RowReader, offsets: tuple[int, ...], fits: bool) -> None:
    body = island_stream(TEXT, [b"", struct.pack("<3i", *offsets), b"abcdef"], 2, [])
    if fits:
        x_cat = read(body, islands, 10, partial=False).tensors.x_cat
        assert x_cat.ravel().tolist() == ["abcdef"[slice(*pair)] for pair in (offsets[:2], offsets[1:])]
    else:
        with pytest.raises(MalformedBody, match="offsets of texts must rise"):
            read(body, islands, 10, partial=False)


@pytest.mark.parametrize(
    ("length", "buffer", "offset", "says"),
    [
        (13, 0, 0, ""),
        (13, 0, 4, "point into their buffers"),
        (13, 0, -1, "point into their buffers"),
        (13, 1, 0, "point into their buffers"),
        (13, -1, 0, "point into their buffers"),
        (-1, 0, 0, "length of 0 or more"),
    ],
)
def test_views_must_point_into_their_buffers(
    islands: RowReader, length: int, buffer: int, offset: int, says: str
) -> None:
    body = island_stream(VIEW, [b"", struct.pack("<4i", length, 0, buffer, offset), b"a text of sixteen"[:16]], 1, [1])
    if says:
        with pytest.raises(MalformedBody, match=says):
            read(body, islands, 10, partial=False)
    else:
        assert read(body, islands, 10, partial=False).tensors.x_cat.tolist() == [["a text of six"]]


def test_views_of_one_long_text_are_counted_each(islands: RowReader) -> None:
    view = struct.pack("<4i", 2**17, 0, 0, 0)
    for n_rows, fits in ((100, True), (200, False)):
        body = island_stream(VIEW, [b"", view * n_rows, b"x" * 2**17], n_rows, [1])
        if fits:
            assert read(body, islands, 1000, partial=False).tensors.n_samples == n_rows
        else:
            with pytest.raises(BodyTooLarge, match="texts of a body"):
                read(body, islands, 1000, partial=False)


@pytest.mark.parametrize("codes", [(0, -1), (0, 2), (-(2**31), 1)])
def test_codes_must_be_in_their_dictionary(islands: RowReader, codes: tuple[int, int]) -> None:
    values = {0: Number(I64, 2), 1: Longs([2, 0], 2), 2: Longs([0, 0, 0, 12, 16, 2], 2)}
    dictionary = message(
        2, {0: Number(I64, 7), 1: values}, struct.pack("<3i", 0, 1, 2).ljust(16, b"\0") + b"ab".ljust(8)
    )
    good = island_stream(CODES, [b"", struct.pack("<2i", 1, 0)], 2, [], dictionary)
    assert read(good, islands, 10, partial=False).tensors.x_cat.ravel().tolist() == ["b", "a"]
    with pytest.raises(MalformedBody, match="codes must be from 0 to 1"):
        read(island_stream(CODES, [b"", struct.pack("<2i", *codes)], 2, [], dictionary), islands, 10, partial=False)


def test_a_table_does_not_begin_before_its_buffer() -> None:
    with pytest.raises(BadBuffer, match="lead forward"):
        Table.root(struct.pack("<Ii", 4, 100) + bytes(200))


def _bases() -> list[bytes]:
    frame = penguin_frame(pl.Series(TEXTS * 2)).drop("note")
    dictionary = frame.with_columns(pl.col("island").cast(pl.Categorical), flag=pl.lit(True))
    nested = frame.with_columns(deep=pl.struct(pl.col("sex").implode().over("sex"), "mass_g"))
    frames = (frame, dictionary, nested)
    return [stream(table, compat_level=level) for table in frames for level in (None, OLDEST)]


BASES = _bases()
INTEGERS = st.sampled_from([0, 1, -1, 8, 64, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)])
PIECES = st.binary(max_size=3) | INTEGERS.map(lambda number: struct.pack("<q", number)) | st.just(b"\xff" * 4)


@given(st.sampled_from(BASES), st.lists(st.tuples(st.integers(0, 2**12), PIECES), max_size=6), st.booleans())
def test_a_damaged_stream_is_read_or_refused_with_an_error_of_the_callers(
    foundry: Any, base: bytes, edits: list[tuple[int, bytes]], partial: bool
) -> None:
    body = bytearray(base)
    for at, piece in edits:
        start = at % len(body)
        body[start : start + len(piece)] = piece
    with contextlib.suppress(CallerError):
        rows = read(bytes(body), RowReader(foundry.mixed()), 20, partial=partial)
        assert 0 < rows.tensors.n_samples + len(rows.faults or ()) <= 20


@given(st.sampled_from(BASES), st.data())
def test_a_stream_that_is_cut_off_is_refused(foundry: Any, base: bytes, data: st.DataObject) -> None:
    n_bytes = data.draw(st.integers(0, len(base) - 9))
    with contextlib.suppress(InvalidBody), pytest.raises(MalformedBody):  # a schema alone is a table without rows
        read(base[:n_bytes], RowReader(foundry.mixed()), 20, partial=False)


@given(st.binary() | st.binary().map(lambda content: struct.pack("<II", 0xFFFFFFFF, len(content)) + content))
def test_any_bytes_are_refused(foundry: Any, body: bytes) -> None:
    with pytest.raises(CallerError):
        read(body, RowReader(foundry.mixed()), 10, partial=False)


@given(st.binary(max_size=64), st.integers(0, 4))
def test_reading_a_table_stays_in_its_buffer(content: bytes, slot: int) -> None:
    with contextlib.suppress(BadBuffer):
        table = Table.root(content)
        for step in (table.text, table.longs, table.table, lambda slot: list(table.tables(slot))):
            with contextlib.suppress(BadBuffer):
                step(slot)

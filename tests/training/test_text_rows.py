"""Text is read in blocks by two readers, which differ in speed only."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidData
from training import csv_text
from training.batches import Wanted
from training.cells import numbers
from training.table import open_rows, read_table
from training.text_rows import RowReader

CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\0\n\r",;'), max_size=5),
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["NA", " 5.1 ", "+1", ".5", "5.", "1e5", "1e39", "1e400", "-inf", "NAN", "1_0", "0x1", "1,5", "?"]),
    st.sampled_from(['"a, b"', '"1\n2"', '"x""y"', '"7"', "\ufeff5", "\u2003 7", "5\t", "٣"]),
)
TABLES = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))
SEPARATORS = st.tuples(st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n", "\r"]))


def write_table(folder, rows, delimiter, end):
    path = Path(folder, "t.csv")
    header = delimiter.join(f"c{index}" for index in range(len(rows[0])))
    path.write_bytes(end.join([header, *(delimiter.join(row) for row in rows), ""]).encode())
    return str(path)


def batches(path, numeric=()):
    with open_rows(path) as rows:
        return [batch.frame for batch in rows.batches(Wanted(rows.columns, frozenset(numeric)))]


def outcome(read):
    """What `read` gives, or the message of its error."""
    try:
        return read()
    except InvalidData as error:
        return str(error).partition(": ")[2] or str(error)


def without_quick_reader(read):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowReader, "_read_quickly", lambda _self, _block: None)
        return outcome(read)


def without_large_blocks(read):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "BYTES_PER_BLOCK", 11)
        return outcome(read)


def same(left, right):
    return left == right if isinstance(left, str) or isinstance(right, str) else left.equals(right)


@given(TABLES, SEPARATORS)
def test_the_quick_reader_and_blocks_of_any_size_give_what_the_exact_one_gives(rows, separators):
    with TemporaryDirectory() as folder:
        path = write_table(folder, rows, *separators)

        def read():
            return read_table(path).frame

        exact = without_quick_reader(read)
        assert same(outcome(read), exact)
        assert same(without_large_blocks(read), exact)


@given(TABLES, SEPARATORS)
def test_numbers_that_are_read_as_such_are_those_of_their_texts(rows, separators):
    with TemporaryDirectory() as folder:
        path = write_table(folder, rows, *separators)
        columns = [f"c{index}" for index in range(len(rows[0]))]
        texts = outcome(lambda: read_table(path).frame)

        def read():
            return pl.concat(batches(path, columns), how="vertical_relaxed")

        for frame in (outcome(read), without_large_blocks(read)):
            if isinstance(texts, str):
                assert frame == texts
                continue
            for column in columns:
                for found, expected in zip(numbers(frame[column]), numbers(texts[column]), strict=True):
                    np.testing.assert_array_equal(found, expected)


def test_plain_numbers_are_read_as_floats_where_they_are_wanted(write):
    path = write("t.csv", "a,b,y\n1.5,2,p\n,3,q\n")
    (frame,) = batches(path, ["a", "b"])
    assert frame.rows() == [(1.5, 2.0, "p"), (None, 3.0, "q")]


@pytest.mark.parametrize("cell", ["NAN", "-inf", "1e39", "1e400", "wide"])
def test_a_cell_that_a_fault_will_show_keeps_its_spelling(write, cell):
    (frame,) = batches(write("t.csv", f"a,b,y\n1.50,2,p\n{cell},3,q\n"), ["a", "b"])
    assert frame["a"].to_list() == ["1.50", cell]
    assert numbers(frame["a"])[1].tolist() == [False, True]


def test_only_wanted_columns_are_read_in_the_order_of_the_table(write):
    path = write("t.csv", 'a,b,y\n1,2,p\n3,"4",q\n')
    with open_rows(path) as rows:
        frames = [batch.frame for batch in rows.batches(Wanted(("b", "y")))]
    assert pl.concat(frames).to_dict(as_series=False) == {"b": ["2", "4"], "y": ["p", "q"]}


@pytest.mark.parametrize("row", ["1,2", "1,2,3,4", '1,"2\n3"', '"1",2'])
@pytest.mark.parametrize("size", [7, 64, 1 << 21])
def test_a_broken_row_is_named_wherever_blocks_meet(write, monkeypatch, row, size):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", size)
    before = "1,2,p\n" * 100 + '"1\n1",2,p\n\n' + "1,2,p\r\n" * 100
    path = write("t.csv", f"a,b,y\n{before}{row}\n1,2,p\n")
    line = 1 + 100 + 3 + 100 + 1 + row.count("\n")
    with pytest.raises(InvalidData, match=f"the row in line {line} has {4 if '4' in row else 2}"):
        batches(path)


@pytest.mark.parametrize("size", [7, 64, 1 << 21])
def test_what_is_no_delimited_text_is_found_after_blocks_that_are(write, monkeypatch, size):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", size)
    path = write("t.csv", "a,y\n" + "1,p\n" * 100 + '\n"1"x,p\n' + "1,p\n" * 100)
    with pytest.raises(InvalidData, match="the row after line 101 is not"):
        batches(path)


@pytest.mark.parametrize("column", ["a", "y"])
def test_a_cell_too_large_is_an_error_among_plain_rows_and_in_columns_that_nobody_wants(write, column):
    cells = {"a": "1", "y": "p"} | {column: "x" * 140_000}
    path = write("t.csv", "a,y\n" + "1,p\n" * 10_000 + f"{cells['a']},{cells['y']}\n" + "1,p\n" * 200_000)
    with open_rows(path) as rows, pytest.raises(InvalidData, match="the row after line 10001 is not"):
        list(rows.batches(Wanted(("y",))))


def test_a_byte_order_mark_within_a_text_is_part_of_its_cell(write, monkeypatch):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", 16)
    path = write("t.csv", "\ufeffa,y\n" + "11,pp\n\ufeff2,q\n" * 9)
    assert read_table(path).frame["a"].to_list() == ["11", "\ufeff2"] * 9


def test_a_carriage_return_and_its_line_feed_are_one_end_wherever_blocks_meet(write, monkeypatch):
    path = write("t.csv", "a,y\r\n" + "1,p\r\n22,\r\n" * 20)
    for size in range(3, 20):
        monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", size)
        assert read_table(path).frame.rows() == [("1", "p"), ("22", None)] * 20


@pytest.mark.parametrize(("size", "first"), [(8, [b"1234\n", b"56\r789\r\n"]), (9, [b"1234\n56\r", b"789\r\n"])])
def test_blocks_hold_whole_lines(tmp_path, monkeypatch, size, first):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", size)
    path = tmp_path / "t.txt"
    path.write_bytes(b"1234\n56\r789\r\n0123456789012345\nx")
    with io.FileIO(path) as file:
        assert list(csv_text.read_blocks(file)) == [*first, b"0123456789012345\n", b"x"]


def test_decimal_commas_are_decided_on_all_rows(write, monkeypatch):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", 32)
    path = write("t.csv", "a;b;y\n" + "1;x,5;p\n" * 50 + "1,5;2,5;q\n" * 20)
    frames = batches(path, ["a"])
    assert len(frames) > 1
    assert pl.concat(frames, how="vertical_relaxed")["b"].to_list() == ["x,5"] * 50 + ["2,5"] * 20
    assert numbers(pl.concat(frames, how="vertical_relaxed")["a"])[0].tolist() == [1.0] * 50 + [1.5] * 20


def test_commas_stay_where_points_come_many_rows_later(write, monkeypatch):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", 32)
    path = write("t.csv", "a;b;y\n" + "1,5;2;p\n" * 50 + "1,5;2.5;q\n")
    assert {cell for frame in batches(path, ["a"]) for cell in frame["a"]} == {"1,5"}


def test_the_share_of_a_text_that_was_read_grows_to_one(write, monkeypatch):
    monkeypatch.setattr(csv_text, "BYTES_PER_BLOCK", 32)
    with open_rows(write("t.csv", "a,y\n" + "1,p\n" * 50)) as rows:
        shares = [batch.share for batch in rows.batches(Wanted(rows.columns))]
    assert shares == sorted(shares)
    assert len(set(shares)) > 5
    assert shares[-1] == 1.0

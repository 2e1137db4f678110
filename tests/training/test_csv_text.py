"""Delimited text of every make becomes the same frame of texts, or an error that says where it is broken."""

from __future__ import annotations

import gzip

import polars as pl
import pytest

from contract.errors import InvalidData
from training.csv_text import SAMPLE_CHARACTERS, detect_delimiter
from training.table import read_table


def read(write, content, name="t.csv"):
    return read_table(write(name, content))


def rows(write, content, name="t.csv"):
    return read(write, content, name).frame.rows()


def complaint(write, content, name="t.csv"):
    with pytest.raises(InvalidData) as caught:
        read(write, content, name)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_found(write, delimiter):
    table = read(write, "a,b,y\n1,x y,p\n2,z,q\n".replace(",", delimiter))
    assert table.frame.columns == ["a", "b", "y"]
    assert table.frame.rows() == [("1", "x y", "p"), ("2", "z", "q")]


def test_the_delimiter_is_the_one_that_splits_records_evenly():
    assert detect_delimiter("a;b;c\n1,5;2,5;x\n1,5;2;y\n") == ";"
    assert detect_delimiter("a,b\n1;2,3\n4;5;6,7\n") == ","
    assert detect_delimiter('"a;x",b\n"1;2;3",4\n') == ","


def test_the_delimiter_of_one_column_is_a_comma():
    assert detect_delimiter("text\nhello\n") == ","
    assert detect_delimiter("") == ","


def test_every_record_of_a_whole_sample_counts():
    assert detect_delimiter("x,y;z\n1;2\n") == ";"


def test_a_record_that_the_sample_cuts_off_does_not_count():
    cut_off = "x,y;z\n1;2\n" + "1," + "x" * SAMPLE_CHARACTERS
    assert detect_delimiter(cut_off[:SAMPLE_CHARACTERS]) == ";"


def test_a_header_wider_than_the_sample_is_still_split(write):
    names = [f"a_rather_long_name_{index}" for index in range(10_000)]
    frame = read(write, "\t".join(names) + "\n" + "\t".join(["1"] * 10_000) + "\n").frame
    assert frame.shape == (1, 10_000)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_leave_no_trace(write, end, mark):
    table = read(write, mark + end.join(["a,y", "1,p", "2,q"]) + end)
    assert table.frame.to_dict(as_series=False) == {"a": ["1", "2"], "y": ["p", "q"]}


def test_a_last_line_needs_no_end(write):
    assert rows(write, "a,y\n1,p") == [("1", "p")]


def test_blank_lines_are_skipped(write):
    assert rows(write, "\n  \na,y\n\n1,p\n   \n2,q\n\n\n") == [("1", "p"), ("2", "q")]


def test_quoted_cells_may_hold_delimiters_line_ends_and_quotes(write):
    assert rows(write, 'a,y\n"1, or\r\n""2""",p\n') == [('1, or\r\n"2"', "p")]


def test_a_quote_may_follow_a_space(write):
    assert rows(write, 'a, y\n"1", "p, q"\n') == [("1", "p, q")]


def test_a_quote_inside_a_cell_is_an_ordinary_character(write):
    assert rows(write, 'a,y\n5" disk,p\n6" disk,q\n') == [('5" disk', "p"), ('6" disk', "q")]


def test_cells_and_names_are_stripped_of_white_space(write):
    frame = read(write, " a ,\ty\n 1 ,\tp \n").frame
    assert frame.columns == ["a", "y"]
    assert frame.rows() == [("1", "p")]


@pytest.mark.parametrize("cell", ["", "  ", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", ' ""'])
def test_a_missing_cell_is_null(write, cell):
    assert rows(write, f"a,y\n{cell},p\n") == [(None, "p")]


@pytest.mark.parametrize("cell", ["None", "none", "-", "na", "??", "0"])
def test_other_cells_are_not_missing(write, cell):
    assert rows(write, f"a,y\n{cell},p\n") == [(cell, "p")]


def test_cells_keep_their_spelling(write):
    frame = read(write, "a,b,c,y\n007,1.50,+1e3,True\n").frame
    assert frame.rows() == [("007", "1.50", "+1e3", "True")]
    assert set(frame.dtypes) == {pl.String}


def test_names_may_be_any_text(write):
    frame = read(write, "größe cm,.*,日本\n1,2,3\n").frame
    assert frame.columns == ["größe cm", ".*", "日本"]


def test_a_name_that_polars_takes_for_a_pattern_is_an_error(write):
    assert "must not name a column ^…$" in complaint(write, "^.*$,y\n1,p\n")
    assert "must not name a column ^…$" in complaint(write, "^a$;y\n1,5;p\n")


def test_a_column_without_a_name_is_called_by_its_position_and_told(write):
    table = read(write, "a,,y, \n1,2,p,3\n")
    assert table.frame.columns == ["a", "column_2", "y", "column_4"]
    assert table.warnings == ("columns without a name are called column_2, column_4",)


def test_one_column_is_told(write):
    table = read(write, "a b\n1 2\n")
    assert table.frame.columns == ["a b"]
    assert table.warnings == ("only one column: none of the delimiters , ; tab | splits the header 'a b'",)


def test_rows_keep_their_order_over_many_chunks(write):
    n_rows = 3_456
    frame = read(write, "a,y\n" + "".join(f"{index},p\n" for index in range(n_rows))).frame
    assert frame["a"].to_list() == [str(index) for index in range(n_rows)]
    assert frame.n_chunks() == 1


def test_decimal_commas_become_points(write):
    frame = read(write, "a;b;y\n1,5;-,5;p\n2;+1,5e3;q\n;;p\n").frame
    assert frame.rows() == [("1.5", "-.5", "p"), ("2", "+1.5e3", "q"), (None, None, "p")]


def test_decimal_commas_beside_a_broken_cell_become_points_too(write):
    assert rows(write, "a;y\n1,5;p\n2,5;q\n3,5;q\noops, no;q\n")[:2] == [("1.5", "p"), ("2.5", "q")]
    assert rows(write, "a;y\n1,5;p\n2,5;q\n3,5;q\noops, no;q\n")[3] == ("oops, no", "q")


def test_commas_in_text_stay(write):
    assert rows(write, "a;y\n1,5,2;p\nx,y;q\n") == [("1,5,2", "p"), ("x,y", "q")]


def test_commas_stay_where_decimals_have_points_and_that_is_told(write):
    table = read(write, "a;b;y\n1,5;1.5;p\n2,5;2.5;q\n")
    assert table.frame.rows() == [("1,5", "1.5", "p"), ("2,5", "2.5", "q")]
    assert table.warnings == ("decimal commas in a but decimal points in b: the commas were left as they are",)


def test_commas_in_text_beside_decimal_points_are_nothing_to_tell(write):
    assert read(write, "a;b;y\n1;1.5;p\n2;2.5;q\nx,y;3.5;q\n").warnings == ()


def test_dates_with_points_are_no_decimals(write):
    assert rows(write, "a;d;y\n1,5;31.01.2024;p\n") == [("1.5", "31.01.2024", "p")]


def test_a_quoted_number_with_a_comma_between_commas_stays(write):
    assert rows(write, 'a,y\n"1,500",p\n') == [("1,500", "p")]


@pytest.mark.parametrize("content", ["a,b,y\n1,2,p\n1,2\n3,4,q\n", 'a,b,y\n"1\n",2,p,5\n', "a,b,y\n\n1,2,p,\n"])
def test_a_row_of_another_length_is_an_error_that_names_its_line(write, content):
    message = complaint(write, content)
    assert "must have 3 cells in every row" in message
    assert "in line 3 has" in message


def test_a_quote_that_is_never_closed_is_an_error_that_names_its_line(write):
    assert "the row after line 2 is not" in complaint(write, 'a,y\n1,p\n"2,q\n3,p\n')


def test_text_after_a_closing_quote_is_an_error(write):
    assert "the row after line 1 is not" in complaint(write, 'a,y\n"1"x,p\n')


def test_a_cell_too_large_for_a_table_is_an_error(write):
    assert "the row after line 1 is not" in complaint(write, "a,y\n" + "x" * 200_000 + ",p\n")


def test_the_largest_cell_does_not_upset_the_search_for_the_delimiter(write):
    assert len(rows(write, "a;y\n" + "x" * SAMPLE_CHARACTERS + ";p\n")[0][0]) == SAMPLE_CHARACTERS
    assert detect_delimiter("x" * SAMPLE_CHARACTERS) == ","


def test_names_used_twice_are_an_error(write):
    assert complaint(write, "a,b, a,y,b\n1,2,3,4,5\n").endswith(
        "must name its columns differently, got a, b more than once"
    )


def test_latin_1_is_an_error_that_names_byte_and_line(write):
    message = complaint(write, "a,y\n1,p\n2,grün\n".encode("latin-1"))
    assert "byte 12 (line 3) is 0xfc: save it as UTF-8" in message


@pytest.mark.parametrize("before", [(1 << 20) - 1, (1 << 20) - 5, 1 << 20])
def test_the_byte_is_named_wherever_chunks_meet(write, before):
    start = b"a,y\n1,"
    content = start + b"p" * (before - len(start)) + "€".encode()[:2] + b"\n"
    assert f"byte {before} (line 2) is 0xe2" in complaint(write, content)


def test_text_that_ends_within_a_character_is_an_error(write):
    assert "byte 6 (line 2) is 0xe2" in complaint(write, b"a,y\n1," + "€".encode()[:2])


def test_characters_of_many_bytes_are_read_wherever_chunks_meet(write):
    text = "€" * 100_000
    content = "a,y\n" + f"{text},p\n" * 5
    assert rows(write, content) == [(text, "p")] * 5


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("a,y\n1,p\n".encode("utf-16"), "it is UTF-16: save it as UTF-8"),
        (gzip.compress(b"a,y\n1,p\n"), "it is compressed with gzip: unpack it first"),
        (b"PK\x03\x04rest", "it is a zip archive or a spreadsheet: export it as CSV"),
        (b"PAR1rest", "it is a Parquet file: name it .parquet"),
        (b"ARROW1\0\0rest", "it is an Arrow file: name it .arrow"),
        (b"a,y\n1,\0\n", "byte 6 is 0x00"),
    ],
)
def test_what_is_not_text_is_an_error_with_advice(write, content, advice):
    assert complaint(write, content).endswith(advice)


@pytest.mark.parametrize("content", [b"", b"\n\r\n  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_an_error(write, content):
    assert complaint(write, content).endswith("must have a header and rows, got an empty file")


def test_a_header_alone_is_an_error(write):
    assert complaint(write, "a,b,y\n\n").endswith("must have rows below its header, got none")

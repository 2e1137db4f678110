"""Bytes become tensors, or an error that says what is wrong where."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import CallerError, InvalidRows
from contract.tensors import RowReader, Tensors
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.json_document import BULKY_BYTES, FRAME
from service.formats.json_rows import read_document


def read(body: bytes, reader: RowReader, max_rows: int) -> Tensors:
    return read_document(body, reader, max_rows, partial=False).tensors


@pytest.fixture
def reader(foundry: Any) -> RowReader:
    return RowReader(foundry.numeric())


def test_rows_are_read_as_arrays_and_as_objects(reader: RowReader) -> None:
    arrays = read(b'{"instances":[[1,2,null,4.5]]}', reader, 10)
    names = '{"petal_width":4.5,"sepal_length":1,"sepal_width":2,"petal_length":null}'
    objects = read(f'{{"instances":[{names}]}}'.encode(), reader, 10)
    np.testing.assert_array_equal(arrays.x_num, np.array([[1, 2, np.nan, 4.5]], np.float32))
    np.testing.assert_array_equal(arrays.x_num, objects.x_num)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"instances":[[1,2,3,4]]} x',
        b'{"instances":[[1,2,3,4],]}',
        b"{'instances':[[1,2,3,4]]}",
        b'{"instances":[[1,2,3,04]]}',
        b'{"instances":[["\xff",2,3,4]]}',
        b'{"instances":[["\\ud800",2,3,4]]}',
        b'\xef\xbb\xbf{"instances":[[1,2,3,4]]}',
        '{"instances":[[1,2,3,4]]}'.encode("utf-16"),
        b'{"instances":' + b"[" * 250_000 + b"]" * 250_000 + b"}",
        b'{"instances":[' + b'{"a":' * 100_000,
        b'{"instances":[[NaN,2,3,4]',
        b'{"instances":[[nan,2,3,4]]}',
        b'{"instances":[NaN,' + b"[" * 250_000,
    ],
)
def test_a_body_that_is_no_json_is_malformed(reader: RowReader, body: bytes) -> None:
    with pytest.raises(MalformedBody):
        read(body, reader, 10)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "expected `object`, got `array`"),
        (b"null", "expected `object`, got `null`"),
        (b"{}", "an object with nothing in it"),
        (b'{"instances":{}}', r"expected `array`, got `object` - at `\$.instances`"),
        (b'{"instances":[]}', "at least one row"),
        (b'{"instances":[[1,2,3,4]],"rows":1}', "unknown field `rows`"),
        (b'{"NaN":1,"instances":[[1,2,3,4]]}', "unknown field `NaN`"),
        # The decoder stops at the first thing that is wrong, here before the syntax is.
        (b'{"instances":{' + b'"a":{' * 100_000, "expected `array`, got `object`"),
    ],
)
def test_json_of_another_shape_is_told_what_shape(reader: RowReader, body: bytes, says: str) -> None:
    with pytest.raises(InvalidBody, match=says):
        read(body, reader, 10)


def test_a_message_never_repeats_a_long_key(reader: RowReader) -> None:
    with pytest.raises(InvalidBody) as caught:
        read(b'{"' + b"k" * 1_000_000 + b'":1}', reader, 10)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("cell", "got"),
    [
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e999", "Infinity"),
        ("-1e999", "-Infinity"),
        ("3.5e38", "3.5e+38"),
        ('"1"', '"1"'),
        ("true", "true"),
        ("[1]", "an array"),
        ("{}", "an object"),
        ("[" * 50 + "]" * 50, "an array"),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_cell_that_is_no_finite_number_is_named(reader: RowReader, cell: str, got: str, *, by_name: bool) -> None:
    good = "[1,2,3,4]"
    bad = f"[1,{cell},3,4]"
    if by_name:
        names = [feature.name for feature in reader.schema.features]
        good, bad = (
            "{" + ",".join(f'"{name}":{value}' for name, value in zip(names, values, strict=True)) + "}"
            for values in (["1", "2", "3", "4"], ["1", cell, "3", "4"])
        )
    with pytest.raises(InvalidRows) as caught:
        read(f'{{"instances":[{good},{good},{bad}]}}'.encode(), reader, 10)
    (fault,) = caught.value.faults
    assert (fault.row, fault.feature) == (2, "sepal_width")
    assert fault.expected == "a finite float32 number or null"
    assert fault.got == got


def test_every_literal_is_counted_and_the_first_are_named(reader: RowReader) -> None:
    with pytest.raises(InvalidRows) as caught:
        read(b'{"instances":[' + b",".join([b"[NaN,1,Infinity,1]"] * 100) + b"]}", reader, 1000)
    assert caught.value.n_faults == 200
    assert len(caught.value.faults) == 50


def test_an_integer_of_thousands_of_digits_is_told_its_place(reader: RowReader) -> None:
    with pytest.raises(InvalidBody, match=r"out of range - at `\$.instances\[0\]\[1\]`"):
        read(b'{"instances":[[1,' + b"1" * 5000 + b",3,4]]}", reader, 10)


def test_a_literal_in_a_text_is_a_text(foundry: Any) -> None:
    reader = RowReader(foundry.mixed())
    tensors = read(b'{"instances":[[1,"NaN",2,"Infinity"]]}', reader, 10)
    assert tensors.x_cat.tolist() == [["NaN", "Infinity"]]


def test_too_many_rows_are_refused(reader: RowReader) -> None:
    body = b'{"instances":[' + b",".join([b"[1,2,3,4]"] * 11) + b"]}"
    assert read(body, reader, 11).n_samples == 11
    with pytest.raises(BodyTooLarge, match="at most 10 rows, got 11"):
        read(body, reader, 10)


def test_the_rows_of_a_bulky_body_are_counted_before_they_are_decoded(reader: RowReader) -> None:
    with pytest.raises(BodyTooLarge, match="more arrays and objects"):
        read(b'{"instances":[' + b"[]," * BULKY_BYTES, reader, 1000)


@pytest.mark.parametrize("text", ["[[[[", "{{{{", '"[', "\\[", '\\"[', "]]"])
def test_brackets_in_texts_are_no_rows(foundry: Any, text: str) -> None:
    reader = RowReader(foundry.mixed())
    rows = [[1, text, 2, "x" * BULKY_BYTES]] + [[1, text, 2, text]] * 9
    assert read(json.dumps({"instances": rows}).encode(), reader, 10).n_samples == 10
    with pytest.raises(BodyTooLarge, match="more arrays and objects"):
        read(json.dumps({"instances": rows + [rows[1]] * FRAME}).encode(), reader, 10)


@given(st.binary() | st.text().map(str.encode) | st.binary().map(lambda content: b'{"instances":[' + content + b"]}"))
def test_any_bytes_are_read_or_refused_with_an_error_of_the_callers(foundry: Any, body: bytes) -> None:
    with contextlib.suppress(CallerError):
        read(body, RowReader(foundry.numeric()), 10)


def test_a_literal_that_is_no_number_hides_no_other_fault(reader: RowReader) -> None:
    with pytest.raises(InvalidRows) as caught:
        read(b'{"instances":[["a",true,3,4],[1],[1,2,3,4],[NaN,1,1,1]]}', reader, 10)
    assert caught.value.n_faults == 4
    assert [(fault.row, fault.feature) for fault in caught.value.faults] == [
        (0, "sepal_length"),
        (0, "sepal_width"),
        (1, None),
        (3, "sepal_length"),
    ]

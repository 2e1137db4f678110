"""What is found out about JSON before it is decoded."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.v2.json_data import SMALL_BYTES, read_data
from service.v2.json_text import check_objects, without_nan


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("[NaN,1,NaN]", "[null,1,null]"),
        ('{"NaN":NaN,"a":"NaN"}', '{"NaN":null,"a":"NaN"}'),
        (r'["\"NaN",NaN,"\\",NaN,"\\\"NaN"]', r'["\"NaN",null,"\\",null,"\\\"NaN"]'),
        ('["Infinity"]', '["Infinity"]'),
        ("NaN", "null"),
        ("N", "N"),
        ("", ""),
    ],
)
def test_nan_becomes_null_but_in_texts(text: str, mended: str) -> None:
    assert without_nan(text.encode()) == mended.encode()


@pytest.mark.parametrize("text", ["[Infinity]", '["Infinity",-Infinity]', r'["\"",Infinity]'])
def test_infinite_numbers_are_refused(text: str) -> None:
    with pytest.raises(InvalidBody, match="finite"):
        without_nan(text.encode())


def test_bytes_that_no_json_has_are_refused() -> None:
    with pytest.raises(MalformedBody):
        without_nan(b'["\x00\x01\x02",NaN]')


def test_objects_are_counted_outside_of_texts() -> None:
    check_objects(b'[{},{},"{{{{"]', 2)
    with pytest.raises(BodyTooLarge, match="at most 2 objects"):
        check_objects(b'[{},{},"",{}]', 2)


@pytest.mark.parametrize(
    "elements",
    [["a"], ['"'], ["\\"], [",", "[[", None], ['\\"', ""], ["x" * 50, None, '["a","b"]']],
)
def test_texts_are_read_whatever_is_in_them(elements: list[str | None]) -> None:
    many = elements * SMALL_BYTES
    data = msgspec.Raw(json.dumps(many).encode())
    assert read_data("x", "BYTES", [len(many), 1], len(many), data).tolist() == many


@pytest.mark.parametrize(
    ("datatype", "element"), [("BYTES", '""'), ("BYTES", r'"\\"'), ("FP32", "1"), ("FP32", "[1]"), ("INT8", "[]")]
)
def test_more_elements_than_the_shape_says_are_refused_before_they_are_made(
    datatype: str, element: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.v2.json_data._decode", lambda *_args: pytest.fail("decoded"))
    data = msgspec.Raw(f"[{','.join([element] * SMALL_BYTES)}]".encode())
    with pytest.raises(InvalidBody, match="must have 2 elements, as its shape says, got more"):
        read_data("x", datatype, [2, 1], 2, data)


def test_as_many_elements_as_the_shape_says_are_read() -> None:
    rows = np.arange(SMALL_BYTES, dtype=np.float64).reshape(-1, 2)
    for data in (rows.tolist(), rows.ravel().tolist()):
        raw = msgspec.Raw(json.dumps(data, indent=1).encode())
        np.testing.assert_array_equal(read_data("x", "FP64", rows.shape, rows.size, raw), rows.ravel())

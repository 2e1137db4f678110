"""Columns, frames, lines and MLflow's names for them are the same rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from contract.errors import InvalidRows
from contract.tensors import RowReader, Tensors
from service.errors import BodyTooLarge, InvalidBody, MalformedBody
from service.formats.json_document import BULKY_BYTES
from service.formats.json_rows import read_document, read_lines
from service.formats.mlflow_rows import read_invocation
from service.formats.rows import Read, Rows

NAMES = ["bill_mm", "island", "mass_g", "sex"]
ROWS = [[40.1, "Dream", None, "x"], [None, "", 3e38, None], [1, "Biscoe", 2, "male"]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
EXTRA = {"id": [7, "y", None]}


def columns(order: list[str]) -> dict[str, Any]:
    return {name: [record[name] for record in RECORDS] for name in order}


def split(order: list[str]) -> dict[str, Any]:
    data = [[number, *(record[name] for name in order)] for number, record in zip(EXTRA["id"], RECORDS, strict=True)]
    return {"columns": ["id", *order], "data": data, "index": [0, 1, 2]}


@pytest.fixture
def reader(foundry: Any) -> RowReader:
    return RowReader(foundry.mixed())


def assert_same(rows: Rows, expected: Tensors) -> None:
    np.testing.assert_array_equal(rows.tensors.x_num, expected.x_num)
    assert rows.tensors.x_cat.tolist() == expected.x_cat.tolist()
    assert rows.tensors.unseen == expected.unseen


REVERSED = NAMES[::-1]
SHAPES: dict[str, tuple[Read, Any]] = {
    "arrays": (read_document, {"instances": ROWS}),
    "objects": (read_document, {"instances": RECORDS}),
    "columns": (read_document, {"columns": columns(NAMES)}),
    "columns in another order beside another": (read_document, {"columns": columns(REVERSED) | EXTRA}),
    "split": (read_document, {"columns": NAMES, "data": ROWS}),
    "split in another order beside another": (read_document, split(REVERSED)),
    "MLflow's split": (read_invocation, {"dataframe_split": split(REVERSED)}),
    "MLflow's records": (read_invocation, {"dataframe_records": [{"id": 1} | record for record in RECORDS]}),
    "MLflow's instances": (read_invocation, {"instances": ROWS}),
    "MLflow's instances as objects": (read_invocation, {"instances": RECORDS}),
    "MLflow's inputs as rows": (read_invocation, {"inputs": ROWS}),
    "MLflow's inputs as columns": (read_invocation, {"inputs": columns(REVERSED) | EXTRA}),
}


@pytest.mark.parametrize(("read", "document"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("partial", [False, True])
def test_every_shape_gives_the_same_rows(reader: RowReader, read: Read, document: Any, *, partial: bool) -> None:
    rows = read(json.dumps(document).encode(), reader, 10, partial=partial)
    assert_same(rows, reader.read(ROWS))
    assert rows.faults == ({} if partial else None)


@pytest.mark.parametrize("rows", [ROWS, RECORDS])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n"])
def test_lines_give_the_same_rows(reader: RowReader, rows: list[Any], line_end: str) -> None:
    body = line_end.join(json.dumps(row) for row in rows).encode()
    for end in (b"", line_end.encode()):
        assert_same(read_lines(body + end, reader, 10, partial=False), reader.read(ROWS))


@pytest.mark.parametrize(("read", "document"), SHAPES.values(), ids=SHAPES)
def test_every_shape_has_a_limit_of_rows(reader: RowReader, read: Read, document: Any) -> None:
    with pytest.raises(BodyTooLarge, match="at most 2 rows, got 3"):
        read(json.dumps(document).encode(), reader, 2, partial=False)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"columns": {"bill_mm": [1]}}, "a column for each feature, lacks island, mass_g, sex"),
        ({"columns": columns(NAMES) | {"id": [1]}}, "as many values, got 1 to 3"),
        ({"columns": {name: [] for name in NAMES}}, "at least one row"),
        ({"columns": [*NAMES, "sex"], "data": [[1, "a", 2, "b", "c"]]}, "each feature's column once, got two of sex"),
        ({"columns": NAMES, "data": []}, "at least one row"),
        ({"columns": NAMES}, "an object with columns"),
        ({"columns": columns(NAMES), "data": []}, "an object with columns, data"),
        ({"instances": ROWS, "columns": NAMES}, "an object with instances, columns"),
        ({"columns": {"bill_mm": 1}}, "expected `array`"),
        ({"data": ROWS}, "an object with data"),
    ],
)
def test_a_document_of_another_shape_is_told_what_is_wrong(reader: RowReader, document: Any, says: str) -> None:
    with pytest.raises(InvalidBody, match=says):
        read_document(json.dumps(document).encode(), reader, 10, partial=False)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "got 0 of them"),
        ({"instances": ROWS, "inputs": ROWS}, "got 2 of them"),
        ({"instances": ROWS, "params": {"threshold": 1}}, "params must be empty, got threshold"),
        ({"dataframe_split": {"columns": NAMES}}, "missing required field `data`"),
        ({"columns": columns(NAMES)}, "unknown field `columns`"),
        ({"dataframe_records": []}, "at least one row"),
        ([1], "expected `object`"),
    ],
)
def test_an_invocation_of_another_shape_is_told_what_is_wrong(reader: RowReader, document: Any, says: str) -> None:
    with pytest.raises(InvalidBody, match=says):
        read_invocation(json.dumps(document).encode(), reader, 10, partial=False)


def test_a_row_of_a_frame_that_is_too_short_is_at_fault(reader: RowReader) -> None:
    body = json.dumps({"columns": NAMES, "data": [[1, "a", 2, "b"], [1], [2, "b", "heavy", "c"]]}).encode()
    with pytest.raises(InvalidRows, match="row 1: expected 4 values, as there are columns, got 1"):
        read_document(body, reader, 10, partial=False)
    rows = read_document(body, reader, 10, partial=True)
    assert [(row, fault.feature) for row, fault in (rows.faults or {}).items()] == [(1, None), (2, "mass_g")]
    assert rows.tensors.n_samples == 1


def test_a_line_that_is_no_json_is_a_bad_row_where_those_are_listed(reader: RowReader) -> None:
    lines = [json.dumps(ROWS[0]), "{", "", "[1]", json.dumps(RECORDS[2]), json.dumps(ROWS[2])]
    rows = read_lines("\n".join(lines).encode(), reader, 10, partial=True)
    assert [(row, fault.row) for row, fault in (rows.faults or {}).items()] == [(1, 1), (2, 2), (3, 3)]
    assert_same(rows, reader.read([ROWS[0], ROWS[2]]))


def test_a_line_holds_one_row(reader: RowReader) -> None:
    two = f"{json.dumps(ROWS[0])}{json.dumps(ROWS[0])}\n".encode()
    with pytest.raises(MalformedBody, match="line 1: "):
        read_lines(two, reader, 10, partial=False)


def test_the_first_row_that_is_one_says_what_rows_are(reader: RowReader) -> None:
    body = json.dumps({"instances": [None, *RECORDS]}).encode()
    rows = read_document(body, reader, 10, partial=True)
    assert list(rows.faults or ()) == [0]
    assert_same(rows, reader.read(RECORDS))


@pytest.mark.parametrize("params", [{}, None])
def test_an_invocation_may_say_that_it_has_no_parameters(reader: RowReader, params: Any) -> None:
    body = json.dumps({"instances": ROWS, "params": params}).encode()
    assert_same(read_invocation(body, reader, 10, partial=False), reader.read(ROWS))


@pytest.mark.parametrize(
    ("read", "wrap"),
    [(read_document, lambda frame: frame), (read_invocation, lambda frame: {"dataframe_split": frame})],
)
def test_a_bulky_frame_may_have_as_many_rows_as_any_body(reader: RowReader, read: Read, wrap: Any) -> None:
    rows = [[1, "x" * 1000, 2, "y"]] * 1200
    frame = {"columns": NAMES, "index": list(range(1200)), "data": rows}
    body = json.dumps(wrap(frame)).encode()
    assert len(body) > BULKY_BYTES
    assert read(body, reader, 1200, partial=False).tensors.n_samples == 1200


def test_a_fault_in_a_column_names_its_row(reader: RowReader) -> None:
    wrong = columns(NAMES) | {"mass_g": [1, "heavy", True]}
    with pytest.raises(InvalidRows) as caught:
        read_document(json.dumps({"columns": wrong}).encode(), reader, 10, partial=False)
    assert [(fault.row, fault.feature, fault.got) for fault in caught.value.faults] == [
        (1, "mass_g", '"heavy"'),
        (2, "mass_g", "true"),
    ]


@pytest.mark.parametrize(
    ("line", "says"), [("{", "line 2: a body must be JSON"), ("[1] [2]", "line 2: a body must be JSON")]
)
def test_a_line_that_is_no_json_is_named(reader: RowReader, line: str, says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        read_lines(f"{json.dumps(ROWS[0])}\n{line}\n".encode(), reader, 10, partial=False)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_a_line_with_a_literal_that_is_no_json_has_its_row_named(reader: RowReader, literal: str) -> None:
    body = f'{json.dumps(ROWS[0])}\n[{literal},"Dream",1,null]\n'.encode()
    with pytest.raises(InvalidRows) as caught:
        read_lines(body, reader, 10, partial=False)
    assert [(fault.row, fault.feature) for fault in caught.value.faults] == [(1, "bill_mm")]


BAD = [ROWS[0], [1], ["x", "Dream", 1, None], ROWS[2], {"bill_mm": 1}, [1e39, "Dream", 1, 5]]


def test_a_partial_reading_lists_the_first_fault_of_each_bad_row(reader: RowReader) -> None:
    rows = read_document(json.dumps({"instances": BAD}).encode(), reader, 10, partial=True)
    assert rows.faults is not None
    assert {row: fault.feature for row, fault in rows.faults.items()} == {1: None, 2: "bill_mm", 4: None, 5: "bill_mm"}
    assert all(fault.row == row for row, fault in rows.faults.items())
    assert_same(rows, reader.read([ROWS[0], ROWS[2]]))


def test_a_partial_reading_lists_more_rows_than_an_error_spells_out(reader: RowReader) -> None:
    rows = read_document(json.dumps({"instances": [ROWS[0]] + [[1]] * 200}).encode(), reader, 1000, partial=True)
    assert list(rows.faults or ()) == list(range(1, 201))


def test_a_partial_reading_lists_rows_with_literals_that_are_no_json(reader: RowReader) -> None:
    body = b'{"instances":[[NaN,"Dream",1,null],[1,"Dream",1,null]]}'
    rows = read_document(body, reader, 10, partial=True)
    assert list(rows.faults or ()) == [0]
    assert rows.tensors.n_samples == 1


def test_a_partial_reading_may_have_bad_rows_only(reader: RowReader) -> None:
    rows = read_document(b'{"instances":[[1],[2]]}', reader, 10, partial=True)
    assert (rows.tensors.n_samples, list(rows.faults or ())) == (0, [0, 1])


def test_names_that_the_typed_decoder_cannot_have_are_read_all_the_same(foundry: Any) -> None:
    features = tuple(foundry.number(name) for name in ('a"b', "c\\d", "e\nf", "g"))
    schema = type(foundry.numeric())(target="t", features=features, labels=("x", "y"))
    row = {'a"b': 1.0, "c\\d": 2.0, "e\nf": 3.0, "g": 4.0}
    body = json.dumps({"instances": [row]}).encode()
    assert read_document(body, RowReader(schema), 10, partial=False).tensors.x_num.tolist() == [[1, 2, 3, 4]]

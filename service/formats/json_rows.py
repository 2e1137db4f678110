"""JSON → rows: as `{"instances": …}`, as columns, as pandas writes a frame, or with a row in each line.

One typed decode takes nearly every body as it should be. What it does not take is decoded once more, to rows of any
values, to find out what it is, or what exactly is wrong with it (`service.formats.json_document`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from contract.errors import Fault, InvalidRows
from contract.faults import MAX_FAULTS
from contract.row_decoder import TypedRow
from contract.tensors import UNREADABLE, RowReader
from service.errors import InvalidBody, MalformedBody
from service.formats.json_document import NOT_JSON, check_size, decode
from service.formats.rows import Rows, check_count, find_columns, read_rows, read_table, read_whole

SHAPE = '{"instances": [row, …]}, each row an array or an object, or {"columns": {name: [value, …], …}}'


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """What a prediction is asked with. Cells stay unchecked here: `RowReader` names each fault of each.

    `instances` are rows. `columns` are cells by name; beside `data` they are names, as pandas writes a frame with
    `orient="split"`.
    """

    instances: list[Any] | msgspec.UnsetType = msgspec.UNSET
    columns: dict[str, list[Any]] | list[str] | msgspec.UnsetType = msgspec.UNSET
    data: list[list[Any]] | msgspec.UnsetType = msgspec.UNSET
    index: Any = msgspec.UNSET


def read_document(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """A `service.formats.rows.Read` for `application/json`."""
    check_size(body, max_rows)
    try:
        return _read_typed(reader.decoder.decode(body), reader, max_rows, partial=partial)
    except (*NOT_JSON, *UNREADABLE):
        document = decode(body, Document, SHAPE)
    match document:
        case Document(instances=list() as rows, columns=msgspec.UNSET, data=msgspec.UNSET, index=msgspec.UNSET):
            return read_rows(rows, reader, max_rows, partial=partial)
        case Document(instances=msgspec.UNSET, columns=dict() as columns, data=msgspec.UNSET, index=msgspec.UNSET):
            return read_columns(columns, reader, max_rows, partial=partial)
        case Document(instances=msgspec.UNSET, columns=list() as names, data=list() as data):
            return read_split(names, data, reader, max_rows, partial=partial)
    given = [name for name in document.__struct_fields__ if getattr(document, name) is not msgspec.UNSET]
    raise InvalidBody(f"a body must be {SHAPE}; got an object with {', '.join(given) or 'nothing in it'}")


def read_lines(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """A `service.formats.rows.Read` for `application/x-ndjson`."""
    check_size(body, max_rows)
    try:
        matrix = reader.decoder.decode_lines(body)
        if len(matrix) == body.count(b"\n") + (not body.endswith(b"\n")):  # else a line is blank, or holds two rows
            return _read_typed(matrix, reader, max_rows, partial=partial)
    except (*NOT_JSON, *UNREADABLE):
        pass
    lines = {number: line for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()}
    check_count(len(lines), max_rows)
    rows: list[Any] = []
    broken: dict[int, Fault] = {}
    for row, (number, line) in enumerate(lines.items()):
        try:
            rows.append(decode(line, Any, "a row in each line", place=f"line {number}: "))
        except MalformedBody:
            if not partial:
                raise
            broken[row] = Fault(row=row, expected="an array or an object in JSON", got="something else")
    return read_whole(rows, broken, reader) if partial else Rows(reader.read(rows))


def read_columns(columns: Mapping[str, Sequence[Any]], reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """Cells by the name of their column.

    Raises:
        InvalidBody: columns are of several lengths; and as `read_table`.
        BodyTooLarge, InvalidRows: as `read_table`.
    """
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InvalidBody(f"columns must all have as many values, got {min(lengths)} to {max(lengths)}")
    return read_table(list(columns), list(columns.values()), reader, max_rows, partial=partial)


def read_split(
    names: Sequence[str], data: Sequence[Sequence[Any]], reader: RowReader, max_rows: int, *, partial: bool
) -> Rows:
    """Rows of cells, and the names of their columns.

    Raises:
        InvalidBody, BodyTooLarge: as `read_table`.
        InvalidRows: as `read_table`; or a row has more or fewer cells than there are names.
    """
    check_count(len(data), max_rows)
    pick = find_columns(names, reader)
    faults = {
        index: Fault(row=index, expected=f"{len(names)} values, as there are columns", got=str(len(row)))
        for index, row in enumerate(data)
        if len(row) != len(names)
    }
    rows = [[row[position] for position in pick] for row in data if len(row) == len(names)]
    if partial:
        return read_whole(rows, faults, reader)
    if faults:
        raise InvalidRows(list(faults.values())[:MAX_FAULTS], len(faults))
    return Rows(reader.read(rows))


def _read_typed(matrix: Sequence[TypedRow], reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    check_count(len(matrix), max_rows)
    return Rows(reader.read_typed(matrix), {} if partial else None)

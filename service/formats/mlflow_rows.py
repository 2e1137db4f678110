"""The JSON that MLflow's scoring server takes at `/invocations` → rows.

The names are those of MLflow's documentation, "Deploy MLflow Model as a Local Inference Server".
"""

from __future__ import annotations

from typing import Any

import msgspec

from contract.faults import shorten
from contract.tensors import RowReader
from service.errors import InvalidBody
from service.formats.json_document import check_size, decode
from service.formats.json_rows import read_columns, read_split
from service.formats.rows import Rows, read_rows

KEYS = "dataframe_split, dataframe_records, instances, inputs"


class Split(msgspec.Struct):
    """A frame as pandas writes it with `orient="split"`."""

    columns: list[str]
    data: list[list[Any]]


class Invocation(msgspec.Struct, forbid_unknown_fields=True):
    """What `/invocations` is asked with: one of these, and perhaps parameters, of which no model here has any."""

    dataframe_split: Split | msgspec.UnsetType = msgspec.UNSET
    dataframe_records: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    instances: list[Any] | msgspec.UnsetType = msgspec.UNSET
    inputs: dict[str, list[Any]] | list[Any] | msgspec.UnsetType = msgspec.UNSET
    params: dict[str, Any] | None = None


def read_invocation(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """A `service.formats.rows.Read` for `application/json` at `/invocations`."""
    check_size(body, max_rows)
    asked = decode(body, Invocation, f"an object with one of {KEYS}")
    *bodies, params = msgspec.structs.astuple(asked)
    if params:
        raise InvalidBody(f"params must be empty, got {shorten(', '.join(params))}")
    given = [value for value in bodies if value is not msgspec.UNSET]
    if len(given) != 1:
        raise InvalidBody(f"a body must be an object with one of {KEYS}; got {len(given)} of them")
    match given[0]:
        case Split(columns=names, data=data):
            return read_split(names, data, reader, max_rows, partial=partial)
        case dict(columns):
            return read_columns(columns, reader, max_rows, partial=partial)
        case rows:
            if asked.dataframe_records is not msgspec.UNSET:  # a frame's records have all of its columns
                rows = [{name: row[name] for name in reader.names if name in row} for row in rows]
            return read_rows(rows, reader, max_rows, partial=partial)

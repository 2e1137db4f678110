"""What callers have rows in: lists of rows, columns by name, data frames, matrices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from contract.columns import NUMBER_KINDS, Column, read_column
from contract.errors import InvalidData, InvalidRows
from contract.faults import shorten
from contract.plain_cells import JSON_TYPES, plain
from contract.tensors import Cell, RowReader, Tensors
from litet.client.columns import read_columns

MAX_JSON_ROWS = 16
"""More rows are quicker as tensors."""


class Frame(Protocol):
    """A data frame of pandas or polars."""

    @property
    def columns(self) -> Iterable[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, name: Any, /) -> Any: ...


Rows: TypeAlias = Sequence[Sequence[Any] | Mapping[str, Any]] | Mapping[str, Any] | np.ndarray | Frame
"""Rows as arrays in feature order, or as objects by feature name; columns by name; a frame; a matrix `(n, n_features)`.

None, NaN, and pandas' NA mean missing. Columns are lists, arrays, or pandas' or polars' series; those that are no
features are ignored.
"""


class Table(Protocol):
    """Rows that can be read for a model."""

    def read(self, reader: RowReader) -> Tensors:
        """The tensors.

        Raises:
            InvalidData: the table lacks a feature.
            InvalidRows: rows do not fit the model.
        """


class Records:
    """Rows, each by itself."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def read(self, reader: RowReader) -> Tensors:
        try:
            return reader.read(self._rows)
        except InvalidRows:
            return reader.read([_plain_row(row) for row in self._rows])

    def to_json(self) -> bytes | None:
        """The body of `POST /predict`; None where there are too many rows for it, or some that JSON cannot say."""
        if len(self._rows) > MAX_JSON_ROWS:
            return None
        rows = [_plain_row(row) for row in self._rows]
        if not all(map(_is_sayable, rows)):
            return None
        try:
            return json_body(rows)
        except ValueError:
            return None


class ByName:
    """Columns by name."""

    def __init__(self, columns: Mapping[str, Any] | Frame, names: Iterable[Any]) -> None:
        self._columns = columns
        self._names = frozenset(name for name in names if isinstance(name, str))

    def read(self, reader: RowReader) -> Tensors:
        if lacking := [name for name in reader.names if name not in self._names]:
            raise InvalidData(f"a table must have a column for each feature, lacks {shorten(', '.join(lacking))}")
        return read_columns([read_column(name, self._columns[name]) for name in reader.names], reader)


class Matrix:
    """Columns in feature order."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._matrix = matrix

    def read(self, reader: RowReader) -> Tensors:
        n_columns = self._matrix.shape[1]
        if n_columns != len(reader.names):
            names = shorten(", ".join(reader.names))
            raise InvalidData(f"a matrix must have {len(reader.names)} columns ({names}), got {n_columns}")
        columns: list[Column] = [read_column(str(j), column) for j, column in enumerate(self._matrix.T)]
        return read_columns(columns, reader)


def read_table(rows: object) -> Records | ByName | Matrix:
    """The table that a caller means.

    Raises:
        InvalidData: it is none.
    """
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2 or rows.dtype.kind not in NUMBER_KINDS + "bOUT":
            got = f"the shape {rows.shape} and the dtype {rows.dtype}"
            raise InvalidData(f"a matrix must have two dimensions, and hold numbers, booleans or texts; got {got}")
        return Matrix(rows)
    if isinstance(rows, Mapping):
        return ByName(rows, rows)
    # Asked of the type: for polars' lazy frames the very question for their columns is work.
    if hasattr(type(rows), "columns") and hasattr(type(rows), "__len__"):
        return ByName(rows, rows.columns)  # type: ignore[arg-type,attr-defined] # it is a Frame
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return Records(rows if isinstance(rows, (list, tuple)) else list(rows))
    expected = "a list of rows, columns by name, a data frame or a matrix"
    raise InvalidData(f"rows must be {expected}; got {type(rows).__name__}")


def json_body(rows: Sequence[Any]) -> bytes:
    """The body of `POST /predict`. Infinite numbers are written as Python writes them: the service names their rows.

    Raises:
        ValueError: an integer has more digits than Python writes, or a text is not valid Unicode.
    """
    return json.dumps({"instances": rows}, separators=(",", ":"), ensure_ascii=False).encode()


def _plain_row(row: Any) -> Any:
    """A row as a dict or a list of plain cells; what is no row stays as it is."""
    if isinstance(row, np.ndarray):
        row = row.tolist()
    if isinstance(row, Mapping):
        return {name: plain(cell) for name, cell in row.items()}
    return list(map(plain, row)) if isinstance(row, (list, tuple)) else row


def _is_sayable(row: dict[Any, Cell] | list[Cell] | Any) -> bool:
    if isinstance(row, dict):
        return set(map(type, row)) <= {str} and set(map(type, row.values())) <= JSON_TYPES
    return isinstance(row, list) and set(map(type, row)) <= JSON_TYPES

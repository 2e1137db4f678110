"""What every format is read to: the tensors of a body's rows, or what exactly is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from contract.errors import Fault
from contract.faults import shorten
from contract.tensors import Cell, Row, RowReader, Tensors
from service.errors import BodyTooLarge, InvalidBody


class Rows(msgspec.Struct, frozen=True):
    """The rows of a body.

    `tensors` are those of all rows; or, where bad rows are to be listed rather than refused, those of the good ones,
    and `faults` says what is wrong with each other one, by its number in the body. None means that nobody asked.
    """

    tensors: Tensors
    faults: Mapping[int, Fault] | None = None


class Read(Protocol):
    """How a format is read.

    Raises:
        MalformedBody: the body is not of the format.
        InvalidBody: it is, but holds no rows, or lacks a feature.
        BodyTooLarge: it has more than `max_rows` rows.
        InvalidRows: rows do not fit the model; never where `partial`.
    """

    def __call__(self, body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
        """The rows of a body."""


def read_rows(rows: Sequence[Row], reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """Rows of cells, as `RowReader.read` takes them.

    Raises:
        InvalidBody: there are none.
        BodyTooLarge: there are more than `max_rows`.
        InvalidRows: some do not fit the model; never where `partial`.
    """
    check_count(len(rows), max_rows)
    return Rows(*reader.read_good(rows)) if partial else Rows(reader.read(rows))


def read_table(
    names: Sequence[str], columns: Sequence[Sequence[Cell]], reader: RowReader, max_rows: int, *, partial: bool
) -> Rows:
    """Columns of cells, all of one length. Found by name, in any order; those that are no feature are ignored.

    Raises:
        InvalidBody: a feature has no column, or two; or there are no rows.
        BodyTooLarge: there are more than `max_rows`.
        InvalidRows: some do not fit the model; never where `partial`.
    """
    picked = [columns[position] for position in find_columns(names, reader)]
    return read_rows(list(zip(*picked, strict=True)), reader, max_rows, partial=partial)


def read_whole(rows: Sequence[Row], broken: Mapping[int, Fault], reader: RowReader) -> Rows:
    """The good ones of `rows`, which are those of a body that are whole; `broken` are its others, by number."""
    tensors, faults = reader.read_good(rows)
    numbers = [number for number in range(len(rows) + len(broken)) if number not in broken]
    found = {numbers[row]: msgspec.structs.replace(fault, row=numbers[row]) for row, fault in faults.items()}
    return Rows(tensors, dict(sorted({**broken, **found}.items())))


def find_columns(names: Sequence[str], reader: RowReader) -> list[int]:
    """Where each feature's column stands among `names`.

    Raises:
        InvalidBody: it stands there not once.
    """
    positions = {name: position for position, name in enumerate(names)}
    if lacking := [name for name in reader.names if name not in positions]:
        raise InvalidBody(f"a table must have a column for each feature, lacks {shorten(', '.join(lacking))}")
    if len(positions) < len(names) and (twice := [name for name in reader.names if names.count(name) > 1]):
        raise InvalidBody(f"a table must have each feature's column once, got two of {shorten(twice[0])}")
    return [positions[name] for name in reader.names]


def check_count(n_rows: int, max_rows: int) -> None:
    """Whether a request may have so many rows.

    Raises:
        InvalidBody: there are none.
        BodyTooLarge: there are more than `max_rows`.
    """
    if not n_rows:
        raise InvalidBody("a body must hold at least one row, got none")
    if n_rows > max_rows:
        raise BodyTooLarge(f"a body must hold at most {max_rows} rows, got {n_rows}")

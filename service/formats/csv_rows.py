"""CSV → rows (RFC 4180).

Two readers give the same numbers. The exact one is the standard library's. The quick one takes tables that are shown
beforehand to hold numbers only, all rows as long as the header.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from contract.errors import Fault
from contract.schema import CategoricalFeature, Feature
from contract.tensors import Cell, RowReader, Tensors, to_float32
from contract.text_cells import read_number, speller
from service.errors import MalformedBody
from service.formats.rows import Rows, check_count, find_columns, read_whole
from service.formats.typed_columns import read_typed_columns

DIGITS = b"0123456789.+-eE"
"""What numbers are made of that `float` and `read_number` read alike."""


def read(body: bytes, reader: RowReader, max_rows: int, *, partial: bool) -> Rows:
    """The rows of a table in UTF-8 whose first line names its columns (`service.formats.rows.Read`).

    Its cells mean what they mean in a file to train on (`contract.text_cells`). A row with more or fewer cells than the
    header makes the body malformed; where `partial`, it is a bad row.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if tensors := _read_numbers(body, reader, max_rows):
        return Rows(tensors, {} if partial else None)
    table = _read_table(body, max_rows, partial=partial)
    positions = find_columns(table.names, reader)
    check_count(table.n_rows + len(table.broken), max_rows)
    texts = [table.cells[position :: len(table.names)] for position in positions]
    features = reader.schema.features
    if not table.broken and (tensors := read_typed_columns(map(_typed, features, texts), reader, table.n_rows)):
        return Rows(tensors, {} if partial else None)
    rows = list(zip(*map(_read_cells, features, texts), strict=True))
    if not partial:
        return Rows(reader.read(rows))
    return read_whole(rows, table.broken, reader)


def _read_numbers(body: bytes, reader: RowReader, max_rows: int) -> Tensors | None:
    """The tensors of a plain table of numbers, none of them missing; None where the body is not shown to be one."""
    head, _, rest = body.partition(b"\n")
    head = head.removesuffix(b"\r")
    width = head.count(b",") + 1
    if reader.schema.categorical or width == 1 or set(b'"\r\0') & set(head):
        return None
    separators = rest.translate(None, DIGITS)
    end = b"\r\n" if rest.find(b"\r\n") >= 0 else b"\n"
    if not rest.endswith(b"\n"):
        separators += end
    n_rows = separators.count(b"\n")
    if separators != (b"," * (width - 1) + end) * n_rows:
        return None
    try:
        positions = find_columns([name.strip() for name in head.decode().split(",")], reader)
        check_count(n_rows, max_rows)
        values = np.loadtxt(io.BytesIO(rest), delimiter=",", usecols=positions, comments=None, ndmin=2)
        return Tensors(to_float32(values), np.empty((n_rows, 0), object), {})
    except ValueError:  # a cell is missing, or no number, or infinite; or the head is not UTF-8
        return None


class _Table(NamedTuple):
    """The names of columns, the cells of those rows that have as many, row after row, and what is wrong with others."""

    names: list[str]
    cells: list[str]
    broken: dict[int, Fault]

    @property
    def n_rows(self) -> int:
        return len(self.cells) // len(self.names)


def _read_table(body: bytes, max_rows: int, *, partial: bool) -> _Table:
    """The table, up to one row too many. Blank lines are no rows.

    Raises:
        MalformedBody: it is no CSV; or, unless `partial`, a row is longer or shorter than the header.
    """
    lines = csv.reader(io.StringIO(_decode(body), newline=""), skipinitialspace=True, strict=True)
    cells: list[str] = []  # one list: thousands of short ones would keep the garbage collector busy
    broken: dict[int, Fault] = {}
    try:
        names = _read_header(lines)
        width = len(names)
        for record in lines:
            if len(record) == width:
                cells += record
            elif not any(map(str.strip, record)) and len(record) < 2:
                continue
            elif not partial:
                raise MalformedBody(
                    f"a CSV body must have {width} cells in every row, as its header has; "
                    f"the row in line {lines.line_num} has {len(record)}"
                )
            else:
                row = len(cells) // width + len(broken)
                broken[row] = Fault(row=row, expected=f"{width} cells, as the header has", got=str(len(record)))
            if len(cells) + width * len(broken) > width * max_rows:
                break
    except csv.Error as error:
        raise MalformedBody(f"a body must be CSV; what ends in line {lines.line_num} is not: {error}") from None
    return _Table(names, cells, broken)


def _read_header(records: Iterable[list[str]]) -> list[str]:
    """The first record that is not blank."""
    for record in records:
        if len(record) > 1 or any(map(str.strip, record)):
            return [name.strip() for name in record]
    raise MalformedBody("a CSV body must begin with the names of its columns, got nothing")


def _decode(body: bytes) -> str:
    if b"\0" in body:
        raise MalformedBody(f"a CSV body must be text; byte {body.index(0)} is 0x00")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"a CSV body must be UTF-8 text; byte {error.start} is 0x{body[error.start]:02x}") from None


def _typed(feature: Feature, texts: Sequence[str]) -> np.ndarray | None:
    """The cells of a feature as numbers or as texts; None where one that should be a number is none."""
    cells = _read_cells(feature, texts)
    if isinstance(feature, CategoricalFeature):
        return np.array([cell or "" for cell in cells], object)
    return None if str in set(map(type, cells)) else np.array(cells, np.float64)


def _read_cells(feature: Feature, texts: Sequence[str]) -> Sequence[Cell]:
    """The cells of a feature."""
    if isinstance(feature, CategoricalFeature):
        spell = speller(feature.categories)
        cells = {text: spell(text.strip()) for text in set(texts)}
        return [cells[text] for text in texts]
    joined = "".join(texts)
    if joined.isascii() and not joined.encode().translate(None, DIGITS):
        try:
            return list(map(float, texts))
        except ValueError:  # an empty one, or one like 1-2
            pass
    return [read_number(text.strip()) for text in texts]

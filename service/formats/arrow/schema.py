"""The schema of an Arrow stream: what each column is, and what it takes of a record batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.errors import MalformedBody
from service.formats.arrow.columns import Kind
from service.formats.arrow.flatbuffer import BOOL, I16, I32, I64, U8, BadBuffer, Table

MAX_DEPTH = 32
FIELD_BYTES = 32
"""What a field takes at least, its name apart."""
INT, FLOATING_POINT, UTF8, LARGE_UTF8 = 2, 3, 5, 20
KINDS = {
    1: Kind.NULL,
    INT: Kind.NUMBER,
    FLOATING_POINT: Kind.NUMBER,
    UTF8: Kind.TEXT,
    6: Kind.BOOLEAN,
    LARGE_UTF8: Kind.TEXT,
    24: Kind.TEXT_VIEW,
}
"""The types whose cells can be read, by their numbers in the metadata."""
BUFFERS = dict.fromkeys(range(1, 27), 2) | {1: 0, 4: 3, 5: 3, 13: 1, 16: 1, 19: 3, 20: 3, 22: 0, 25: 3, 26: 3}
"""How many buffers an array of each type has, without its children's and those that hold the long values of views."""
UNION = 14
VIEWS = (23, 24)
FLOATS = ("<f2", "<f4", "<f8")


class Field(NamedTuple):
    """A column as the schema announces it.

    `dtype` is that of numbers, of a text's offsets, or of the codes of a dictionary, which is known by its number and
    whose cells are `values`; bool for what has none. The counts are what the column takes of a record batch, with its
    children.
    """

    name: str
    kind: Kind
    dtype: np.dtype
    n_nodes: int
    n_buffers: int
    n_views: int
    dictionary: int | None = None
    values: Field | None = None


def read_fields(schema: Table, n_bytes: int) -> tuple[Field, ...]:
    """The columns of a schema whose message has `n_bytes`.

    Raises:
        BadBuffer, MalformedBody: it is not one that can be read.
    """
    if schema.scalar(0, I16):
        raise MalformedBody("an Arrow stream must be little-endian, got a big-endian one")
    walk = _Walk(n_bytes)
    return tuple(walk.read(field) for field in schema.tables(1))


class _Walk:
    """A walk through the tables of fields, which ends: one table may be the child of many."""

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes

    def read(self, field: Table, depth: int = 0) -> Field:
        name = field.text(0)
        self._left -= FIELD_BYTES + len(name)
        if self._left < 0 or depth > MAX_DEPTH:
            raise BadBuffer("a schema must name each of its fields once")
        number = field.scalar(2, U8)
        if number == UNION or number not in BUFFERS:
            raise BadBuffer(f"its columns must be of types other than unions, got type {number}")
        children = [self.read(child, depth + 1) for child in field.tables(5)]
        plain = Field(
            name,
            KINDS.get(number, Kind.OTHER),
            _dtype(number, field.table(3)),
            1 + sum(child.n_nodes for child in children),
            BUFFERS[number] + sum(child.n_buffers for child in children),
            (number in VIEWS) + sum(child.n_views for child in children),
        )
        encoding = field.table(4)
        if encoding is None:
            return plain
        codes = _int_dtype(encoding.table(1))
        return Field(name, Kind.CODES, codes, 1, 2, 0, dictionary=encoding.scalar(0, I64), values=plain)


def _dtype(number: int, details: Table | None) -> np.dtype:
    if number in (UTF8, LARGE_UTF8):
        return np.dtype("<i4" if number == UTF8 else "<i8")
    if number == INT:
        return _int_dtype(details)
    if number != FLOATING_POINT:
        return np.dtype(bool)
    precision = details.scalar(0, I16) if details else 0
    if not 0 <= precision < len(FLOATS):
        raise BadBuffer(f"floating-point numbers must have a precision of 0 to 2, got {precision}")
    return np.dtype(FLOATS[precision])


def _int_dtype(details: Table | None) -> np.dtype:
    """That of an Int; a dictionary's codes are int32 where nothing is said."""
    if details is None:
        return np.dtype("<i4")
    n_bits = details.scalar(0, I32)
    if n_bits not in (8, 16, 32, 64):
        raise BadBuffer(f"integers must have 8, 16, 32 or 64 bits, got {n_bits}")
    return np.dtype(f"<{'i' if details.scalar(1, BOOL) else 'u'}{n_bits // 8}")

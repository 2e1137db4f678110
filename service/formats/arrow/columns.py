"""The cells of one column of an Arrow record batch, as numbers or as Python values."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np

from contract.tensors import Cell
from service.errors import BodyTooLarge
from service.formats.arrow.flatbuffer import BadBuffer

MAX_TEXT_BYTES = 16 * 2**20
VIEW = np.dtype([("length", "<i4"), ("prefix", "<i4"), ("buffer", "<i4"), ("offset", "<i4")])
INLINE_BYTES = 12
"""A view's text up to this length stands in the view itself, behind the length."""
INLINE_AT = 4


class Kind(enum.Enum):
    """What the cells of a column are."""

    NULL = enum.auto()
    BOOLEAN = enum.auto()
    NUMBER = enum.auto()
    TEXT = enum.auto()
    TEXT_VIEW = enum.auto()
    CODES = enum.auto()
    OTHER = enum.auto()


class TextAllowance:
    """How long the texts of a body may become: `MAX_TEXT_BYTES`, or as long as the body itself.

    Dictionaries and views say a text once and mean it in every row, but the model is given it in each.
    """

    def __init__(self, body: bytes) -> None:
        self._left = max(MAX_TEXT_BYTES, len(body))

    def spend(self, n_bytes: int) -> None:
        """Take off what is about to be written out.

        Raises:
            BodyTooLarge: there is not that much left.
        """
        self._left -= n_bytes
        if self._left < 0:
            raise BodyTooLarge(f"the texts of a body must be at most {MAX_TEXT_BYTES} bytes where each is written out")


class Column(NamedTuple):
    """A column in one record batch, or the values of a dictionary.

    `buffers` are where its buffers begin and end in `body`: the bits of the cells that are there, then what its kind
    demands. `dtype` is that of numbers, of a text's offsets, of the codes of `dictionary`, or bool.

    Raises, in every method:
        BadBuffer: the buffers are not those of such a column.
    """

    body: bytes
    kind: Kind
    dtype: np.dtype
    n_rows: int
    n_nulls: int
    buffers: list[tuple[int, int]]
    dictionary: Column | None

    def floats(self) -> np.ndarray | None:
        """Numbers as float16, float32 or float64 `(n_rows,)`, NaN where missing; None where the cells are no numbers.

        Integers become float64, as those in JSON do.
        """
        if self.kind is Kind.NULL:
            return np.full(self.n_rows, np.nan, np.float32)
        if self.kind is not Kind.NUMBER:
            return None
        values = self._array(1, self.dtype, self.n_rows)
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
        if self._is_complete():
            return values
        return np.where(self._bits(0, np.arange(self.n_rows)), values, values.dtype.type(np.nan))

    def cells(self, allowance: TextAllowance) -> np.ndarray:
        """The cells as Python values, None where missing: object `(n_rows,)`.

        Raises:
            BodyTooLarge: the texts become too long.
        """
        return self._take(np.arange(self.n_rows), allowance)

    def _take(self, rows: np.ndarray, allowance: TextAllowance) -> np.ndarray:
        """The cells of some rows."""
        taken = np.full(len(rows), None)
        if self.kind is Kind.NULL:
            return taken
        if self._is_complete():
            taken[:] = self._read(rows, allowance)
            return taken
        is_there = self._bits(0, rows)
        taken[is_there] = self._read(rows[is_there], allowance)
        return taken

    def _read(self, rows: np.ndarray, allowance: TextAllowance) -> np.ndarray | list[Cell]:
        """The cells of rows in which none is missing."""
        if self.kind is Kind.BOOLEAN:
            return list(self._bits(1, rows).tolist())
        if self.kind is Kind.NUMBER:
            return list(self._array(1, self.dtype, self.n_rows)[rows].tolist())
        if self.kind is Kind.CODES:
            return self._decode(rows, allowance)
        starts, ends = self._text_spans(rows) if self.kind is Kind.TEXT else self._view_spans(rows)
        allowance.spend(int((ends - starts).sum()))
        try:
            return [self.body[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        except UnicodeDecodeError:
            raise BadBuffer("texts must be UTF-8") from None

    def _decode(self, rows: np.ndarray, allowance: TextAllowance) -> np.ndarray:
        """What codes stand for. Of the dictionary only what they use is looked at."""
        if self.dictionary is None:
            raise BadBuffer("a dictionary must come before its codes")
        used, places = np.unique(self._array(1, self.dtype, self.n_rows)[rows], return_inverse=True)
        if len(used) and not (used[0] >= 0 and used[-1] < self.dictionary.n_rows):
            raise BadBuffer(f"codes must be from 0 to {self.dictionary.n_rows - 1}, got {used[0]} to {used[-1]}")
        cells = self.dictionary._take(used.astype(np.int64), allowance)  # noqa: SLF001 # another column
        n_characters = np.array([len(cell) if type(cell) is str else 0 for cell in cells], np.int64)
        allowance.spend(int(n_characters[places].sum()))
        return cells[places]

    def _text_spans(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where texts begin and end in the body."""
        offsets = self._array(1, self.dtype, self.n_rows + 1 if self.n_rows else 0)
        start, end = self.buffers[2]
        starts, ends = offsets[rows].astype(np.int64), offsets[rows + 1].astype(np.int64)
        if not ((starts >= 0) & (starts <= ends) & (ends <= end - start)).all():
            raise BadBuffer("the offsets of texts must rise, and stay inside their buffer")
        return starts + start, ends + start

    def _view_spans(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where texts begin and end in the body."""
        views = self._array(1, VIEW, self.n_rows)[rows]
        lengths = views["length"].astype(np.int64)
        starts = self.buffers[1][0] + VIEW.itemsize * rows + INLINE_AT
        is_long = lengths > INLINE_BYTES
        if is_long.any():
            buffers = np.array(self.buffers[2:], np.int64).reshape(-1, 2)
            numbers, offsets = views["buffer"][is_long], views["offset"][is_long].astype(np.int64)
            if not ((numbers >= 0) & (numbers < len(buffers)) & (offsets >= 0)).all():
                raise BadBuffer("views must point into their buffers")
            starts[is_long] = buffers[numbers, 0] + offsets
            if not (starts[is_long] + lengths[is_long] <= buffers[numbers, 1]).all():
                raise BadBuffer("views must point into their buffers")
        if not (lengths >= 0).all():
            raise BadBuffer("texts must have a length of 0 or more")
        return starts, starts + lengths

    def _is_complete(self) -> bool:
        """Whether no cell is missing."""
        start, end = self.buffers[0]
        return not self.n_nulls or start == end

    def _bits(self, index: int, rows: np.ndarray) -> np.ndarray:
        """The bits of some rows in a buffer of them: bool."""
        octets = self._array(index, np.dtype(np.uint8), (self.n_rows + 7) // 8)
        bits: np.ndarray = octets[rows >> 3] >> (rows & 7).astype(np.uint8) & 1
        return bits.astype(bool)

    def _array(self, index: int, dtype: np.dtype, count: int) -> np.ndarray:
        """What a buffer begins with."""
        start, end = self.buffers[index]
        if count * dtype.itemsize > end - start:
            raise BadBuffer(f"a buffer of {count} items must have {count * dtype.itemsize} bytes, got {end - start}")
        array: np.ndarray = np.frombuffer(self.body, dtype, count, start)
        return array

"""Rows of Python values → the tensors that a model file takes.

The quick way looks at all cells at once; only rows that it cannot take are looked at again, column by column, to say
exactly what is wrong with which (`contract.faults`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from contract.errors import Fault, InvalidRows
from contract.faults import find_faults, find_first_faults, text_types
from contract.model_file import X_CAT, X_NUM
from contract.row_decoder import RowDecoder
from contract.schema import Schema

Cell = float | int | str | bool | None
Row = Sequence[Cell] | Mapping[str, Cell]

NUMBER_TYPES = frozenset({float, int, type(None)})
SAFE_SQUARES = 1e76
"""Well below the square of float32's largest number, 3.4e38."""
UNREADABLE = (ValueError, TypeError, KeyError, OverflowError)
"""What reading rows that do not fit ends in."""


class Tensors:
    """Rows as a model file takes them.

    `x_num` is float32 `(n_samples, n_num)`, NaN where missing; `x_cat` is an object array of str `(n_samples, n_cat)`,
    empty where missing. `unseen` names, for each row that has any, the features whose text the model does not know.
    """

    __slots__ = ("n_samples", "unseen", "x_cat", "x_num")

    def __init__(self, x_num: np.ndarray, x_cat: np.ndarray, unseen: Mapping[int, list[str]]) -> None:
        self.x_num = x_num
        self.x_cat = x_cat
        self.unseen = unseen
        self.n_samples = len(x_num)

    def feed(self) -> dict[str, np.ndarray]:
        """The inputs by name, as `InferenceSession.run` takes them."""
        if not self.x_cat.shape[1]:
            return {X_NUM: self.x_num}
        return {X_NUM: self.x_num, X_CAT: self.x_cat} if self.x_num.shape[1] else {X_CAT: self.x_cat}

    def between(self, start: int, end: int) -> Tensors:
        """The rows from `start` on, up to `end`, of which nothing is known to be unseen."""
        return Tensors(self.x_num[start:end], self.x_cat[start:end], {})

    def take(self, rows: np.ndarray) -> Tensors:
        """Some rows by number, of which nothing is known to be unseen."""
        return Tensors(self.x_num[rows], self.x_cat[rows], {})


class RowReader:
    """Reads rows for one schema. Holds nothing that changes; any number of threads may share it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.names = tuple(feature.name for feature in schema.features)
        self.decoder = RowDecoder(schema)
        self._n_features = len(self.names)
        self._by_name = _picker(self.names)
        self._numeric = [self.names.index(feature.name) for feature in schema.numeric]
        self._texts = [
            (self.names.index(feature.name), _text_converter(text_types(feature))) for feature in schema.categorical
        ]
        self._known = [(feature.name, frozenset(("", *feature.categories))) for feature in schema.categorical]

    def read(self, rows: Sequence[Row]) -> Tensors:
        """The tensors of `rows`: all lists (or tuples) in feature order, or all objects keyed by feature name.

        None (and, in a number, NaN) means missing. Zero rows give tensors of zero rows.

        Raises:
            InvalidRows: a row has too few, too many, missing or unknown features, a cell has the wrong type, a number
                is not finite as float32, or a text is not valid Unicode.
        """
        try:
            return self.read_typed(self._checked(rows))
        except UNREADABLE:
            raise find_faults(self.schema, rows) from None

    def read_good(self, rows: Sequence[Row]) -> tuple[Tensors, dict[int, Fault]]:
        """The tensors of the rows that `read` takes, in their order, and by row the first fault of each other one."""
        try:
            return self.read(rows), {}
        except InvalidRows:
            faults = find_first_faults(self.schema, rows)
        return self.read([row for index, row in enumerate(rows) if index not in faults]), faults

    def read_typed(self, matrix: Sequence[Sequence[Cell]]) -> Tensors:
        """The tensors of rows in feature order, where somebody has checked their lengths and that numbers are numbers.

        Raises:
            ValueError: and what else is in `UNREADABLE`; `read` knows which row is to blame.
        """
        if not self._texts:
            x_num = to_float32(_doubles(matrix, (len(matrix), self._n_features)))
            return Tensors(x_num, no_texts(len(matrix)), {})
        columns = tuple(zip(*matrix, strict=True)) if matrix else ((),) * self._n_features
        x_num = np.empty((len(matrix), len(self._numeric)), dtype=np.float32)
        for j, position in enumerate(self._numeric):
            x_num[:, j] = to_float32(_doubles([columns[position]], (len(matrix),)))
        x_cat = np.empty((len(matrix), len(self._texts)), dtype=object)
        for j, (position, convert) in enumerate(self._texts):
            x_cat[:, j] = convert(columns[position])
        return Tensors(x_num, x_cat, self.find_unseen(x_cat))

    def write(self, tensors: Tensors) -> list[tuple[Cell, ...]]:
        """Rows in feature order that `read` makes the same tensors of."""
        columns: dict[int, list[Cell]] = {}
        for position, x in zip(self._numeric, tensors.x_num.T, strict=True):
            columns[position] = [None if math.isnan(number) else number for number in x.tolist()]
        for (position, _convert), texts in zip(self._texts, tensors.x_cat.T, strict=True):
            columns[position] = [text or None for text in texts]
        return list(zip(*(columns[position] for position in range(self._n_features)), strict=True))

    def find_unseen(self, x_cat: np.ndarray) -> dict[int, list[str]]:
        """By row, the features whose text the model does not know.

        Raises:
            ValueError: a text is not valid Unicode.
        """
        unseen: dict[int, list[str]] = {}
        for (name, known), column in zip(self._known, x_cat.T, strict=True):
            if not known.issuperset(column):
                for row in (row for row, text in enumerate(column) if text not in known):
                    column[row].encode()  # a lone surrogate is a ValueError here, and would be one in the model
                    unseen.setdefault(row, []).append(name)
        return unseen

    def _checked(self, rows: Sequence[Row]) -> Sequence[Sequence[Cell]]:
        kinds = set(map(type, rows))
        if kinds != {dict} and not kinds <= {list, tuple}:
            raise TypeError
        if set(map(len, rows)) - {self._n_features}:
            raise ValueError
        matrix: Sequence[Any] = [self._by_name(row) for row in rows] if kinds == {dict} else rows
        types = {type(row[position]) for position in self._numeric for row in matrix}
        if not types <= NUMBER_TYPES:
            raise TypeError
        return matrix


@lru_cache(maxsize=64)
def no_texts(n_samples: int) -> np.ndarray:
    """The `x_cat` of rows without categorical features: nothing, which all may share."""
    return np.empty((n_samples, 0), dtype=object)


def _doubles(rows: Sequence[Sequence[Cell]], shape: tuple[int, ...]) -> np.ndarray:
    """Numbers as float64 of a shape, NaN for None."""
    try:
        return np.fromiter(chain.from_iterable(rows), np.float64, math.prod(shape)).reshape(shape)
    except TypeError:  # None; finding out beforehand would cost those without any
        return np.array(rows, dtype=np.float64).reshape(shape)


def to_float32(values: np.ndarray) -> np.ndarray:
    """Numbers, NaN among them, as float32.

    Raises:
        ValueError: one is infinite or would be.
    """
    # One product instead of a look at each number: a sum of squares this small has no large number in it, and no NaN.
    if float(np.vdot(values, values)) < SAFE_SQUARES:
        return values.astype(np.float32)
    with np.errstate(over="ignore"):
        x = values.astype(np.float32)
    if np.isinf(x).any():
        raise ValueError
    return x


def _picker(keys: Sequence[Any]) -> Callable[[Any], tuple[Cell, ...]]:
    """Like `itemgetter`, but always a tuple."""
    if not keys:
        return lambda _row: ()
    if len(keys) == 1:
        (key,) = keys
        return lambda row: (row[key],)
    return itemgetter(*keys)


def _text_converter(good: frozenset[type]) -> Callable[[Iterable[Cell]], list[str]]:
    """Cells of one categorical column → texts; a cell whose type is not among `good` is a TypeError."""

    def convert(column: Iterable[Cell]) -> list[str]:
        cells = list(column)
        types = set(map(type, cells))
        if types == {str}:
            return cells  # type: ignore[return-value] # all of them are str
        if not types <= good:
            raise TypeError
        return ["" if cell is None else cell if type(cell) is str else str(cell).lower() for cell in cells]

    return convert

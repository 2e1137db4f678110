"""Rows of Python values → the tensors that a model file takes.

The quick way looks at all cells at once; only rows that it cannot take are looked at again, column by column, to say
exactly what is wrong with which (`contract.faults`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from contract.faults import find_faults, text_types
from contract.model_file import X_CAT, X_NUM
from contract.schema import Schema

Cell = float | int | str | bool | None
Row = list[Cell] | dict[str, Cell]

NUMBER_TYPES = frozenset({float, int, type(None)})


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
        return {name: array for name, array in ((X_NUM, self.x_num), (X_CAT, self.x_cat)) if array.shape[1]}


class RowReader:
    """Reads rows for one schema. Holds nothing that changes; any number of threads may share it."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._n_features = len(schema.features)
        self._n_numeric = len(schema.numeric)
        self._known = [frozenset(("", *feature.categories)) for feature in schema.categorical]
        self._convert = [_text_converter(text_types(feature)) for feature in schema.categorical]
        names = [feature.name for feature in schema.features]
        self._by_name = _picker(names)
        self._numeric_cells = _picker([names.index(feature.name) for feature in schema.numeric])
        self._text_cells = _picker([names.index(feature.name) for feature in schema.categorical])

    def read(self, rows: Sequence[Row]) -> Tensors:
        """The tensors of `rows`: all lists (or tuples) in feature order, or all objects keyed by feature name.

        None (and, in a number, NaN) means missing. Zero rows give tensors of zero rows.

        Raises:
            InvalidRows: a row has too few, too many, missing or unknown features, a cell has the wrong type, a number
                is not finite as float32, or a text is not valid Unicode.
        """
        try:
            matrix = self._matrix(rows)
            x_num = self._numbers(matrix)
            x_cat = self._texts(matrix)
            return Tensors(x_num, x_cat, self._unseen(x_cat))
        except (ValueError, TypeError, KeyError, OverflowError):
            raise find_faults(self.schema, rows) from None

    def _matrix(self, rows: Sequence[Row]) -> Sequence[Sequence[Cell]]:
        kinds = set(map(type, rows))
        if kinds != {dict} and not kinds <= {list, tuple}:
            raise TypeError
        if set(map(len, rows)) - {self._n_features}:
            raise ValueError
        return [self._by_name(row) for row in rows] if kinds == {dict} else rows  # type: ignore[return-value] # lists

    def _numbers(self, matrix: Sequence[Sequence[Cell]]) -> np.ndarray:
        if not self._n_numeric:
            return np.empty((len(matrix), 0), np.float32)
        only_numbers = self._n_numeric == self._n_features
        cells = matrix if only_numbers else [self._numeric_cells(row) for row in matrix]
        types = set(map(type, chain.from_iterable(cells)))
        if not types <= NUMBER_TYPES:
            raise TypeError
        with np.errstate(over="ignore"):
            x_num = np.array(cells, dtype=np.float32).reshape(len(matrix), self._n_numeric)
        if np.isinf(x_num).any():
            raise ValueError
        return x_num

    def _texts(self, matrix: Sequence[Sequence[Cell]]) -> np.ndarray:
        x_cat = np.empty((len(matrix), len(self._known)), dtype=object)
        if self._known and len(matrix):
            columns = zip(*map(self._text_cells, matrix), strict=True)
            for j, (column, convert) in enumerate(zip(columns, self._convert, strict=True)):
                x_cat[:, j] = convert(column)
        return x_cat

    def _unseen(self, x_cat: np.ndarray) -> dict[int, list[str]]:
        unseen: dict[int, list[str]] = {}
        for known, feature, column in zip(self._known, self.schema.categorical, x_cat.T, strict=True):
            if not known.issuperset(column):
                for row in (row for row, text in enumerate(column) if text not in known):
                    column[row].encode()  # a lone surrogate is a ValueError here, and would be one in the model
                    unseen.setdefault(row, []).append(feature.name)
        return unseen


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

"""Columns of one type each → tensors, without a Python object for each row."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from contract.schema import CategoricalFeature
from contract.tensors import RowReader, Tensors


def read_typed_columns(columns: Iterable[np.ndarray | None], reader: RowReader, n_rows: int) -> Tensors | None:
    """The tensors of columns in feature order: numbers, NaN where missing, or texts as objects, empty where missing.

    None where a column is None or a number is infinite as float32: whoever reads rows can say what is wrong with which.
    """
    x_num = np.empty((n_rows, len(reader.schema.numeric)), np.float32)
    x_cat = np.empty((n_rows, len(reader.schema.categorical)), object)
    numbers, texts = iter(x_num.T), iter(x_cat.T)
    with np.errstate(over="ignore"):
        for feature, column in zip(reader.schema.features, columns, strict=True):
            if column is None:
                return None
            next(texts if isinstance(feature, CategoricalFeature) else numbers)[:] = column
    return None if np.isinf(x_num).any() else Tensors(x_num, x_cat, reader.find_unseen(x_cat))

"""Whether a row's answer depends on the rows beside it in a batch, to the last bit.

Each number is a sum of products, and a sum's last bit depends on its order. onnxruntime adds up in the same order for
any number of rows but one: for a single one it may take another kernel. Two copies of that row take the usual one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from contract.schema import Schema
from contract.tensors import Tensors
from service.answers import Answers

N_ROWS = 64
BATCH_SIZES = (2, 3, 7, 16, 33)

Run = Callable[[Tensors], Answers]
Least = Literal[1, 2] | None
LEAST: tuple[Literal[1, 2], ...] = (1, 2)


def least_rows(run: Run, schema: Schema, max_rows: int) -> Least:
    """How many rows a batch must have for each row's answer to be always the same; None where no number does.

    Found out with rows made up of the schema's ranges and categories, in batches of up to `max_rows`.
    """
    tensors = _rows(schema)
    together = run(tensors)
    copies = np.arange(max_rows) % N_ROWS
    if not _are_same(run(tensors.take(copies)), together.take(copies)):
        return None
    for size in BATCH_SIZES:
        for start in range(0, N_ROWS - size + 1, size):
            rows = np.arange(start, start + size)
            if not _are_same(run(tensors.take(rows)), together.take(rows)):
                return None
    return next((size for size in LEAST if _are_alike(run, tensors, together, size)), None)


def _are_alike(run: Run, tensors: Tensors, together: Answers, size: int) -> bool:
    """Whether so many copies of a row get the answer that the row gets among others."""
    alone = (run(tensors.take(np.full(size, row))).between(0, 1) for row in range(N_ROWS))
    return all(_are_same(one, together.between(row, row + 1)) for row, one in enumerate(alone))


def _rows(schema: Schema) -> Tensors:
    draw = np.random.default_rng(0)
    x_num = np.empty((N_ROWS, len(schema.numeric)), np.float32)
    for j, feature in enumerate(schema.numeric):
        knots = (feature.minimum, *feature.quantiles, feature.maximum)
        x_num[:, j] = np.interp(draw.uniform(0, len(knots) - 1, size=N_ROWS), range(len(knots)), knots)
    x_cat = np.empty((N_ROWS, len(schema.categorical)), dtype=object)
    for j, category in enumerate(schema.categorical):
        texts = ("", *category.categories)
        x_cat[:, j] = [texts[code] for code in draw.integers(len(texts), size=N_ROWS)]
    return Tensors(x_num, x_cat, {})


def _are_same(one: Answers, other: Answers) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))

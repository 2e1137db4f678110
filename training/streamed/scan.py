"""The first pass over a table that is streamed: a sample of its rows to decide by, and what is known of the others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import polars as pl

from training.ahead import read_ahead
from training.batches import Wanted
from training.binary_rows import LazyRows
from training.labels import MAX_CLASSES, label_cells, no_classes
from training.streamed.facts import ColumnFacts

ROWS_OF_EACH_LABEL = 20
"""The first so many rows of each label are in the sample, however rare it is: enough for every part to have some."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a table leaves in memory.

    `sample` holds rows drawn at random, in the table's order, and `sample_rows` their numbers, int64. `label_counts`
    says for each text of the label column how many rows of the whole table have it; `facts` are those of the columns
    in the rows that have a label and are not in the sample.
    """

    sample: pl.DataFrame
    sample_rows: np.ndarray
    label_counts: dict[str, int]
    facts: dict[str, ColumnFacts]


def scan(rows: LazyRows, target: str, share: float, seed: int, on_progress: Callable[[float], None]) -> Scan:
    """Read all rows once; each is in the sample with probability `share`.

    `on_progress` is told how much of the table was read, from 0 to 1.

    Raises:
        InvalidData: there is no such column, it holds no classes, or the file is damaged.
    """
    rng = np.random.default_rng(seed)
    samples: list[pl.DataFrame] = []
    sample_rows: list[np.ndarray] = []
    label_counts: dict[str, int] = {}
    facts = {name: ColumnFacts() for name in rows.columns}
    first_row = 0
    with closing(read_ahead(rows.batches(Wanted(rows.columns)))) as batches:
        for frame, read in batches:
            cells = label_cells(frame, target)
            in_sample = rng.random(frame.height) < share
            in_sample[_first_of_each(cells, label_counts)] = True
            if len(label_counts) > MAX_CLASSES:
                raise no_classes(target, len(label_counts), first_row + frame.height)
            samples.append(frame.filter(in_sample))
            sample_rows.append(first_row + np.flatnonzero(in_sample))
            in_rest = ~in_sample & cells.is_not_null().to_numpy()
            if in_rest.any():
                rest, numbers = frame.filter(in_rest), first_row + np.flatnonzero(in_rest)
                for column in rest:
                    facts[column.name].add(column, numbers)
            first_row += frame.height
            on_progress(read)
    return Scan(pl.concat(samples, rechunk=True), np.concatenate(sample_rows), label_counts, facts)


def _first_of_each(cells: pl.Series, counts: dict[str, int]) -> np.ndarray:
    """Which cells are among the first of their text, where `counts` are those of the cells before; adds these to it."""
    found = [np.empty(0, np.int64)]
    for text, n_cells in cells.drop_nulls().rename("text").value_counts(name="rows").iter_rows():
        before = counts.get(text, 0)
        if before < ROWS_OF_EACH_LABEL:
            found.append((cells == text).arg_true().head(ROWS_OF_EACH_LABEL - before).to_numpy())
        counts[text] = before + n_cells
    return np.concatenate(found)

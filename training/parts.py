"""The parts of a run, as tensors: cut out of one table, or tested on rows that are held out for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from contract.config import TrainingConfig
from contract.errors import InvalidData, InvalidRows
from contract.faults import shorten, show
from contract.schema import Label, Schema, label_text
from contract.tensors import Tensors
from training.cells import plain_booleans, plain_integers, texts
from training.columns import Columns
from training.dataset import Split, frame_tensors, make_schema, split_rows
from training.labels import MIN_ROWS_PER_CLASS, read_labels


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows kept from training for good, to evaluate every version of a table on.

    `frame` holds them, each with its label; `rows`, int64 and ascending, are the numbers of the rows of one table that
    are the same ones.
    """

    frame: pl.DataFrame
    rows: np.ndarray

    def indices(self, labels: Sequence[Label], target: str) -> np.ndarray:
        """For each row the index of its label among `labels`: int64 `(n_rows,)`, -1 where missing or not among them.

        Raises:
            InvalidData: the label column holds what can be no text.
        """
        cells = texts(self.frame[target])
        if isinstance(labels[0], bool):
            cells = plain_booleans(cells)
        elif isinstance(labels[0], int):
            cells = plain_integers(cells.str.strip_prefix("+"))
        index_of = {label_text(label): index for index, label in enumerate(labels)}
        return cells.replace_strict(index_of, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy(writable=True)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one part: raw tensors, and class indices int64 `(n_samples,)`."""

    tensors: Tensors
    y: np.ndarray


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run works on. For a packed network there are no valid rows: its members leave out train rows.

    The conformal rows calibrate prediction sets and nothing else; there may be none.

    `y` are the class indices of the whole table, int64 `(n_rows,)`, -1 where missing.

    The schema's ranges and categories are those of the train rows alone; its labels are those of the table.
    """

    schema: Schema
    y: np.ndarray
    train: Part
    valid: Part
    test: Part
    conformal: Part


def make_parts(
    frame: pl.DataFrame, target: str, columns: Columns, config: TrainingConfig, held_out: HeldOut | None
) -> Parts:
    """The parts of a table.

    With `held_out`, its rows are in no other part than test, and are all of it but for those whose label is missing or
    none of the table's; the rows that would have been the test part are trained on.

    Raises:
        InvalidData: the labels cannot be learnt, a class has too few rows besides the held-out ones, or these do not
            fit the table's columns and labels.
        InvalidRows: a cell of a numeric column is no number, or is not finite as float32.
    """
    labels, y = read_labels(frame, target)
    split = _split_besides(held_out, y, labels, config) if held_out else _split(y, config)
    if config.is_packed:
        split = replace(split, train=np.union1d(split.train, split.valid), valid=np.empty(0, np.int64))
    schema = make_schema(frame[split.train], target, columns, labels, max_categories=config.max_categories)
    train, valid, test, conformal = (
        Part(frame_tensors(schema, frame[rows]), y[rows])
        for rows in (split.train, split.valid, split.test, split.conformal)
    )
    return Parts(schema, y, train, valid, _held_out_part(schema, held_out) if held_out else test, conformal)


def _split(y: np.ndarray, config: TrainingConfig) -> Split:
    return split_rows(
        y,
        valid_fraction=config.valid_fraction,
        test_fraction=config.test_fraction,
        conformal_fraction=config.conformal_fraction,
        seed=config.seed,
    )


def _split_besides(held_out: HeldOut, y: np.ndarray, labels: Sequence[Label], config: TrainingConfig) -> Split:
    """Train, valid and conformal rows that are not held out; no test rows.

    Raises:
        InvalidData: a class has too few.
    """
    left = y.copy()
    left[held_out.rows] = -1
    counts = np.bincount(left[left >= 0], minlength=len(labels)).tolist()
    rare = [f"{show(label)} with {n}" for label, n in zip(labels, counts, strict=True) if n < MIN_ROWS_PER_CLASS]
    if rare:
        raise InvalidData(
            f"every class must have at least {MIN_ROWS_PER_CLASS} rows besides the held-out ones, "
            f"got {shorten(', '.join(rare))}"
        )
    split = _split(left, config)
    return replace(split, train=np.union1d(split.train, split.test), test=np.empty(0, np.int64))


def _held_out_part(schema: Schema, held_out: HeldOut) -> Part:
    y = held_out.indices(schema.labels, schema.target)
    known = y >= 0
    if not known.any():
        expected = shorten(", ".join(map(show, schema.labels)))
        raise InvalidData(f"the held-out rows must have labels of this table ({expected}), got none of them")
    try:
        return Part(frame_tensors(schema, held_out.frame.filter(known)), y[known])
    except InvalidRows as error:
        raise InvalidData(f"the held-out rows must fit this table's columns, but in theirs, {error}") from error

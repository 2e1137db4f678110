"""The target column → class labels and class indices."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from contract.errors import InvalidData
from contract.faults import shorten, show
from contract.schema import Label
from training.cells import texts
from training.columns import require_columns

MAX_CLASSES = 1_000
MANY_CLASSES = 20
"""Up to here, any number of classes is believed; above, each must have three rows on average."""
MIN_ROWS_PER_CLASS = 3

WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
"""At most 18 digits: an int64."""
FRACTION = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")
CODE = re.compile(r"[+-]?0[0-9].*")


def read_labels(frame: pl.DataFrame, target: str) -> tuple[tuple[Label, ...], np.ndarray]:
    """The labels in ascending order, and for each row the index of its own: int64 `(n_rows,)`, -1 where missing.

    Labels are integers where all cells are whole numbers (1.0 is one) and none starts with a zero as codes do,
    booleans where all are true or false, and otherwise text.

    Raises:
        InvalidData: there is no such column, it looks like quantities or ids, or it has fewer than two classes or a
            class with fewer than three rows.
    """
    cells = label_cells(frame, target)
    counts = cells.drop_nulls().rename("text").value_counts(name="rows")
    n_labelled, n_texts = len(cells) - cells.null_count(), len(counts)
    if n_texts > MAX_CLASSES or (n_texts > MANY_CLASSES and MIN_ROWS_PER_CLASS * n_texts > n_labelled):
        raise no_classes(target, n_texts, n_labelled)
    spellings = _label_of_each(counts["text"].to_list(), target)
    labels = tuple(sorted(set(spellings.values())))
    y = _indices(cells, {text: labels.index(label) for text, label in spellings.items()})
    _check_classes(labels, y, target)
    return labels, y


def label_indices(labels: Sequence[Label], frame: pl.DataFrame, target: str) -> np.ndarray:
    """For each row the index of its label among a model's `labels`: int64 `(n_rows,)`, -1 where missing.

    Raises:
        InvalidData: there is no such column, or it holds a label that the model does not know.
    """
    cells = label_cells(frame, target)
    index_of = {label: index for index, label in enumerate(labels)}
    known: dict[str, int] = {}
    for text in cells.drop_nulls().unique(maintain_order=True):
        label = _as_type_of(labels[0], text)
        if label not in index_of:
            row = (cells == text).arg_max()
            raise InvalidData(
                f"the target {target!r} must hold labels that the model knows "
                f"({shorten(', '.join(map(show, labels)))}), got {show(text)} in row {row}, counted from 0"
            )
        known[text] = index_of[label]
    return _indices(cells, known)


def no_classes(target: str, n_texts: int, n_rows: int) -> InvalidData:
    """The error of a target with so many different values in so many rows."""
    return InvalidData(
        f"the target {target!r} must hold classes, got {n_texts} different values in {n_rows} rows: "
        f"it looks like a quantity or an id"
    )


def label_cells(frame: pl.DataFrame, target: str) -> pl.Series:
    """The label column as pl.String, null where missing.

    Raises:
        InvalidData: there is no such column, or it holds what can be no label.
    """
    require_columns(frame, [target], "the target")
    column = frame[target]
    if column.dtype.is_temporal() or column.dtype.is_nested():
        raise InvalidData(f"the target {target!r} must hold text, integers or booleans, got {column.dtype}")
    return texts(column)


def _indices(cells: pl.Series, index_of: dict[str, int]) -> np.ndarray:
    if not index_of:
        return np.full(len(cells), -1, dtype=np.int64)
    indices = cells.replace_strict(index_of, default=-1, return_dtype=pl.Int64)
    return indices.fill_null(-1).to_numpy(writable=True)


def _label_of_each(spellings: Sequence[str], target: str) -> dict[str, Label]:
    """The label that each spelling stands for: 1 and 1.0 are one label, so are True and true."""
    example: Label = spellings[0] if spellings else ""
    if all(text.lower() in ("true", "false") for text in spellings):
        example = True
    elif any(CODE.fullmatch(text) for text in spellings):
        pass
    elif all(WHOLE.fullmatch(text) for text in spellings):
        example = 0
    elif all(WHOLE.fullmatch(text) or FRACTION.fullmatch(text) for text in spellings):
        fraction = next(text for text in spellings if not WHOLE.fullmatch(text))
        raise InvalidData(
            f"the target {target!r} must hold text, integers or booleans, got {fraction}: it looks like a quantity"
        )
    return {text: _as_type_of(example, text) for text in spellings}


def _as_type_of(example: Label, text: str) -> Label:
    """The label that `text` spells, of the type that `example` has where that is possible."""
    if isinstance(example, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(example, int) and WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    return text


def _check_classes(labels: Sequence[Label], y: np.ndarray, target: str) -> None:
    if len(labels) < 2:
        raise InvalidData(
            f"the target {target!r} must hold at least two classes, got {', '.join(map(show, labels)) or 'none'}"
        )
    counts = np.bincount(y[y >= 0], minlength=len(labels))
    rare = [
        f"{show(label)} with {count}" for label, count in zip(labels, counts, strict=True) if count < MIN_ROWS_PER_CLASS
    ]
    if rare:
        raise InvalidData(
            f"every class of {target!r} must have at least {MIN_ROWS_PER_CLASS} rows, one each to train, validate and "
            f"test on; got {shorten(', '.join(rare))}"
        )

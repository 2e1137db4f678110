"""Table → what training works on: its parts, a schema and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from contract.conformal import MAX_ROWS
from contract.errors import Fault, InvalidRows
from contract.faults import MAX_FAULTS, NUMBER, show
from contract.schema import QUANTILE_LEVELS, CategoricalFeature, Feature, Label, NumericFeature, Schema
from contract.tensors import Tensors
from training.cells import numbers, spell, spell_like, texts
from training.columns import Columns, require_columns


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of the parts: int64, ascending, no row in two of them. Of `conformal` there may be none."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    conformal: np.ndarray


def split_rows(
    y: np.ndarray, *, valid_fraction: float, test_fraction: float, conformal_fraction: float = 0.0, seed: int
) -> Split:
    """Rows dealt out at random, class by class, so that each part has the classes in about the same proportions.

    `y` holds class indices, int64 `(n_rows,)`; rows with -1 are in no part. Each part but the conformal one, which has
    `MAX_ROWS` at most, has at least one row of every class, whatever the fractions; a class has at least three rows.
    The same arguments give the same split; valid and test rows are the same whatever the conformal fraction.
    """
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(y >= 0))
    counts = np.bincount(y[rows])
    n_valid = _apportion(counts * valid_fraction, least=1, most=counts - 2)
    n_test = _apportion(counts * test_fraction, least=1, most=counts - n_valid - 1)
    share = min(conformal_fraction, MAX_ROWS / len(rows))
    n_conformal = _apportion(counts * share, least=0, most=counts - n_valid - n_test - 1)
    parts: tuple[list[np.ndarray], ...] = ([], [], [], [])
    for label in range(len(counts)):
        of_class = rows[y[rows] == label]
        cuts = np.cumsum([n_valid[label], n_test[label], n_conformal[label]])
        for part, dealt in zip(parts, np.split(of_class, cuts), strict=True):
            part.append(dealt)
    valid, test, conformal, train = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train=train, valid=valid, test=test, conformal=conformal)


def make_schema(
    frame: pl.DataFrame, target: str, columns: Columns, labels: Sequence[Label], *, max_categories: int
) -> Schema:
    """The schema that the train rows give: features in table order, with ranges or categories.

    Ranges and quantiles are float32 values, all 0 for a feature without a number. Categories are the `max_categories`
    commonest texts, sorted.

    Raises:
        InvalidRows: a cell of a numeric column is no number, or is not finite as float32.
    """
    features: list[Feature] = []
    for name, kind in columns.kinds.items():
        if kind == "numeric":
            features.append(_numeric_feature(name, frame[name]))
        else:
            features.append(_categorical_feature(name, frame[name], max_categories))
    return Schema(target=target, features=tuple(features), labels=tuple(labels))


def frame_tensors(schema: Schema, frame: pl.DataFrame, *, first_row: int = 0) -> Tensors:
    """The tensors of a frame's rows, which `contract.tensors.RowReader` gives for the same rows in JSON.

    Columns are found by name, in any order; others are ignored. For a slice, `first_row` is the number that faults
    give its first row; `Tensors.unseen` counts from 0 all the same.

    Raises:
        InvalidData: the frame lacks a feature's column, or one holds what can be no text.
        InvalidRows: a cell of a numeric feature is no number, or is not finite as float32.
    """
    require_columns(frame, [feature.name for feature in schema.features], "each feature of the model")
    x_num = frame_numbers(schema, frame, first_row=first_row)
    x_cat = np.empty((frame.height, len(schema.categorical)), dtype=object)
    unseen: dict[int, list[str]] = {}
    for j, feature in enumerate(schema.categorical):
        column = feature_texts(feature, frame)
        x_cat[:, j] = column.to_numpy()
        for row in (~column.is_in(["", *feature.categories])).arg_true():
            unseen.setdefault(row, []).append(feature.name)
    return Tensors(x_num, x_cat, unseen)


def frame_numbers(schema: Schema, frame: pl.DataFrame, *, first_row: int = 0) -> np.ndarray:
    """The numeric features of a frame's rows: float32 `(n_rows, n_num)`, NaN where missing.

    Raises:
        InvalidRows: a cell is no number, or is not finite as float32.
    """
    names = [feature.name for feature in schema.numeric]
    x_num = np.empty((frame.height, len(names)), dtype=np.float32)
    wrong = np.empty(x_num.shape, dtype=bool)
    for j, name in enumerate(names):
        x_num[:, j], wrong[:, j] = numbers(frame[name])
    if wrong.any():
        raise _faults(names, wrong, frame, first_row)
    return x_num


def feature_texts(feature: CategoricalFeature, frame: pl.DataFrame) -> pl.Series:
    """One feature of a frame's rows as pl.String, spelled as its categories are; the empty text where missing.

    Raises:
        InvalidData: the column holds what can be no text.
    """
    return spell_like(texts(frame[feature.name]), feature.categories).fill_null("")


def shortest(value: np.floating) -> float:
    """The number with the fewest digits that is `value` as float32: 7.7 rather than 7.699999809265137."""
    return float(str(np.float32(value)))


def _apportion(quotas: np.ndarray, *, least: int, most: np.ndarray) -> np.ndarray:
    """Whole numbers near `quotas`, from `least` to `most` each, that add up to the rounded sum where the bounds allow.

    The method of largest remainders: quotas are rounded down, and what is left goes to those that lost most.
    """
    shares: np.ndarray = np.clip(np.floor(quotas).astype(np.int64), least, most)
    n_left = round(quotas.sum()) - shares.sum()
    losses = np.where(shares < most, quotas - shares, -np.inf)
    for label in np.argsort(-losses, kind="stable")[: max(n_left, 0)]:
        shares[label] += shares[label] < most[label]
    return shares


def _numeric_feature(name: str, column: pl.Series) -> NumericFeature:
    x, wrong = numbers(column)
    if wrong.any():
        raise _faults([name], wrong[:, np.newaxis], column.to_frame(), first_row=0)
    present = x[~np.isnan(x)]
    values = present.astype(np.float64) if len(present) else np.zeros(1)
    quantiles = np.quantile(values, QUANTILE_LEVELS).astype(np.float32)
    return NumericFeature(
        name=name,
        missing=len(present) < len(x),
        minimum=shortest(values.min()),
        maximum=shortest(values.max()),
        quantiles=tuple(map(shortest, quantiles)),
    )


def _categorical_feature(name: str, column: pl.Series, max_categories: int) -> CategoricalFeature:
    spelled = spell(texts(column)).rename("text")
    counts = spelled.drop_nulls().value_counts(name="count").sort(["count", "text"], descending=[True, False])
    categories = sorted(counts["text"].head(max_categories).to_list())
    return CategoricalFeature(name=name, missing=spelled.null_count() > 0, categories=tuple(categories))


def _faults(names: Sequence[str], wrong: np.ndarray, frame: pl.DataFrame, first_row: int) -> InvalidRows:
    cells = np.argwhere(wrong)
    return InvalidRows(
        [
            Fault(row=first_row + row, feature=names[j], expected=NUMBER, got=_show(frame[names[j]][row]))
            for row, j in cells[:MAX_FAULTS].tolist()
        ],
        len(cells),
    )


def _show(cell: object) -> str:
    return show(cell if isinstance(cell, bool | int | float | str) else str(cell))

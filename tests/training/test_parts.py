"""Which rows a run trains, validates and tests on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contract.config import ColumnChoice, make_config
from contract.errors import InvalidData
from training.columns import choose_columns
from training.labels import label_indices, read_labels
from training.parts import HeldOut, make_parts

CONFIG = make_config()


def numbered(n: int = 60) -> pl.DataFrame:
    return pl.DataFrame({"x": np.arange(n) + 0.5, "label": ["a", "b"] * (n // 2)})


def parts_of(frame: pl.DataFrame, held_out: HeldOut | None = None):
    return make_parts(frame, "label", choose_columns(frame, "label", ColumnChoice(), 128), CONFIG, held_out)


def rows_of(part) -> set[float]:
    return set(part.tensors.x_num[:, 0].tolist())


def test_held_out_rows_are_tested_on_and_nothing_else():
    frame, rows = numbered(), np.array([0, 3, 7])
    parts = parts_of(frame, HeldOut(frame[rows], rows))
    assert rows_of(parts.test) == {0.5, 3.5, 7.5}
    assert rows_of(parts.train) | rows_of(parts.conformal) == {i + 0.5 for i in range(60)} - rows_of(parts.test)
    assert len(rows_of(parts.conformal)) == 3
    assert not rows_of(parts.train) & rows_of(parts.conformal)


def test_held_out_rows_that_the_table_has_no_longer_are_tested_on():
    gone = pl.DataFrame({"x": [1000.0, 2000.0], "label": ["a", "b"]})
    parts = parts_of(numbered(), HeldOut(gone, np.empty(0, np.int64)))
    assert rows_of(parts.test) == {1000.0, 2000.0}
    assert len(parts.train.y) + len(parts.conformal.y) == 60


def test_the_schema_knows_nothing_of_held_out_rows():
    frame = numbered().with_columns(x=pl.when(pl.int_range(pl.len()) == 5).then(999.5).otherwise("x"))
    parts = parts_of(frame, HeldOut(frame[[5]], np.array([5])))
    assert parts.schema.features[0].maximum < 100


def test_the_schema_knows_nothing_of_conformal_rows():
    frame = numbered()
    row = int(min(rows_of(parts_of(frame).conformal)))
    frame = frame.with_columns(x=pl.when(pl.int_range(pl.len()) == row).then(999.5).otherwise("x"))
    parts = parts_of(frame)
    assert 999.5 in rows_of(parts.conformal)
    assert parts.schema.features[0].maximum < 100


def test_held_out_rows_whose_label_the_table_does_not_know_are_dropped():
    rows = pl.DataFrame({"x": [1000.0, 2000.0, 3000.0], "label": ["a", "z", None]})
    parts = parts_of(numbered(), HeldOut(rows, np.empty(0, np.int64)))
    assert rows_of(parts.test) == {1000.0}


def test_held_out_rows_without_any_known_label_are_refused():
    rows = pl.DataFrame({"x": [1.0], "label": ["z"]})
    with pytest.raises(InvalidData, match='must have labels of this table \\("a", "b"\\), got none'):
        parts_of(numbered(), HeldOut(rows, np.empty(0, np.int64)))


def test_held_out_rows_that_do_not_fit_the_columns_are_refused():
    rows = pl.DataFrame({"x": ["n/a"], "label": ["a"]})
    with pytest.raises(InvalidData, match=r"the held-out rows must fit this table's columns, .* row 0, feature 'x'"):
        parts_of(numbered(), HeldOut(rows, np.empty(0, np.int64)))


def test_a_class_with_too_few_rows_besides_the_held_out_ones_is_refused():
    frame = numbered().with_columns(label=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("rare")).otherwise("label"))
    rows = np.array([0, 1, 2])
    with pytest.raises(InvalidData, match='at least 3 rows besides the held-out ones, got "rare" with 2'):
        parts_of(frame, HeldOut(frame[rows], rows))
    assert len(parts_of(frame, HeldOut(frame[rows[:2]], rows[:2])).test.y) == 2


@pytest.mark.parametrize(
    "cells", [["no", "yes", None], ["+1", "-1", "2.0"], ["True", "false", None], [1, 0, None], [True, False, True]]
)
def test_held_out_labels_are_read_as_those_of_a_model_are(cells):
    frame = pl.DataFrame({"label": pl.Series(cells * 3)})
    labels, y = read_labels(frame, "label")
    assert HeldOut(frame, np.empty(0, np.int64)).indices(labels, "label").tolist() == y.tolist()
    assert label_indices(labels, frame, "label").tolist() == y.tolist()


def test_labels_of_another_spelling_are_found():
    frame = pl.DataFrame({"label": ["1", "0.0", "maybe"]})
    assert HeldOut(frame, np.empty(0, np.int64)).indices((0, 1), "label").tolist() == [1, 0, -1]
    assert HeldOut(pl.DataFrame({"label": [1, 0]}), np.empty(0, np.int64)).indices(("0", "1"), "label").tolist() == [
        1,
        0,
    ]

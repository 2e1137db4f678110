"""Finding rows again in a later table."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from training.retrain.row_matching import match_as_many, match_rows

ROWS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("uv")), max_size=12)


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"x": pl.Int64, "label": pl.String}, orient="row")


def test_rows_are_found_wherever_they_stand():
    wanted = pl.DataFrame({"x": [1.5, 2.5], "label": ["u", "v"]})
    later = pl.DataFrame({"label": ["v", "u", "u"], "x": [2.5, 9.0, 1.5]})
    assert match_rows(later, wanted, ["x"]).tolist() == [0, 2]


@given(ROWS, ROWS)
def test_all_copies_of_a_wanted_row_are_found(rows, wanted):
    found = match_rows(frame(rows), frame(wanted), ["x"])
    assert found.tolist() == [row for row, (x, _) in enumerate(rows) if x in {x for x, _ in wanted}]


@given(ROWS, ROWS)
def test_at_most_as_many_copies_are_taken_as_are_wanted(rows, wanted):
    taken = match_as_many(frame(rows), frame(wanted), ["x"], "label")
    n_wanted, n_there = (Counter(x for x, _ in one) for one in (wanted, rows))
    assert Counter(rows[row][0] for row in taken) == n_wanted & n_there
    assert taken.tolist() == sorted(set(taken.tolist()))


@given(ROWS, ROWS)
def test_copies_with_the_same_label_are_taken_first(rows, wanted):
    taken = Counter(rows[row] for row in match_as_many(frame(rows), frame(wanted), ["x"], "label"))
    assert taken >= Counter(rows) & Counter(wanted)


def test_a_row_whose_label_was_changed_is_found():
    wanted = pl.DataFrame({"x": [1.5], "label": ["u"]})
    later = pl.DataFrame({"x": [0.5, 1.5], "label": ["u", None]})
    assert match_rows(later, wanted, ["x"]).tolist() == [1]


def test_text_and_typed_tables_agree():
    typed = pl.DataFrame(
        {
            "fraction": [1.0, 0.1, 1e-3, None],
            "whole": [5, -7, 0, 12],
            "flag": [True, False, None, True],
            "place": ["a", "b", None, "07x"],
            "label": [1, 0, 1, 0],
        }
    )
    text = pl.DataFrame(
        {
            "fraction": ["1.0", "0.10", "0.001", None],
            "whole": ["5", "-7.0", "-0", "12"],
            "flag": ["True", "false", None, "TRUE"],
            "place": ["a", "b", "", "07x"],
            "label": ["1", "0", "1", "0"],
        }
    )
    features = typed.columns[:-1]
    for later, wanted in (
        (typed, text),
        (text, typed),
        (typed.with_columns(pl.col("fraction").cast(pl.Float32)), text),
    ):
        assert match_rows(later, wanted, features).tolist() == [0, 1, 2, 3]


def test_a_cell_that_differs_makes_another_row():
    wanted = pl.DataFrame({"x": [1.0, 2.0], "place": ["a", None], "label": ["u", "v"]})
    later = pl.DataFrame({"x": [1.0, 1.1, 2.0], "place": ["b", "a", "a"], "label": ["u", "u", "v"]})
    assert match_rows(later, wanted, ["x", "place"]).tolist() == []


def test_columns_that_only_one_table_has_do_not_count():
    wanted = pl.DataFrame({"x": [1.5], "gone": ["a"], "label": ["u"]})
    later = pl.DataFrame({"x": [1.5], "new": ["b"], "label": ["u"]})
    assert match_rows(later, wanted, ["x", "new"]).tolist() == [0]


def test_columns_that_are_no_features_do_not_count():
    wanted = pl.DataFrame({"id": [1], "x": [1.5], "label": ["u"]})
    assert match_rows(wanted.with_columns(id=8), wanted, ["x"]).tolist() == [0]


def test_dates_do_not_count():
    wanted = pl.DataFrame({"day": [date(2026, 1, 1)], "x": [1.5], "label": ["u"]})
    later = wanted.with_columns(day=date(2027, 1, 1))
    assert match_rows(later, wanted, ["day", "x"]).tolist() == [0]


def test_tables_without_a_feature_in_common_have_no_row_in_common():
    wanted = pl.DataFrame({"old": [1], "label": ["u"]})
    later = pl.DataFrame({"new": [1], "label": ["u"]})
    for rows in (match_rows(later, wanted, ["new"]), match_as_many(later, wanted, ["new"], "label")):
        assert (rows.tolist(), rows.dtype) == ([], np.int64)

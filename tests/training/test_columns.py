"""Each column becomes a feature of the kind that its cells show, or is left out for a reason that is told."""

from __future__ import annotations

import datetime as dt
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.config import ColumnChoice
from contract.errors import InvalidData
from training.columns import choose_columns, require_columns

N_ROWS = 40
Y = ["p", "q"] * (N_ROWS // 2)
NUMBERS = [str(index * 7 % 40 / 8) for index in range(N_ROWS)]


def choose(columns, max_categories=64, **choice):
    """The columns of a table of `N_ROWS` rows, with a number `x` beside `columns` and a target `y`."""
    frame = pl.DataFrame({"x": NUMBERS, **columns, "y": Y}, strict=False)
    return choose_columns(frame, "y", ColumnChoice(**choice), max_categories)


def repeated(*cells):
    """A column in which `cells` take turns."""
    return [cells[index % len(cells)] for index in range(N_ROWS)]


def fate(cells, **choice):
    """The kind of a column with these cells, or else why it is left out."""
    columns = choose({"a": cells}, **choice)
    return columns.kinds.get("a") or columns.excluded["a"]


@pytest.mark.parametrize(
    "cells",
    [
        ("1", "2", "3"),
        ("1e-3", "-0.5", "+1", ".5", "2.", "0", "-0", "1E5"),
        ("1", None, "2"),
        (1, 2, None),
        (0.5, None, -1.0),
        ("0.5", "00.5"),
    ],
)
def test_numbers_are_numeric(cells):
    assert fate(repeated(*cells)) == "numeric"


@pytest.mark.parametrize(
    "cells",
    [
        ("red", "green", None),
        ("1", "2", "3", "x"),
        ("0x10", "0x20"),
        ("1_000", "2_000"),
        ("1,5", "2,5"),
        ("true", "FALSE"),
        (True, False, None),
        ("02139", "10115"),
        ("2024-01-31", "soon", "late"),
        ("2024-13-01", "2024-01-32"),
        ("1.2.3", "1.2.4"),
    ],
)
def test_other_texts_and_booleans_are_categorical(cells):
    assert fate(repeated(*cells)) == "categorical"


def test_categories_of_polars_are_categorical():
    assert fate(pl.Series(repeated("u", "v"), dtype=pl.Categorical)) == "categorical"


@pytest.mark.parametrize(
    "cells",
    [
        ("2024-01-31", "2023-12-01"),
        ("31/01/2024", "28/02/2024"),
        ("2024/01/31", "2024/02/28"),
        ("01-28-2024", "02-28-2024"),
        ("5-Jan-2024", "28 February 2024"),
        ("Jan 5, 2024", "Feb 28, 2024"),
        ("01/31/2024", "2/28/2024"),
        ("31.01.2024", "1.2.2024"),
        ("2024-01-31T12:00", "2024-01-31T12:00:01", "2024-01-31T12:00:01.123"),
        ("2024-01-31T12:00:01Z", "2024-01-31T12:00:01.5+01:00", "2024-01-31T12:00:01-0530"),
        ("2024-01-31 12:00:00", None),
        (*(["2024-01-31"] * 19), "soon"),
        (dt.date(2024, 1, 31), None),
        (dt.datetime(2024, 1, 31, 12), None),  # noqa: DTZ001
        (dt.time(12), None),
    ],
)
def test_dates_are_left_out_with_advice(cells):
    columns = choose({"a": repeated(*cells)})
    assert columns.excluded == {"a": "dates; turn them into numbers, such as an age in days"}
    assert columns.warnings == ("left out 'a': dates; turn them into numbers, such as an age in days",)


def test_numbers_like_20240131_are_no_dates():
    assert fate(repeated("20240131", "20240228")) == "numeric"


def test_dates_cannot_be_included():
    with pytest.raises(InvalidData, match=r"column 'a' cannot be a feature: it holds dates; turn them into numbers"):
        choose({"a": repeated("2024-01-31", "2024-02-01")}, include=("a",))
    with pytest.raises(InvalidData, match="it holds dates"):
        choose({"a": repeated(dt.date(2024, 1, 31))}, categorical=("a",))


def test_dates_in_text_can_be_taken_as_categories():
    assert fate(repeated("2024-01-31", "2024-02-01"), categorical=("a",)) == "categorical"


@pytest.mark.parametrize("cell", [[1], {"f": 1}, b"bytes", dt.timedelta(1)])
def test_nested_types_bytes_and_durations_are_left_out(cell):
    assert fate(repeated(cell, None)).startswith("neither numbers nor text but ")
    with pytest.raises(InvalidData, match="column 'a' cannot be a feature: it holds neither numbers nor text but"):
        choose({"a": repeated(cell, None)}, include=("a",))


@pytest.mark.parametrize("cell", ["same", "1", 1, 0.5, True])
def test_a_constant_column_is_left_out_unless_included(cell):
    assert fate(repeated(cell)) == "the same value in every row"
    assert fate(repeated(cell), include=("a",)) in ("numeric", "categorical")
    assert fate(repeated(cell), categorical=("a",)) == "categorical"


def test_one_value_beside_missing_cells_is_not_constant():
    assert fate(repeated("same", None)) == "categorical"
    assert fate(repeated(1, None)) == "numeric"


@pytest.mark.parametrize("dtype", [pl.String, pl.Float64, pl.Int64, pl.Null])
def test_an_empty_column_is_left_out(dtype):
    assert fate(pl.Series([None] * N_ROWS, dtype=dtype)) == "nothing in any row"


def test_texts_that_differ_in_nearly_every_row_are_left_out_unless_included():
    ids = [f"u{index}" for index in range(N_ROWS)]
    ids[0] = ids[1]
    assert fate(ids) == "a value of its own in nearly every row, as an id has"
    assert fate(ids, include=("a",)) == fate(ids, categorical=("a",)) == "categorical"
    assert fate([*ids[:30], *[None] * 10]) == "a value of its own in nearly every row, as an id has"
    assert fate(ids[:20] * 2) == "categorical"


def test_a_few_texts_that_all_differ_are_kept():
    assert fate([*[f"u{index}" for index in range(19)], *[None] * (N_ROWS - 19)]) == "categorical"


@pytest.mark.parametrize("start", [0, 1, -7, 1_000_000])
@pytest.mark.parametrize("form", [int, float, str])
def test_consecutive_numbers_in_any_order_are_left_out_unless_included(start, form):
    ids = [form(start + index * 7 % N_ROWS) for index in range(N_ROWS)]
    assert fate(ids) == "consecutive numbers, each once, as an id has"
    assert fate(ids, include=("a",)) == "numeric"
    assert fate([*ids[:-1], None]) == "numeric"
    assert fate([*ids[:-1], ids[0]]) == "numeric"
    assert fate([form(2 * int(float(cell))) for cell in ids]) == "numeric"


def test_numbers_between_consecutive_ones_are_kept():
    assert fate([*range(39), 39]) != "numeric"
    assert fate([0, 1.5, *range(2, 40)]) == "numeric"


def test_a_few_consecutive_numbers_are_kept():
    frame = pl.DataFrame({"a": range(19), "y": Y[:19]})
    assert choose_columns(frame, "y", ColumnChoice(), 64).kinds == {"a": "numeric"}


def test_numbers_can_be_taken_as_categories():
    assert fate(repeated("1", "2"), categorical=("a",)) == "categorical"
    assert fate(repeated(1, 2), categorical=("a",)) == "categorical"


def test_many_categories_are_kept_and_told():
    cells = repeated("a", "b", "c", "d")
    assert choose({"a": cells}, max_categories=4).warnings == ()
    columns = choose({"a": cells}, max_categories=3)
    assert columns.kinds["a"] == "categorical"
    assert columns.warnings == ("column 'a' has 4 categories: only the 3 commonest are told apart",)


def test_a_few_texts_among_numbers_are_told():
    cells = repeated(*map(str, range(20)))
    cells[5] = "unknown"
    assert choose({"a": cells}).warnings == (
        "column 'a' is taken as categories: 1 of its 40 cells cannot be numbers, "
        'such as "unknown" in row 5, counted from 0',
    )
    cells = [*NUMBERS[:-1], "unknown"]
    cells[0] = "0.1"
    assert fate(cells).endswith(
        'as an id has; 1 of its 40 cells cannot be numbers, such as "unknown" in row 39, counted from 0'
    )


def test_numbers_that_start_with_a_zero_are_codes_and_that_is_told():
    assert choose({"a": repeated("10115", "02139")}).warnings == (
        "column 'a' is taken as categories: some numbers start with a zero, such as 02139",
    )
    assert choose({"a": repeated("10115", "02139")}, categorical=("a",)).warnings == ()


@pytest.mark.parametrize("cell", ["1e300", "inf", "1e400", float("inf"), -1e39])
def test_a_number_beyond_float32_is_an_error_that_names_its_row(cell):
    cells = repeated(1, 2) if isinstance(cell, float) else repeated("1", "2")
    cells[7] = cell
    with pytest.raises(
        InvalidData, match=r"column 'a' must hold numbers that are finite as float32, got .+ in row 7, "
    ):
        choose({"a": cells})
    assert choose({"a": cells}, exclude=("a",)).excluded == {"a": "on request"}


def test_features_are_in_table_order_and_the_target_is_none_of_them():
    columns = choose({"c": repeated("u", "v"), "n": repeated(1, 2), "b": repeated(True, False)})
    assert columns.kinds == {"x": "numeric", "c": "categorical", "n": "numeric", "b": "categorical"}
    assert list(columns.kinds) == ["x", "c", "n", "b"]


def test_what_was_left_out_on_request_is_no_warning():
    columns = choose({"a": repeated("u", "v")}, exclude=("a",))
    assert columns.excluded == {"a": "on request"}
    assert columns.warnings == ()


def test_columns_left_out_for_one_reason_share_a_warning():
    columns = choose({f"k{index}": repeated("same") for index in range(12)})
    assert len(columns.excluded) == 12
    assert columns.warnings == (
        "left out 'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9', … (12 in all): "
        "the same value in every row",
    )


def test_a_table_without_features_is_an_error_that_says_why():
    frame = pl.DataFrame({"k": repeated("same"), "id": [f"u{index}" for index in range(N_ROWS)], "y": Y})
    with pytest.raises(
        InvalidData, match=r"column to learn 'y' from, got none: left out 'k': the same .*; left out 'id': a value of"
    ):
        choose_columns(frame, "y", ColumnChoice(), 64)
    with pytest.raises(InvalidData, match="got none: it has no other column"):
        choose_columns(frame.select("y"), "y", ColumnChoice(), 64)


def test_an_unknown_target_is_an_error_with_a_suggestion():
    frame = pl.DataFrame({"x": NUMBERS, "Species": Y})
    expected = "the target must be a column of the table, got 'specie' (did you mean 'Species'?); it has 'x', 'Species'"
    with pytest.raises(InvalidData, match=f"^{re.escape(expected)}$"):
        choose_columns(frame, "specie", ColumnChoice(), 64)
    with pytest.raises(InvalidData, match="got 'label'; it has 'x', 'Species'"):
        choose_columns(frame, "label", ColumnChoice(), 64)


@pytest.mark.parametrize("role", ["include", "exclude", "categorical"])
def test_a_chosen_column_must_exist_and_not_be_the_target(role):
    with pytest.raises(InvalidData, match=f"each name in '{role}' must be a column of the table, got 'z'"):
        choose({}, **{role: ("x", "z")})
    with pytest.raises(InvalidData, match=f"the target is never a feature, got 'y' in '{role}'"):
        choose({}, **{role: ("y",)})


@pytest.mark.parametrize("role", ["include", "categorical"])
def test_a_column_cannot_be_kept_and_excluded(role):
    with pytest.raises(InvalidData, match="a column can be kept or excluded, got both for 'x'"):
        choose({}, exclude=("x",), **{role: ("x",)})


def test_a_missing_column_among_many_is_an_error_of_bounded_length():
    frame = pl.DataFrame({f"column_{index}": [1] for index in range(1_000)})
    with pytest.raises(InvalidData, match=r"… \(1000 in all\)$"):
        require_columns(frame, ["z"], "it")


CELLS = st.one_of(
    st.none(), st.text(max_size=3), st.sampled_from(["1", "-2.5", "true", "2024-01-31", "inf", "1e999", "007"])
)


@given(st.lists(CELLS, min_size=1, max_size=25), st.sampled_from(["", "include", "exclude", "categorical"]))
def test_every_column_of_texts_has_exactly_one_fate_or_an_error(cells, role):
    frame = pl.DataFrame(
        {"a": cells, "x": range(len(cells)), "y": ["p"] * len(cells)}, schema_overrides={"a": pl.String}
    )
    choice = ColumnChoice(**{role: ("a",)}) if role else ColumnChoice()
    try:
        columns = choose_columns(frame.with_columns(pl.col("a").replace("", None)), "y", choice, 3)
    except InvalidData:
        return
    assert {*columns.kinds, *columns.excluded} == {"a", "x"}
    assert not columns.kinds.keys() & columns.excluded.keys()
    assert "" not in columns.excluded.values()

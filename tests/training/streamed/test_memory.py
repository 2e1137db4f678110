"""How much memory a table needs, and what is made of the memory there is."""

import polars as pl
import pytest

from contract.errors import InvalidConfig, InvalidData
from training.streamed.memory import (
    GB,
    MIN_BYTES,
    SAMPLE_ROWS,
    Budget,
    RowSize,
    available_bytes,
    measure_rows,
    show_bytes,
)


def test_a_row_takes_what_its_columns_become():
    frame = pl.DataFrame(
        {
            "number": [1.5, 2.5] * 50,
            "place": ["north", "south", "west", "east"] * 25,
            "id": [f"bird {i}" for i in range(100)],
            "born": [None] * 100,
        },
        schema_overrides={"born": pl.Date},
    )
    size = measure_rows(frame, max_categories=3)
    assert (size.d_in, size.n_texts) == (1 + 3, 1)
    assert size.n_bytes == frame.estimated_size() / 100


def test_a_table_is_held_where_all_its_rows_fit_beside_what_a_run_needs_anyway():
    size = RowSize(n_bytes=100, d_in=10, n_texts=0)
    budget = Budget(2 * GB)
    assert budget.holds(1e6, size)
    assert not budget.holds(1e7, size)


def test_wide_rows_make_the_sample_smaller_and_then_are_refused():
    budget = Budget(2 * GB)
    assert budget.sample_rows(RowSize(100, 10, 0)) == SAMPLE_ROWS
    assert budget.sample_rows(RowSize(10_000, 1_000, 0)) < SAMPLE_ROWS
    with pytest.raises(InvalidData, match=r"rows of 1,000,000 bytes must have .*GB of memory, got 2GB: leave columns"):
        budget.sample_rows(RowSize(1_000_000, 10, 0))


def test_a_budget_that_no_run_can_keep_is_refused():
    assert Budget(MIN_BYTES).buffer_bytes > 0
    with pytest.raises(InvalidConfig, match="at least 1GB of memory, got 999 bytes"):
        Budget(999)


def test_available_is_what_the_machine_and_the_control_group_leave(tmp_path):
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text("MemTotal:       9000000 kB\nMemAvailable:    2000000 kB\n")
    assert available_bytes(meminfo, [limit]) == 2_048_000_000
    limit.write_text("max\n")
    assert available_bytes(meminfo, [limit]) == 2_048_000_000
    limit.write_text("1000000000\n")
    assert available_bytes(meminfo, [tmp_path / "none", limit]) == 1_000_000_000
    assert available_bytes(tmp_path / "none", []) is None


@pytest.mark.parametrize(("n_bytes", "text"), [(2e9, "2GB"), (1.5e9, "1.5GB"), (123_456_789_012, "123GB")])
def test_sizes_are_shown_as_they_are_asked_for(n_bytes, text):
    assert show_bytes(n_bytes) == text

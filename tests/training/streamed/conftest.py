from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from training import binary_rows
from training.binary_rows import LazyRows
from training.streamed import memory, portions, scan
from training.streamed.memory import Budget, measure_rows
from training.streamed.table import StreamedTable

Stream = Callable[[pl.DataFrame], StreamedTable]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that bounds memory is so small that a small table does not fit."""
    monkeypatch.setattr(binary_rows, "MIN_ROWS", 1)
    monkeypatch.setattr(binary_rows, "MAX_CELLS", 2_000)
    monkeypatch.setattr(memory, "MIN_SAMPLE_ROWS", 1)
    monkeypatch.setattr(memory, "SAMPLE_ROWS", 600)
    monkeypatch.setattr(scan, "ROWS_OF_EACH_LABEL", 5)
    monkeypatch.setattr(portions, "EPOCH_ROWS", 3_000)
    monkeypatch.setattr(portions, "PORTION_ROWS", 500)
    monkeypatch.setattr(portions, "MIN_SLICE_ROWS", 32)


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    """A frame as a table that is streamed from Parquet of many row groups."""

    def open_frame(frame: pl.DataFrame) -> StreamedTable:
        path = tmp_path / "table.parquet"
        frame.write_parquet(path, row_group_size=200)
        rows = LazyRows(pl.scan_parquet(path), "table.parquet", "Parquet")
        return StreamedTable(rows, measure_rows(frame, 128), Budget(memory.MIN_BYTES), "table.parquet", "0" * 64)

    return open_frame


def birds(n_rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Birds whose kind is a matter of chance, of numbers with holes and of a place; `number` tells rows apart."""
    rng = np.random.default_rng(seed)
    wing, tail = rng.normal(size=n_rows), rng.normal(size=n_rows)
    place = rng.choice(["north", "south", "west"], n_rows)
    is_owl = 2 * wing + np.sin(3 * tail) + (place == "north") + rng.logistic(size=n_rows) > 0
    return pl.DataFrame(
        {
            "wing": wing.astype(np.float32),
            "tail": [None if i % 7 == 0 else value for i, value in enumerate(tail)],
            "number": np.roll(np.arange(n_rows, dtype=np.float64), 1) + 0.5,
            "place": place,
            "bird": np.where(is_owl, "owl", "crow"),
        }
    )

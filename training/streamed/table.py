"""The table that a file holds: in memory where it fits, open to be streamed where it does not."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contract.errors import InvalidData
from contract.text_cells import MISSING
from training.batches import Rows, Wanted
from training.binary_rows import LazyRows
from training.streamed.memory import (
    MIN_BYTES,
    RESERVED_BYTES,
    SHARE_OF_AVAILABLE,
    Budget,
    RowSize,
    available_bytes,
    measure_rows,
    show_bytes,
)
from training.table import Table, open_rows, read_table, source_name
from training.text_table import TextTable

MOST_PER_BYTE = 50
"""Bytes of memory for a byte of a file: below this, the file need not be looked into."""
MEASURED_ROWS = 1 << 12
"""How many rows tell the size of all."""


@dataclass(frozen=True, slots=True)
class StreamedTable:
    """Rows in an open file; `source` and `sha256` are as in `Table`."""

    rows: LazyRows
    size: RowSize
    budget: Budget
    source: str
    sha256: str
    target: None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return self.rows.columns


@contextmanager
def open_table(data: str, max_categories: int, max_memory_bytes: int | None = None) -> Iterator[Table | StreamedTable]:
    """The table that `data` names, to be trained on within so much memory; for None, within most of what is available.

    Raises:
        InvalidConfig: so little memory is not enough for any table.
        InvalidData: there is no such table, it cannot be read or has no rows; or it does not fit, and is of a form
            that cannot be streamed.
        MissingExtra: it is a built-in, and scikit-learn is not installed.
    """
    available = available_bytes()
    if max_memory_bytes is not None:
        budget = Budget(max_memory_bytes)
    elif available is not None:
        budget = Budget(max(int(SHARE_OF_AVAILABLE * available), MIN_BYTES))
    else:
        yield read_table(data)
        return
    if not _is_surely_small(data, budget):
        with open_rows(data) as rows:
            n_rows, size = _measure(rows, max_categories)
            if not budget.holds(n_rows, size):
                yield _streamed(rows, data, n_rows, size, budget)
                return
    yield read_table(data)


def _is_surely_small(data: str, budget: Budget) -> bool:
    path = Path(data)
    return not path.is_file() or path.stat().st_size * MOST_PER_BYTE < budget.n_bytes - RESERVED_BYTES


def _measure(rows: Rows, max_categories: int) -> tuple[float, RowSize]:
    """How many rows there are, and their size: about, where only reading them all would tell."""
    wanted = Wanted(rows.columns)
    if isinstance(rows, LazyRows):
        return rows.n_rows, measure_rows(rows.slice(wanted, 0, MEASURED_ROWS), max_categories)
    frames: list[pl.DataFrame] = []
    share_of_first = 0.0
    for frame, share in rows.batches(wanted):
        if frames and share > share_of_first:
            break  # a block of text may come as several frames
        frames.append(frame)
        share_of_first = share
    n_rows = sum(frame.height for frame in frames)
    return n_rows / share_of_first, measure_rows(frames[0].head(MEASURED_ROWS), max_categories)


def _streamed(rows: Rows, data: str, n_rows: float, size: RowSize, budget: Budget) -> StreamedTable:
    if isinstance(rows, LazyRows):
        with Path(data).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return StreamedTable(rows, size, budget, source_name(data), sha256)
    needed = f"{data!r}, for which training needs about {show_bytes(n_rows * size.in_memory + RESERVED_BYTES)}"
    advice = "write it as Parquet"
    if isinstance(rows, TextTable):
        separator = "" if rows.delimiter == "," else f"separator={rows.delimiter!r}, "
        parquet = str(Path(data).with_suffix(".parquet"))
        code = (
            f"import polars; polars.scan_csv({data!r}, {separator}infer_schema=False, null_values={list(MISSING)})"
            f".sink_parquet({parquet!r})"
        )
        advice += f", with {shlex.join(['python', '-c', code])}"
    raise InvalidData(
        f"a table must fit into memory ({show_bytes(budget.n_bytes)}) unless it is Parquet or an Arrow file, "
        f"got {needed}: {advice}"
    )

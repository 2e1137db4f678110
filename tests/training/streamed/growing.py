"""Trains on a Parquet file in a process of its own, and prints by how many bytes its memory peaked above its imports'.

Its argument is the file; its label column is called label.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import polars as pl

from contract.config import make_config
from training import binary_rows
from training.batches import Wanted
from training.binary_rows import LazyRows
from training.run import train_model
from training.streamed import memory, portions
from training.streamed.memory import Budget, measure_rows
from training.streamed.run import train_streamed
from training.streamed.table import StreamedTable
from training.table import read_table


def peak_bytes() -> int:
    """Of this process since it began; `ru_maxrss` would take over what its parent had."""
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kilobytes) * 1024


def main() -> None:
    """Train and print."""
    path = sys.argv[1]
    config = make_config(hidden_sizes=(4,), n_members=2, n_frequencies=0, max_epochs=2)
    train_model(read_table("iris"), "species", config)  # whatever is loaded late is loaded now
    before = peak_bytes()
    memory.SAMPLE_ROWS, portions.EPOCH_ROWS, binary_rows.MAX_CELLS = 1 << 13, 1 << 15, 1 << 19
    rows = LazyRows(pl.scan_parquet(path), path, "Parquet")
    size = measure_rows(rows.slice(Wanted(rows.columns), 0, 1_000), config.max_categories)
    table = StreamedTable(rows, size, Budget(memory.MIN_BYTES), path, "0" * 64)
    train_streamed(table, "label", config)
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()

"""A Parquet file larger than memory, trained on under a hard limit: `make bench-streaming`.

Rows of numbers and categories whose labels are drawn from known probabilities are written a piece at a time. Then a
process that may have no more memory than the limit (RLIMIT_DATA: what it allocates, but for files and shared libraries)
trains on them, with jemalloc, polars' allocator, told to give back addresses that it does not use, which would count as
memory; the seconds that reading slices and making inputs of them took stand beside those of fitting, during
which they went on in another thread. Another process, without the limit, trains on the first rows only, in memory, for
as long. Both models are asked about rows that neither has seen, and so are the probabilities that the labels were drawn
from.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from bench.report import save
from litet.answer_files import write_parquet
from training.calibration import log_loss

GB = 1e9
N_NUMBERS, N_TEXTS = 20, 4
PLACES = ("north", "south", "west", "east", "centre")
TARGET = "bird"
PIECE_ROWS = 1 << 18
BYTES_PER_ROW = N_NUMBERS * 8 + N_TEXTS
"""In the file: random numbers do not shrink, and one of five texts takes some bits."""
SUBSET_ROWS = 500_000
FRESH_ROWS = 100_000


def main() -> None:
    """Write, measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=5.0, help="GB of the file")
    parser.add_argument("--limit", type=float, default=2.0, help="GB of memory")
    parser.add_argument("--time-budget", type=float, default=120.0, help="seconds of fitting")
    parser.add_argument("--folder", help="where the file is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path, subset, fresh = (Path(folder, f"{name}.parquet") for name in ("large", "subset", "fresh"))
        n_rows = int(options.size * GB / BYTES_PER_ROW)
        _write(path, n_rows, seed=0)
        pl.scan_parquet(path).head(SUBSET_ROWS).sink_parquet(subset)
        _write(fresh, FRESH_ROWS, seed=1)
        budget = ["--time-budget", str(options.time_budget), "--fresh", str(fresh)]
        streamed = _train(path, "--limit", str(int(options.limit * GB)), *budget)
        in_memory = _train(subset, *budget)
        n_bytes = path.stat().st_size
    decoded = n_rows * next(_pieces(1_000, seed=0)).drop("p").estimated_size() / 1_000
    figures = {"rows": n_rows, "file_bytes": n_bytes, "decoded_bytes": decoded, "limit_bytes": options.limit * GB}
    assert streamed["is_streamed"]
    assert not in_memory["is_streamed"]
    _print(figures, streamed, in_memory, _drawn_log_loss())
    save("streaming", figures | {"streamed": streamed, "in_memory": in_memory})


def _pieces(n_rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """Rows, with the probability of their label in the column `p`."""
    rng = np.random.default_rng(seed)
    for start in range(0, n_rows, PIECE_ROWS):
        n_piece = min(PIECE_ROWS, n_rows - start)
        x = rng.standard_normal((N_NUMBERS, n_piece))
        texts = rng.integers(len(PLACES), size=(N_TEXTS, n_piece))
        score = x[0] + 1.5 * np.sin(3 * x[1]) - x[2] * x[3] + (texts[0] == 0) - (texts[1] > 2)
        p = 1 / (1 + np.exp(-score))
        labels = pl.Series(["crow", "owl"]).gather((rng.random(n_piece) < p).astype(np.int64))
        yield pl.DataFrame(
            {f"number_{i}": column for i, column in enumerate(x)}
            | {f"place_{i}": pl.Series(PLACES).gather(column) for i, column in enumerate(texts)}
            | {TARGET: labels, "p": p}
        )


def _write(path: Path, n_rows: int, seed: int) -> None:
    with path.open("wb", buffering=0) as file:
        write_parquet(file, (piece.drop("p") for piece in _pieces(n_rows, seed)))


def _train(path: Path, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.streaming_run", str(path), TARGET, *options]
    environment = os.environ | {"_RJEM_MALLOC_CONF": "retain:false"}
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, float] = json.loads(finished.stdout)
    return figures


def _drawn_log_loss() -> float:
    """What no model can beat: the log loss of the probabilities that the fresh labels were drawn from."""
    piece = pl.concat(_pieces(FRESH_ROWS, seed=1))
    p, is_owl = piece["p"].to_numpy(), (piece[TARGET] == "owl").to_numpy()
    return log_loss(np.log(np.stack([1 - p, p], axis=1)), is_owl.astype(np.int64))


def _print(
    figures: Mapping[str, float], streamed: Mapping[str, float], in_memory: Mapping[str, float], drawn: float
) -> None:
    n_rows, n_fitted = figures["rows"], streamed["n_epochs"] * streamed["epoch_rows"]
    sizes = f"{figures['file_bytes'] / GB:.2f} GB of Parquet, {figures['decoded_bytes'] / GB:.2f} GB decoded"
    print(f"{n_rows:,.0f} rows: {sizes}")
    rows = [
        ("limit on memory", f"{figures['limit_bytes'] / GB:.2f} GB"),
        ("peak resident memory", f"{streamed['peak_bytes'] / GB:.2f} GB"),
        ("… after the imports", f"{streamed['start_bytes'] / GB:.2f} GB"),
        ("preparing: hash, first pass", _speed(n_rows, streamed["preparing_s"])),
        ("fitting", _speed(n_fitted, streamed["fitting_s"])),
        ("reading, beside it", _speed(streamed["read_rows"], streamed["reading_s"])),
        ("whole process", f"{streamed['whole_s']:.1f} s, {streamed['n_epochs']:.1f} epochs"),
        ("valid loss", f"{streamed['valid_loss']:.4f}; in memory, first rows only: {in_memory['valid_loss']:.4f}"),
        (
            "log loss of fresh rows",
            f"{streamed['fresh_log_loss']:.4f}; in memory {in_memory['fresh_log_loss']:.4f}; at best {drawn:.4f}",
        ),
    ]
    for name, text in rows:
        print(f"  {name:<28} {text}")


def _speed(n_rows: float, seconds: float) -> str:
    return f"{seconds:.1f} s, {n_rows / seconds:,.0f} rows/s"


if __name__ == "__main__":
    main()

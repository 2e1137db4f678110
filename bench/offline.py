"""`litet predict` on a large file beside a bare loop of `session.run`: `make bench-offline`.

The loop runs the iris model on float32 rows that lie ready in memory, in batches that suit it best, and keeps what
comes out. The command starts from a file and ends with one. Its seconds count from opening the table to closing the
output, and once more for the whole process. Peak memory is that of the process, on few rows and on many.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from bench.report import save
from contract.model_file import OUTPUTS, X_NUM
from contract.repository import Repository
from contract.schema import NumericFeature
from service.session import open_session

LITET = Path(sys.executable).with_name("litet")
MODELS = Path("models")
FEW_ROWS, MANY_ROWS = 100_000, 5_000_000
TABLES = {
    "zstd.parquet": lambda table, path: table.write_parquet(path, compression="zstd"),
    "snappy.parquet": lambda table, path: table.write_parquet(path, compression="snappy"),
    "csv": lambda table, path: table.write_csv(path),
}
"""By the end of their names: as polars writes Parquet unless told otherwise, as pandas and Spark do, and as text."""
LOOP_ROWS = 16_384
"""Of the sizes that are powers of two, the one with which the loop is fastest."""
AIM = 0.5
"""Of the loop's rows/s, Parquet to Parquet."""
MB = 1e6
STARTER = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - started)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Starts the command from a small process, for a child takes its parent's peak memory over."""


class Run(NamedTuple):
    """One run of the command."""

    seconds: float
    whole_seconds: float
    peak_bytes: int


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    artifact = Repository(MODELS).read_current("iris")[1]
    session, schema = open_session(artifact.model)
    rows = _rows(schema.numeric, MANY_ROWS)
    x_num = np.ascontiguousarray(np.stack([rows[name].to_numpy() for name in rows.columns], axis=1), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = {(suffix, n): Path(folder, f"{n}.{suffix}") for suffix in TABLES for n in (FEW_ROWS, MANY_ROWS)}
        for (suffix, n), path in paths.items():
            TABLES[suffix](rows.head(n), path)
        bare: list[float] = []
        runs: dict[str, list[Run]] = {suffix: [] for suffix in TABLES}
        peaks = {suffix: _predict(paths[suffix, FEW_ROWS]).peak_bytes for suffix in TABLES}
        for _ in range(repeats):
            bare.append(_loop(session, x_num))
            for suffix in TABLES:
                runs[suffix].append(_predict(paths[suffix, MANY_ROWS]))
    _print(bare, runs, peaks)
    figures = {suffix: [run._asdict() for run in of_suffix] for suffix, of_suffix in runs.items()}
    save("offline", {"bare_seconds": bare, "runs": figures, "peak_bytes_of_few_rows": peaks, "rows": MANY_ROWS})


def _rows(features: Sequence[NumericFeature], n_rows: int) -> pl.DataFrame:
    """Numbers within the model's ranges, with one decimal as in the iris table."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {feature.name: rng.uniform(feature.minimum, feature.maximum, n_rows).round(1) for feature in features}
    )


def _loop(session: object, x_num: np.ndarray) -> float:
    run = session.run  # type: ignore[attr-defined] # onnxruntime publishes no types
    started = time.perf_counter()
    kept = [run(OUTPUTS, {X_NUM: x_num[at : at + LOOP_ROWS]}) for at in range(0, len(x_num), LOOP_ROWS)]
    seconds = time.perf_counter() - started
    assert len(kept) == -(-len(x_num) // LOOP_ROWS)
    return seconds


def _predict(path: Path) -> Run:
    """`litet predict` on a file, to a file of the same form."""
    output = path.with_name(f"scored{path.suffix}")
    command = [str(LITET), "predict", "iris", str(path), "-o", str(output), "--models", str(MODELS), "--json"]
    measured = subprocess.run([sys.executable, "-c", STARTER, *command], check=True, capture_output=True, text=True)
    summary, whole_seconds, peak_kilobytes = measured.stdout.splitlines()
    output.unlink()
    return Run(json.loads(summary)["seconds"], float(whole_seconds), int(peak_kilobytes) * 1024)


def _print(bare: Sequence[float], runs: dict[str, list[Run]], peaks: dict[str, int]) -> None:
    print(f"{MANY_ROWS:,} rows of 4 numbers, million rows/s: median (least to most)")
    loop = statistics.median(bare)
    print(f"  {'bare loop of session.run':<28} {_speeds(bare)}")
    for suffix, of_suffix in runs.items():
        seconds = [run.seconds for run in of_suffix]
        share = loop / statistics.median(seconds)
        whole = loop / statistics.median(run.whole_seconds for run in of_suffix)
        aim = f" (aim: {AIM})" if suffix != "csv" else ""
        forms = f"{suffix} to {suffix.rpartition('.')[2]}"
        print(f"  {forms:<28} {_speeds(seconds)}   {share:.2f} of the loop{aim}")
        print(f"  {'… with the process start':<28} {_speeds([run.whole_seconds for run in of_suffix])}   {whole:.2f}")
    print(f"\npeak memory, MB: {FEW_ROWS:,} rows, {MANY_ROWS:,} rows (most of all runs)")
    for suffix, of_suffix in runs.items():
        print(f"  {suffix:<28} {peaks[suffix] / MB:6.0f} {max(run.peak_bytes for run in of_suffix) / MB:6.0f}")


def _speeds(seconds: Sequence[float]) -> str:
    middle, most, least = (
        MANY_ROWS / value / 1e6 for value in (statistics.median(seconds), min(seconds), max(seconds))
    )
    return f"{middle:6.1f} ({least:.1f} to {most:.1f})"


if __name__ == "__main__":
    main()

"""Frames of answers → CSV or Parquet, one after the other, under the final name only when all are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

Write = Callable[[io.FileIO, Iterator[pl.DataFrame]], None]


def write_csv(file: io.FileIO, frames: Iterator[pl.DataFrame]) -> None:
    """A header, and a line for each row."""
    is_first = True
    for frame in frames:
        text = io.BytesIO()
        _without_lists(frame).write_csv(text, include_header=is_first)
        is_first = False
        left = text.getbuffer()
        while left:  # a pipe may take a part
            left = left[file.write(left) :]


def _without_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists as arrays in JSON, for a cell holds text."""
    names = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(
        # polars writes no list as JSON but one that is a member of an object.
        pl.struct(name).struct.json_encode().str.strip_prefix(f'{{"{name}":').str.strip_suffix("}").alias(name)
        for name in names
    )


def write_parquet(file: io.FileIO, frames: Iterator[pl.DataFrame]) -> None:
    """Row groups as polars cuts them. Nothing where there are no frames.

    LZ4, for probabilities hardly shrink under any compression; no statistics, for they would tell nothing of rows in
    an order of their own.

    Raises:
        OSError: polars cannot write; as for a disk that is full.
    """
    first = next(frames, None)
    if first is None:
        return

    def source(*_pushed_down: object) -> Iterator[pl.DataFrame]:
        yield first
        yield from frames

    rows = register_io_source(source, schema=first.schema)
    try:
        rows.sink_parquet(file, compression="lz4", statistics=False)
    except pl.exceptions.PolarsError as error:
        raise OSError(f"the output cannot be written: {str(error).partition(chr(10))[0]}") from error


WRITERS: dict[str, Write] = {".csv": write_csv, ".parquet": write_parquet}
"""By the suffix of the file."""


@contextmanager
def written_aside(path: Path) -> Iterator[io.FileIO]:
    """A file that gets the name `path` once it is written; none is left where writing ends with an error."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        with aside.open("wb", buffering=0) as file:
            yield file
        aside.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say which file
        raise
    finally:
        aside.unlink(missing_ok=True)

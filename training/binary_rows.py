"""Parquet and Arrow files as frames: their columns' names and types as the rest of litet wants them, in batches."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from contract.errors import InvalidData
from contract.faults import shorten
from training.arrow_messages import BrokenMessage, read_record_batches
from training.batches import Batch, Wanted
from training.csv_text import check_names

MAX_CELLS = 1 << 21
"""How much of a file is decoded at a time, so that no row group has to fit into memory; half as much costs half
as much time again, since each slice reads the file's footer and the beginning of its pages anew."""
MIN_ROWS = 1 << 14


def rows_per_slice(n_columns: int) -> int:
    """How many rows of so many columns are decoded at a time."""
    return max(MIN_ROWS, MAX_CELLS // n_columns)


class LazyRows:
    """The rows of a lazy frame, a slice at a time; `form` is what messages call the form of its file.

    Raises:
        InvalidData: it cannot be read, has no columns or rows, or names a column twice.
    """

    def __init__(self, lazy: pl.LazyFrame, name: str, form: str) -> None:
        self._lazy = lazy
        self._name = name
        self._form = form
        with readable(name, form):
            given = lazy.collect_schema().names()
            self.n_rows = int(lazy.select(pl.len()).collect().item())
        require_rows(name, self.n_rows, len(given))
        self.columns = name_columns(given, name)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """The rows as in `training.table.Table`.

        Raises:
            InvalidData: the file is damaged.
        """
        step = rows_per_slice(len(wanted.columns))
        for start in range(0, self.n_rows, step):
            yield Batch(self.slice(wanted, start, step), min(1.0, (start + step) / self.n_rows))

    def slice(self, wanted: Wanted, start: int, n_rows: int) -> pl.DataFrame:
        """So many rows from row `start` on, or as many as there are; no others are decoded.

        Raises:
            InvalidData: the file is damaged.
        """
        positions = [self.columns.index(column) for column in wanted.columns]
        with readable(self._name, self._form):
            frame = self._lazy.select(pl.nth(positions)).slice(start, n_rows).collect()
        frame.columns = list(wanted.columns)
        return plain(frame)


class StreamRows:
    """The rows of an Arrow stream, a record batch at a time.

    Raises:
        InvalidData: it cannot be read, has no columns or rows, or names a column twice.
    """

    def __init__(self, file: io.FileIO, name: str) -> None:
        self._file = file
        self._name = name
        self._n_bytes = file.seek(0, io.SEEK_END)
        with readable(name, "Arrow"):
            first = self._first()
        require_rows(name, first.height, first.width)
        self.columns = name_columns(first.columns, name)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """The rows as in `training.table.Table`.

        Raises:
            InvalidData: the file is damaged.
        """
        positions = [self.columns.index(column) for column in wanted.columns]
        frames = self._frames()
        while True:
            with readable(self._name, "Arrow"):
                frame = next(frames, None)
            if frame is None:
                return
            if frame.height:
                chosen = frame[:, positions]
                chosen.columns = list(wanted.columns)
                yield Batch(plain(chosen), self._file.tell() / self._n_bytes)

    def _first(self) -> pl.DataFrame:
        """The first frame that has rows, or else the last."""
        frame = pl.DataFrame()
        for frame in self._frames():
            if frame.height:
                break
        return frame

    def _frames(self) -> Iterator[pl.DataFrame]:
        self._file.seek(0)
        return (pl.read_ipc_stream(stream) for stream in read_record_batches(self._file))


@contextmanager
def readable(name: str, form: str) -> Iterator[None]:
    """Reading inside is of a file of the given form; `name` is what messages call it.

    Raises:
        InvalidData: it is none, or is damaged.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, BrokenMessage, OSError, ValueError) as error:
        reason = shorten(str(error).partition("\n")[0])
        raise InvalidData(f"{name!r} must be a readable {form} file: {reason}") from error


def require_rows(name: str, n_rows: int, n_columns: int) -> None:
    """Nothing, where a table has rows.

    Raises:
        InvalidData: it has none.
    """
    if not n_rows or not n_columns:
        raise InvalidData(f"{name!r} must have columns and rows, got {n_rows} rows of {n_columns} columns")


def name_columns(given: Sequence[str], name: str) -> tuple[str, ...]:
    """A name for each column: its own, or one made of its position."""
    names = tuple(column or f"column_{position}" for position, column in enumerate(given, start=1))
    check_names(names, name)
    return names


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without the types and the kinds of missing cell that nothing further on wants to tell apart."""
    return frame.select(_plain(column) for column in frame)


def _plain(column: pl.Series) -> pl.Series:
    if column.dtype.is_decimal():
        return column.cast(pl.Float64)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return column.set(column == "", None)
    return column.fill_nan(None) if column.dtype.is_float() else column

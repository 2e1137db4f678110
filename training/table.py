"""A labelled table and where it came from: a built-in one, delimited text, Parquet or Arrow."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contract.errors import InvalidData
from contract.faults import shorten
from training.builtin import BUILTINS, read_builtin
from training.csv_text import check_names, read_text_table

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
BINARY_SUFFIXES = (".parquet", ".arrow", ".feather")
ARROW_FILE_MAGIC = b"ARROW1"
"""What an Arrow IPC file starts with; the stream format has no such mark."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in memory.

    Missing cells are null. The columns of a text file are all pl.String, spelled as in the file; other tables keep
    their types. `source` is the file's name without its folder, or the built-in's; `sha256` that of the file's bytes,
    or of the built-in's content. `target` is the label column where the table itself knows it.
    """

    frame: pl.DataFrame
    source: str
    sha256: str
    target: str | None
    warnings: tuple[str, ...]


def read_table(data: str) -> Table:
    """The table that `data` names: a built-in's name, or the path of a file with one of the known suffixes.

    Raises:
        InvalidData: there is no such table, it cannot be read, or it has no rows.
        MissingExtra: it is a built-in, and scikit-learn is not installed.
    """
    if data in BUILTINS:
        builtin = read_builtin(data)
        return Table(frame=builtin.frame, source=data, sha256=builtin.sha256, target=builtin.target, warnings=())
    path = Path(data)
    suffix = path.suffix.lower()
    if suffix not in TEXT_SUFFIXES + BINARY_SUFFIXES:
        known = f"{', '.join(BUILTINS)}, or a file ending in {', '.join(TEXT_SUFFIXES + BINARY_SUFFIXES)}"
        raise InvalidData(f"a table must be one of {known}; got {data!r}")
    with _open(path, data) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        frame, warnings = read_text_table(file, data) if suffix in TEXT_SUFFIXES else _read_binary(file, data, suffix)
    return Table(frame=frame, source=_printable(path.name), sha256=sha256, target=None, warnings=tuple(warnings))


def _printable(name: str) -> str:
    """A file's name as text that can be written anywhere: the card holds it. Bytes that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open(path: Path, data: str) -> io.FileIO:
    try:
        if path.exists() and not path.is_file():
            raise InvalidData(f"a table must be a file, got {data!r}, which is a folder or a device")
        return path.open("rb", buffering=0)  # polars reads on from the descriptor's position, not from a buffer's
    except FileNotFoundError:
        raise InvalidData(f"a table must exist, got {data!r}") from None
    except (OSError, ValueError) as error:
        raise InvalidData(f"a table must be readable, got {data!r}: {error}") from error


def _read_binary(file: io.FileIO, name: str, suffix: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame in a Parquet or Arrow file, and what the user should know about how it was read."""
    form = "Parquet" if suffix == ".parquet" else "Arrow"
    start = file.read(len(ARROW_FILE_MAGIC))
    file.seek(0)
    if not start:
        raise InvalidData(f"{name!r} must have columns and rows, got an empty file")
    try:
        if form == "Parquet":
            frame = pl.read_parquet(file)
        else:
            frame = pl.read_ipc(file) if start == ARROW_FILE_MAGIC else pl.read_ipc_stream(file)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = shorten(str(error).partition("\n")[0])
        raise InvalidData(f"{name!r} must be a readable {form} file: {reason}") from error
    if frame.is_empty():
        raise InvalidData(f"{name!r} must have columns and rows, got {frame.height} rows of {frame.width} columns")
    return _named(frame.select(_plain(column) for column in frame), name)


def _named(frame: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame with a name for each column, and a warning where one had to be made up."""
    names = [column or f"column_{position}" for position, column in enumerate(frame.columns, start=1)]
    check_names(names, name)
    made_up = [column for column, given in zip(names, frame.columns, strict=True) if not given]
    frame.columns = names
    return frame, [f"columns without a name are called {shorten(', '.join(made_up))}"] if made_up else []


def _plain(column: pl.Series) -> pl.Series:
    """The column without the types and the kinds of missing cell that nothing further on wants to tell apart."""
    if column.dtype.is_decimal():
        return column.cast(pl.Float64)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return column.set(column == "", None)
    return column.fill_nan(None) if column.dtype.is_float() else column

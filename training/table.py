"""A labelled table and where it came from: a built-in one, delimited text, Parquet or Arrow."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contract.errors import InvalidData
from contract.faults import shorten
from training.batches import Rows
from training.binary_rows import LazyRows, StreamRows, name_columns, plain, readable, require_rows
from training.builtin import BUILTINS, read_builtin
from training.text_table import TextTable

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

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.frame.columns)


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
    suffix = _suffix(path, data)
    with _open(path, data) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        is_text = suffix in TEXT_SUFFIXES
        frame, warnings = TextTable(file, data).frame() if is_text else _read_binary(file, data, suffix)
    return Table(frame=frame, source=source_name(data), sha256=sha256, target=None, warnings=tuple(warnings))


@contextmanager
def open_rows(data: str) -> Iterator[Rows]:
    """The table that `read_table` reads, to be read in batches while it is open.

    Raises:
        InvalidData: there is no such table, it cannot be read, or it has no rows.
        MissingExtra: it is a built-in, and scikit-learn is not installed.
    """
    if data in BUILTINS:
        yield LazyRows(read_builtin(data).frame.lazy(), data, "built-in")
        return
    path = Path(data)
    suffix = _suffix(path, data)
    with _open(path, data) as file:
        yield TextTable(file, data) if suffix in TEXT_SUFFIXES else _open_binary(file, data, suffix)


def source_name(data: str) -> str:
    """A file's name without its folder, as text that can be written anywhere: the card holds it.

    Bytes that are not UTF-8 are replaced.
    """
    return os.fsencode(Path(data).name).decode("utf-8", "replace")


def _suffix(path: Path, data: str) -> str:
    suffix = path.suffix.lower()
    if suffix not in TEXT_SUFFIXES + BINARY_SUFFIXES:
        known = f"{', '.join(BUILTINS)}, or a file ending in {', '.join(TEXT_SUFFIXES + BINARY_SUFFIXES)}"
        raise InvalidData(f"a table must be one of {known}; got {data!r}")
    return suffix


def _open(path: Path, data: str) -> io.FileIO:
    try:
        if path.is_file() or not path.exists():
            return path.open("rb", buffering=0)  # polars reads on from the descriptor's position, not from a buffer's
    except FileNotFoundError:
        raise InvalidData(f"a table must exist, got {data!r}") from None
    except (OSError, ValueError) as error:
        raise InvalidData(f"a table must be readable, got {data!r}: {error}") from error
    raise InvalidData(f"a table must be a file, got {data!r}, which is a folder or a device")


def _open_binary(file: io.FileIO, name: str, suffix: str) -> Rows:
    start = _require_bytes(file, name)
    form = _form(suffix)
    if form == "Arrow" and start != ARROW_FILE_MAGIC:
        return StreamRows(file, name)
    with readable(name, form):
        lazy = pl.scan_parquet(file) if form == "Parquet" else pl.scan_ipc(file)
    return LazyRows(lazy, name, form)


def _form(suffix: str) -> str:
    return "Parquet" if suffix == ".parquet" else "Arrow"


def _read_binary(file: io.FileIO, name: str, suffix: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame in a Parquet or Arrow file, and what the user should know about how it was read."""
    form = _form(suffix)
    start = _require_bytes(file, name)
    with readable(name, form):
        if form == "Parquet":
            frame = pl.read_parquet(file)
        else:
            frame = pl.read_ipc(file) if start == ARROW_FILE_MAGIC else pl.read_ipc_stream(file)
    require_rows(name, frame.height, frame.width)
    given = frame.columns
    frame.columns = list(name_columns(given, name))
    made_up = [column for column, own in zip(frame.columns, given, strict=True) if not own]
    return plain(frame), [f"columns without a name are called {shorten(', '.join(made_up))}"] if made_up else []


def _require_bytes(file: io.FileIO, name: str) -> bytes:
    """The first bytes of a file that is not empty."""
    start = file.read(len(ARROW_FILE_MAGIC))
    file.seek(0)
    if not start:
        raise InvalidData(f"{name!r} must have columns and rows, got an empty file")
    return start

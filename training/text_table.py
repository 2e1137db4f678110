"""A file of delimited text as a table: in batches, or whole."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl

from contract.errors import InvalidData
from training.batches import Batch, Wanted
from training.csv_text import check_text, read_blocks, read_delimiter, read_header
from training.decimal_commas import find_decimal_commas, with_points
from training.text_rows import Layout, RowReader


class TextTable:
    """An open file of UTF-8 text; its columns and what to tell about them. `name` is what messages call it.

    Raises:
        InvalidData: the text is not UTF-8 or not text, has no header, or names a column twice.
    """

    def __init__(self, file: io.FileIO, name: str) -> None:
        self._file = file
        self._name = name
        self._facts = check_text(file, name)
        self.delimiter = read_delimiter(file)
        self._header = read_header(file, self.delimiter, name)
        self.columns = self._header.columns
        self.warnings = self._header.warnings

    def frame(self) -> tuple[pl.DataFrame, list[str]]:
        """All rows, each column pl.String, and what the user should know about how they were read.

        Cells are stripped of white space, and those that mean missing are null.

        Raises:
            InvalidData: there are no rows, or one has more or fewer cells than the header.
        """
        frame = pl.concat((batch.frame for batch in self._batches(Wanted(self.columns))), rechunk=True)
        columns, told = find_decimal_commas([frame]) if self._may_have_decimal_commas() else ((), None)
        return with_points(frame, columns), [*self.warnings, *([told] if told else [])]

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """The rows as in `frame`. A text that may have decimal commas is read twice: all its rows decide on them.

        Raises:
            InvalidData: there are no rows, or one has more or fewer cells than the header.
        """
        columns: tuple[str, ...] = ()
        if self._may_have_decimal_commas():
            columns, _ = find_decimal_commas(batch.frame for batch in self._batches(Wanted(self.columns)))
        read = self._batches(Wanted(wanted.columns, frozenset(wanted.numeric).difference(columns)))
        return (Batch(with_points(batch.frame, columns), batch.share) for batch in read)

    def _may_have_decimal_commas(self) -> bool:
        return self.delimiter != "," and self._facts.has_comma

    def _batches(self, wanted: Wanted) -> Iterator[Batch]:
        self._file.seek(self._header.n_bytes)
        layout = Layout(self._name, self.delimiter, self.columns, wanted)
        is_empty = True
        for frame in RowReader(layout, read_blocks(self._file), self._header.n_lines).frames():
            is_empty = False
            yield Batch(frame, self._file.tell() / self._facts.n_bytes)
        if is_empty:
            raise InvalidData(f"{self._name!r} must have rows below its header, got none")

"""The records of delimited text → frames of its cells, a block of lines at a time.

Two readers give the same cells. The exact one is the standard library's: it knows about quotes, and names the line
where a row is broken. The quick one is polars', several times faster; left to itself it would fill short rows up in
silence. So it gets only blocks of which it is shown beforehand that every line is one record of unquoted cells.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl

from contract.errors import InvalidData
from contract.faults import FLOAT32_LIMIT
from contract.text_cells import MISSING
from training.batches import Wanted
from training.csv_text import lines_of, not_delimited, record_reader

RECORDS_PER_CHUNK = 1_000
"""What the exact reader holds as Python objects at a time."""
WINDOW = 1 << 16
"""Half of what csv takes for one cell: a cell that is too large covers at least one window without a line's end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows are cut into cells, and which to keep. `name` is what messages call the file."""

    name: str
    delimiter: str
    columns: tuple[str, ...]
    wanted: Wanted


class RowReader:
    """Frames of the rows in `blocks`, which begin below the header, after `line` lines.

    Every column is pl.String, its cells stripped of white space and null where they are in `MISSING`; or pl.Float64,
    without NaN or infinity, for a numeric one in a block that the quick reader can read so.
    """

    def __init__(self, layout: Layout, blocks: Iterator[bytes], line: int) -> None:
        self._layout = layout
        self._blocks = blocks
        self._line = self._record_line = line
        self._positions = [layout.columns.index(column) for column in layout.wanted.columns]
        self._dtypes: dict[str, type[pl.DataType]] = dict.fromkeys(layout.columns, pl.String)
        self._dtypes.update(dict.fromkeys(layout.wanted.numeric, pl.Float64))
        separators = (layout.delimiter + '\n\r"').encode()
        self._inside_cells = bytes(set(range(256)) - set(separators))
        self._separators = layout.delimiter.encode() * (len(layout.columns) - 1)

    def frames(self) -> Iterator[pl.DataFrame]:
        """The frames, in order, none of them empty.

        Raises:
            InvalidData: a row has more or fewer cells than there are columns, or is not delimited text.
        """
        for block in self._blocks:
            quick = self._read_quickly(block)
            if quick is None:
                yield from self._read_exactly(block)
            else:
                self._line += quick.height
                self._record_line = self._line
                yield quick

    def _read_quickly(self, block: bytes) -> pl.DataFrame | None:
        """The frame of a block whose every line is one record of unquoted cells; None where that is not shown."""
        block = self._plain(block)
        if not block:
            return None
        try:
            frame = self._parse(block)
        except pl.exceptions.PolarsError:
            frame = None
        if frame is None or not _fits_float32(frame):
            # The numbers of this table need mending: time is not to be lost on it with every block.
            self._dtypes = dict.fromkeys(self._dtypes, pl.String)
            frame = self._parse(block)
        return _cleaned(frame)

    def _plain(self, block: bytes) -> bytes:
        """The block with line feeds at the ends of its lines, where each line is a plain record; else nothing."""
        if not self._separators or block.startswith(codecs.BOM_UTF8):  # polars drops the mark, which is a cell's here
            return b""
        if not block.endswith(b"\n"):
            block += b"\n"
        separators = block.translate(None, self._inside_cells)
        n_lines = block.count(b"\n")
        if separators == (self._separators + b"\r\n") * n_lines:
            block = block.replace(b"\r\n", b"\n")
        elif separators != (self._separators + b"\n") * n_lines:
            return b""
        has_short_lines = all(block.find(b"\n", at, at + WINDOW) >= 0 for at in range(0, len(block), WINDOW))
        return block if has_short_lines else b""

    def _parse(self, block: bytes) -> pl.DataFrame:
        return pl.read_csv(
            block,
            has_header=False,
            separator=self._layout.delimiter,
            quote_char=None,
            schema=self._dtypes,
            columns=self._positions,
        )

    def _read_exactly(self, block: bytes) -> Iterator[pl.DataFrame]:
        records = self._records(block)
        dtypes = dict.fromkeys(self._layout.wanted.columns, pl.String)
        while chunk := list(islice(records, RECORDS_PER_CHUNK)):
            columns = list(zip(*chunk, strict=True))
            cells = {self._layout.columns[position]: columns[position] for position in self._positions}
            yield _cleaned(pl.DataFrame(cells, schema=dtypes))

    def _records(self, block: bytes) -> Iterator[list[str]]:
        """The records that are not blank, up to the last that begins in this block."""
        layout, width = self._layout, len(self._layout.columns)
        lines = _Lines(block, self._blocks)
        reader = record_reader(lines, layout.delimiter)
        try:
            while (record := next(reader, None)) is not None:
                lines.begin_record()
                if not record or (len(record) == 1 != width and not record[0].strip()):
                    continue
                line = self._line + reader.line_num
                if len(record) != width:
                    raise InvalidData(
                        f"{layout.name!r} must have {width} cells in every row, as its header has; "
                        f"the row in line {line} has {len(record)}"
                    )
                self._record_line = line
                yield record
        except csv.Error as error:
            raise not_delimited(layout.name, self._record_line, error) from error
        self._line += reader.line_num


class _Lines:
    """The lines of a block, and those of the blocks after it where a record goes on there."""

    def __init__(self, block: bytes, more: Iterator[bytes]) -> None:
        self._lines = lines_of(block)
        self._more = more
        self._in_record = False

    def begin_record(self) -> None:
        """What comes next begins a record."""
        self._in_record = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        while line is None:
            if not self._in_record:
                raise StopIteration
            self._lines = lines_of(next(self._more))
            line = next(self._lines, None)
        self._in_record = True
        return line


def _fits_float32(frame: pl.DataFrame) -> bool:
    """Whether each float is a float32 number or null: the texts of others are missing, or shown as wrong."""
    floats = [column for column in frame if column.dtype.is_float()]
    return all(column.is_between(-FLOAT32_LIMIT, FLOAT32_LIMIT, closed="none").all() for column in floats)


def _cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    texts = [column.name for column in frame if column.dtype == pl.String]
    if not texts:
        return frame
    stripped = frame.with_columns(pl.col(texts).str.strip_chars())
    return stripped.with_columns(pl.when(~pl.col(texts).is_in(MISSING)).then(pl.col(texts)))

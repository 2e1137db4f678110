"""Delimited text → a frame of texts.

Cells keep their spelling: what is a number is decided later, so that a code such as 007 stays one. The standard
library's parser reads, not polars': that one fills short rows up in silence, which hides a broken file, and cannot say
in which line a row is broken.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import polars as pl

from contract.errors import InvalidData
from contract.faults import shorten

DELIMITERS = (",", ";", "\t", "|")
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""Cells that mean missing. A lone question mark is how the UCI files, which everyone starts with, write it."""

SAMPLE_CHARACTERS = 131_072
"""How much text decides on the delimiter: the most that csv takes for one cell, so no sample can hold one too large."""
SAMPLE_RECORDS = 1_000
RECORDS_PER_CHUNK = 1_000
BYTES_PER_CHUNK = 1 << 20

DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
DECIMAL_POINT = r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$"
WHOLE = r"^[+-]?\d+$"

_SIGNATURES = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"PK\x03\x04": "is a zip archive or a spreadsheet: export it as CSV",
    b"PAR1": "is a Parquet file: name it .parquet",
    b"ARROW1": "is an Arrow file: name it .arrow",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}


def read_text_table(file: io.FileIO, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame that UTF-8 text in `file` spells out, and what the user should know about how it was read.

    Every column is pl.String; cells are stripped of white space, and those in `MISSING` are null. `name` is what
    messages call the file, which is closed.

    Raises:
        InvalidData: the text is not UTF-8 or not text, has no header or no rows, names a column twice, or has a row
            with more or fewer cells than the header.
    """
    _check_text(file, name)
    file.seek(0)
    with io.TextIOWrapper(io.BufferedReader(file), encoding="utf-8-sig", newline="") as text:
        delimiter = detect_delimiter(text.read(SAMPLE_CHARACTERS))
        text.seek(0)
        records = _records(text, delimiter, name)
        header, warnings = _header(next(records, []), name)
        frames = list(_frames(records, header))
    if not frames:
        raise InvalidData(f"{name!r} must have rows below its header, got none")
    if len(header) == 1:
        warnings.append(f"only one column: none of the delimiters , ; tab | splits the header {shorten(header[0])!r}")
    frame = pl.concat(frames, rechunk=True)
    return (frame, warnings) if delimiter == "," else _with_decimal_points(frame, warnings)


def detect_delimiter(sample: str) -> str:
    """The delimiter that splits the most records of `sample` into as many cells as its first; a comma where none does.

    Quoted delimiters do not count; nor does the last record, unless it is the first, of a sample that is cut off.
    """
    is_whole = len(sample) < SAMPLE_CHARACTERS
    best, best_score = DELIMITERS[0], (0.0, 1)
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True)
        widths = [len(record) for record in islice(reader, SAMPLE_RECORDS + 1) if record]
        kept = widths if is_whole else widths[:-1] or widths
        if kept and kept[0] > 1:
            score = (kept.count(kept[0]) / len(kept), kept[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def check_names(columns: Sequence[str], name: str) -> None:
    """Nothing, where a table may name its columns so; `name` is what messages call its file.

    Raises:
        InvalidData: a name is there twice, or begins with ^ and ends with $, which makes polars look for a pattern.
    """
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise InvalidData(f"{name!r} must name its columns differently, got {shorten(', '.join(twice))} more than once")
    patterns = [column for column in columns if column.startswith("^") and column.endswith("$")]
    if patterns:
        raise InvalidData(f"{name!r} must not name a column ^…$, which polars reads as a pattern, got {patterns[0]!r}")


def _check_text(file: io.FileIO, name: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line = 0, 1
    while True:
        chunk = file.read(BYTES_PER_CHUNK)
        if not offset:
            _check_signature(chunk, name)
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = error.start - pending
            line += chunk.count(b"\n", 0, max(at, 0))
            where = f"byte {offset + at} (line {line}) is 0x{error.object[error.start]:02x}"
            raise InvalidData(f"{name!r} must be UTF-8 text; {where}: save it as UTF-8") from None
        if b"\0" in chunk:
            raise InvalidData(f"{name!r} must be text; byte {offset + chunk.index(0)} is 0x00")
        if not chunk:
            return
        offset += len(chunk)
        line += chunk.count(b"\n")


def _check_signature(start: bytes, name: str) -> None:
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        raise InvalidData(f"{name!r} must have a header and rows, got an empty file")
    for signature, advice in _SIGNATURES.items():
        if start.startswith(signature):
            raise InvalidData(f"{name!r} must be UTF-8 text; it {advice}")


def _records(text: io.TextIOWrapper, delimiter: str, name: str) -> Iterator[list[str]]:
    """The records that are not blank, all as long as the first of them."""
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
    width = line = 0
    try:
        for record in reader:
            if not record or (len(record) == 1 != width and not record[0].strip()):
                continue
            width = width or len(record)
            if len(record) != width:
                raise InvalidData(
                    f"{name!r} must have {width} cells in every row, as its header has; "
                    f"the row in line {reader.line_num} has {len(record)}"
                )
            line = reader.line_num
            yield record
    except csv.Error as error:
        raise InvalidData(f"{name!r} must be delimited text; the row after line {line} is not: {error}") from error


def _header(cells: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """The column names, and a warning where one had to be made up."""
    header = [cell.strip() or f"column_{position}" for position, cell in enumerate(cells, start=1)]
    check_names(header, name)
    nameless = [column for column, cell in zip(header, cells, strict=True) if not cell.strip()]
    return header, [f"columns without a name are called {shorten(', '.join(nameless))}"] if nameless else []


def _frames(records: Iterator[list[str]], header: Sequence[str]) -> Iterator[pl.DataFrame]:
    stripped = pl.all().str.strip_chars()
    while chunk := list(islice(records, RECORDS_PER_CHUNK)):
        columns = dict(zip(header, zip(*chunk, strict=True), strict=True))
        frame = pl.DataFrame(columns, schema=dict.fromkeys(header, pl.String))
        yield frame.select(stripped).select(pl.when(~pl.all().is_in(MISSING)).then(pl.all()))


def _with_decimal_points(frame: pl.DataFrame, warnings: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Numbers written 1,5 become 1.5, in columns that mostly hold such numbers, unless others are written 1.5."""
    names = [column.name for column in frame if _mostly_decimal(column, ",", DECIMAL_COMMA)]
    points = [column.name for column in frame if names and _mostly_decimal(column, ".", DECIMAL_POINT)]
    if not names or not points:
        return frame.with_columns(_with_points(frame[name]) for name in names), warnings
    told = f"decimal commas in {shorten(', '.join(names))} but decimal points in {shorten(', '.join(points))}"
    return frame, [*warnings, f"{told}: the commas were left as they are"]


def _with_points(column: pl.Series) -> pl.Series:
    is_decimal = column.str.contains(DECIMAL_COMMA).fill_null(value=False)
    return column.str.replace(",", ".", literal=True).zip_with(is_decimal, column)


def _mostly_decimal(column: pl.Series, mark: str, pattern: str) -> bool:
    """Whether some cells are decimal numbers with `mark`, and more than half of all that are not missing numbers."""
    if not column.str.contains(mark, literal=True).any():
        return False
    decimals = int(column.str.contains(pattern).sum())
    wholes = int(column.str.contains(WHOLE).sum())
    return decimals > 0 and 2 * (decimals + wholes) > column.len() - column.null_count()

"""What delimited text says of itself before its rows are read: that it is text, its delimiter, its columns."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from contract.errors import InvalidData
from contract.faults import shorten

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_CHARACTERS = 131_072
"""How much text decides on the delimiter: the most that csv takes for one cell, so no sample can hold one too large."""
SAMPLE_RECORDS = 1_000
BYTES_PER_CHUNK = 1 << 20
BYTES_PER_BLOCK = 1 << 21

_SIGNATURES = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"PK\x03\x04": "is a zip archive or a spreadsheet: export it as CSV",
    b"PAR1": "is a Parquet file: name it .parquet",
    b"ARROW1": "is an Arrow file: name it .arrow",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}


class Facts(NamedTuple):
    """What reading all the bytes of a text has shown."""

    n_bytes: int
    has_comma: bool


class Header(NamedTuple):
    """The columns of a text, where its rows begin, and what to tell about it.

    `n_bytes` and `n_lines` lie above the first row.
    """

    columns: tuple[str, ...]
    n_bytes: int
    n_lines: int
    warnings: tuple[str, ...]


def check_text(file: io.FileIO, name: str) -> Facts:
    """The facts of a file that is UTF-8 text; `name` is what messages call it.

    Raises:
        InvalidData: it is empty, not UTF-8, or known to be of another kind. The message names the byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line, has_comma = 0, 1, False
    file.seek(0)
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
            return Facts(offset, has_comma)
        offset += len(chunk)
        line += chunk.count(b"\n")
        has_comma = has_comma or b"," in chunk


def read_delimiter(file: io.FileIO) -> str:
    """The delimiter that the beginning of a checked text shows."""
    file.seek(0)
    sample = codecs.getincrementaldecoder("utf-8-sig")().decode(file.read(4 * SAMPLE_CHARACTERS))
    return detect_delimiter(sample[:SAMPLE_CHARACTERS])


def read_header(file: io.FileIO, delimiter: str, name: str) -> Header:
    """The first record of a checked text that is not blank.

    Raises:
        InvalidData: it is not delimited text, or names a column twice.
    """
    file.seek(0)
    has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    start = file.seek(len(codecs.BOM_UTF8) if has_mark else 0)
    n_bytes = start

    def lines() -> Iterator[str]:
        nonlocal n_bytes
        for block in read_blocks(file):
            for line in lines_of(block):
                n_bytes += len(line.encode())
                yield line

    reader = record_reader(lines(), delimiter)
    try:
        cells = next((record for record in reader if len(record) > 1 or "".join(record).strip()), [])
    except csv.Error as error:
        raise not_delimited(name, 0, error) from error
    columns = tuple(cell.strip() or f"column_{position}" for position, cell in enumerate(cells, start=1))
    check_names(columns, name)
    nameless = [column for column, cell in zip(columns, cells, strict=True) if not cell.strip()]
    warnings = [f"columns without a name are called {shorten(', '.join(nameless))}"] if nameless else []
    if len(columns) == 1:
        warnings.append(f"only one column: none of the delimiters , ; tab | splits the header {shorten(columns[0])!r}")
    return Header(columns, n_bytes, reader.line_num, tuple(warnings))


def read_blocks(file: io.FileIO) -> Iterator[bytes]:
    """The rest of a file in blocks of whole lines, about `BYTES_PER_BLOCK` each; only the last may lack its end."""
    rest = b""
    while chunk := file.read(BYTES_PER_BLOCK):
        rest += chunk
        # A carriage return at the very end may be half of a line's end.
        cut = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, -1)) + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def lines_of(block: bytes) -> Iterator[str]:
    """The lines of a block with their ends: a line feed, a carriage return, or both."""
    return io.TextIOWrapper(io.BytesIO(block), encoding="utf-8", newline="")


def record_reader(lines: Iterator[str], delimiter: str) -> Reader:
    """The records in the lines of a text."""
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def not_delimited(name: str, line: int, error: csv.Error) -> InvalidData:
    """What is wrong where the record that ends in `line` is the last that can be read."""
    return InvalidData(f"{name!r} must be delimited text; the row after line {line} is not: {error}")


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


def _check_signature(start: bytes, name: str) -> None:
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        raise InvalidData(f"{name!r} must have a header and rows, got an empty file")
    for signature, advice in _SIGNATURES.items():
        if start.startswith(signature):
            raise InvalidData(f"{name!r} must be UTF-8 text; it {advice}")

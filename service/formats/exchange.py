"""What a request comes in and is answered in, in our own formats: decided once for each combination of headers.

A page elsewhere can make a visitor's browser send a plain form, or text; none of the types taken here is one of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from contract.faults import shorten
from service.bodies import JSON, media_type
from service.errors import NotAcceptable, UnsupportedBody
from service.exchange import Question, Written
from service.formats import csv_answers, csv_rows
from service.formats.accept import preferred
from service.formats.additions import write_with_decision, write_with_sets
from service.formats.arrow import answers as arrow_answers
from service.formats.arrow import rows as arrow_rows
from service.formats.json_answers import write_document, write_lines
from service.formats.json_rows import read_document, read_lines
from service.formats.mlflow_rows import read_invocation
from service.formats.query import read_query
from service.formats.rows import Read
from service.formats.scored import Scored, Write
from service.predictor import Predictor

NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"

Names = Literal["litet", "mlflow"]
"""Whose names a JSON body uses."""


class Format(NamedTuple):
    """How a media type is read and written.

    Bodies of up to `inline_bytes` are answered on the event loop, as long as rows times features and classes are no
    more than `inline_cells`, or `inline_numbers` where no feature is categorical: that takes a millisecond or two.
    Above it the hand-over to a thread, 0.05 ms, costs less than the wait of the others. See docs/performance.md.
    """

    read: Read
    write: Write
    inline_bytes: int
    inline_cells: int
    inline_numbers: int


KIB = 1024
FORMATS = {
    JSON: Format(read_document, write_document, 128 * KIB, 16_000, 16_000),
    NDJSON: Format(read_lines, write_lines, 128 * KIB, 16_000, 16_000),
    CSV: Format(csv_rows.read, csv_answers.write, 128 * KIB, 8_000, 16_000),
    ARROW: Format(arrow_rows.read, arrow_answers.write, 512 * KIB, 16_000, 128_000),
}
PARTIAL_SHARE = 8
"""How many times fewer cells are answered at once where bad rows are listed: what is wrong takes longer to say."""
READS: Mapping[Names, Mapping[str, Read]] = {
    "litet": {name: form.read for name, form in FORMATS.items()},
    "mlflow": {JSON: read_invocation, CSV: csv_rows.read},
}
SAME = {"application/ndjson": NDJSON, "application/jsonl": NDJSON, "application/json-lines": NDJSON}
"""Other names of the same."""

MAX_CACHED_BYTES = 512
"""Headers and queries come from strangers; longer ones are read anew each time."""


class FormatExchange(NamedTuple):
    """A `service.exchange.Exchange` of two formats: one that rows are read from, one that answers are written in."""

    reads: Read
    writes: Write
    content_type: bytes
    outputs: Set[str]
    partial: bool
    inline_bytes: int
    inline_cells: int
    inline_numbers: int

    def inline_rows(self, predictor: Predictor) -> int:
        """How many rows are answered on the event loop."""
        return (self.inline_cells if predictor.has_texts else self.inline_numbers) // predictor.width

    def read(self, body: bytes, predictor: Predictor, max_rows: int) -> Question:
        """What a body asks (`service.exchange.Exchange.read`)."""
        return Question(self.reads(body, predictor.reader, max_rows, partial=self.partial), self.write)

    def write(self, scored: Scored) -> Written:
        """The answers in the other format."""
        return Written(self.writes(scored, self.outputs), self.content_type)


def negotiate(names: Names, content_type: bytes, accept: bytes, query: bytes) -> FormatExchange:
    """The exchange that a request asks for. A request that says nothing of its answer gets JSON.

    Raises:
        UnsupportedBody: the body is of a type that is not read.
        NotAcceptable: no type that is written would do.
        InvalidBody: the query asks for what there is not (`service.formats.query`).
    """
    is_short = len(content_type) + len(accept) + len(query) <= MAX_CACHED_BYTES
    decide = _decide if is_short else _decide.__wrapped__
    return decide(names, content_type, accept, query)


@lru_cache(maxsize=512)
def _decide(names: Names, content_type: bytes, accept: bytes, query: bytes) -> FormatExchange:
    named = media_type(content_type)
    given = SAME.get(named, named)
    reads = READS[names]
    if given not in reads or not _is_utf8(content_type):
        raise UnsupportedBody(f"a body must be sent as Content-Type: {', '.join(reads)} (UTF-8)")
    wanted = preferred(accept, FORMATS, SAME) if accept else JSON
    if wanted is None:
        raise NotAcceptable(f"Accept must allow one of {', '.join(FORMATS)}; got {shorten(accept.decode('latin-1'))!r}")
    asked = read_query(query)
    write: Write = FORMATS[wanted].write
    if asked.needs_decision:
        write = partial(write_with_decision, write)
    if asked.sets:
        write = partial(write_with_sets, write, asked.sets)
    both, share = (FORMATS[given], FORMATS[wanted]), PARTIAL_SHARE if asked.partial else 1
    return FormatExchange(
        reads=reads[given],
        writes=write,
        content_type=(f"{wanted}; charset=utf-8" if wanted.startswith("text/") else wanted).encode(),
        outputs=asked.outputs,
        partial=asked.partial,
        inline_bytes=min(form.inline_bytes for form in both),
        inline_cells=min(form.inline_cells for form in both) // share,
        inline_numbers=min(form.inline_numbers for form in both) // share,
    )


def _is_utf8(content_type: bytes) -> bool:
    parameters = content_type.lower().replace(b'"', b"").split(b";")[1:]
    values = dict(parameter.replace(b" ", b"").partition(b"=")[::2] for parameter in parameters)
    return values.get(b"charset", b"utf-8") in {b"utf-8", b"utf8", b"us-ascii"}

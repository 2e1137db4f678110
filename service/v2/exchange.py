"""How an inference request is read and answered, by its headers."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from contract.faults import shorten
from service.bodies import JSON, media_type
from service.compression import COMPRESSED_SHARE, accepted_encoding, compressed
from service.errors import InvalidBody, UnsupportedBody
from service.exchange import Question, Written
from service.formats.exchange import KIB
from service.formats.scored import Scored
from service.predictor import Predictor
from service.v2.inputs import input_reader
from service.v2.outputs import WantedOutputs
from service.v2.request import read_request
from service.v2.response import write_response

OCTETS = "application/octet-stream"
TYPES = ("", JSON, OCTETS)
"""A page elsewhere can make a visitor's browser send a plain form, or text, but none of these without asking us."""
MAX_DIGITS = 12
JSON_CELLS = 16_000
BINARY_CELLS = 128_000
INLINE_BYTES = 512 * KIB


class InferExchange(NamedTuple):
    """A `service.exchange.Exchange` for the protocol's `infer`. `n_json` is what one of the headers says."""

    n_json: int | None
    encoding: str | None

    @property
    def inline_bytes(self) -> int:
        return INLINE_BYTES if self.n_json is not None else INLINE_BYTES // 4

    def inline_rows(self, predictor: Predictor) -> int:
        """How many rows are answered on the event loop."""
        is_quick = self.n_json is not None and not predictor.has_texts
        return (
            (BINARY_CELLS if is_quick else JSON_CELLS) // (COMPRESSED_SHARE if self.encoding else 1) // predictor.width
        )

    def read(self, body: bytes, predictor: Predictor, max_rows: int) -> Question:
        """What a body asks (`service.exchange.Exchange.read`)."""
        reader = input_reader(predictor)
        asked = read_request(body, self.n_json, reader, max_rows)
        rows = reader.read(asked.inputs, asked.wanted)
        return Question(rows, partial(self._write, asked.outputs, asked.id))

    def _write(self, outputs: WantedOutputs, request_id: str | None, scored: Scored) -> Written:
        return compressed(write_response(scored, outputs, request_id), self.encoding)


def negotiate_infer(content_type: bytes, json_bytes: bytes | None, accept_encoding: bytes) -> InferExchange:
    """The exchange that a request asks for.

    Raises:
        UnsupportedBody: the body is of a type that is not read.
        InvalidBody: the length of its JSON is no number.
    """
    if media_type(content_type) not in TYPES:
        raise UnsupportedBody(f"a body must be sent as Content-Type: {JSON} or {OCTETS}")
    n_json = None if json_bytes is None else json_bytes.strip(b" \t")
    if n_json is not None and not (n_json.isdigit() and len(n_json) <= MAX_DIGITS):
        got = shorten(n_json.decode("latin-1"))
        raise InvalidBody(f"Inference-Header-Content-Length must be a number of bytes, got {got!r}")
    return InferExchange(None if n_json is None else int(n_json), accepted_encoding(accept_encoding))

"""How a `ModelInferRequest` is read and answered: as one over HTTP, of the same arrays."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from open_inference.grpc.protocol import ModelInferRequest

from service.exchange import Question
from service.predictor import Predictor
from service.rpc.request import has_raw_contents, read_request
from service.rpc.response import write_response
from service.v2.exchange import BINARY_CELLS, INLINE_BYTES, JSON_CELLS
from service.v2.inputs import input_reader


class InferExchange(NamedTuple):
    """A `service.exchange.Exchange` for one request, which was parsed already: it names the model that answers it."""

    request: ModelInferRequest

    @property
    def inline_bytes(self) -> int:
        return INLINE_BYTES if has_raw_contents(self.request) else INLINE_BYTES // 4

    def inline_rows(self, predictor: Predictor) -> int:
        """How many rows are answered on the event loop."""
        is_quick = has_raw_contents(self.request) and not predictor.has_texts
        return (BINARY_CELLS if is_quick else JSON_CELLS) // predictor.width

    def read(self, body: bytes, predictor: Predictor, max_rows: int) -> Question:  # noqa: ARG002 # parsed already
        """What the request asks (`service.exchange.Exchange.read`)."""
        reader = input_reader(predictor)
        asked = read_request(self.request, reader, max_rows)
        rows = reader.read(asked.inputs, asked.wanted)
        return Question(rows, partial(write_response, asked.outputs, asked.id))

"""Version 1's `predict`: instances in, predictions out, which are the same as those of our own JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from contract.tensors import UNREADABLE, RowReader
from service.bodies import JSON, media_type
from service.compression import COMPRESSED_SHARE, accepted_encoding, compressed
from service.errors import UnsupportedBody
from service.exchange import Question, Written
from service.formats.exchange import FORMATS
from service.formats.json_answers import write_predictions
from service.formats.json_document import NOT_JSON, check_size, decode
from service.formats.rows import Rows, check_count, read_rows
from service.formats.scored import Scored
from service.predictor import Predictor

SHAPE = '{"instances": [row, …]}, each row an array or an object'


class Instances(msgspec.Struct, forbid_unknown_fields=True):
    """What `predict` is asked with. TensorFlow Serving's `signature_name` and Vertex AI's `parameters` mean nothing to
    a model here.
    """

    instances: list[Any]
    signature_name: str | None = None
    parameters: Any = None


class PredictExchange(NamedTuple):
    """A `service.exchange.Exchange` for version 1's `predict`."""

    encoding: str | None

    @property
    def inline_bytes(self) -> int:
        return FORMATS[JSON].inline_bytes

    def inline_rows(self, predictor: Predictor) -> int:
        """How many rows are answered on the event loop."""
        return FORMATS[JSON].inline_cells // (COMPRESSED_SHARE if self.encoding else 1) // predictor.width

    def read(self, body: bytes, predictor: Predictor, max_rows: int) -> Question:
        """What a body asks (`service.exchange.Exchange.read`)."""
        return Question(_read(body, predictor.reader, max_rows), self._write)

    def _write(self, scored: Scored) -> Written:
        return compressed(Written(write_predictions(scored), JSON.encode()), self.encoding)


def negotiate_predict(content_type: bytes, accept_encoding: bytes) -> PredictExchange:
    """The exchange that a request asks for.

    Raises:
        UnsupportedBody: the body is of a type that is not read.
    """
    if media_type(content_type) not in {"", JSON}:
        raise UnsupportedBody(f"a body must be sent as Content-Type: {JSON}")
    return PredictExchange(accepted_encoding(accept_encoding))


def _read(body: bytes, reader: RowReader, max_rows: int) -> Rows:
    check_size(body, max_rows)
    try:
        matrix = reader.decoder.decode(body)
        check_count(len(matrix), max_rows)
        return Rows(reader.read_typed(matrix))
    except (*NOT_JSON, *UNREADABLE):
        return read_rows(decode(body, Instances, SHAPE).instances, reader, max_rows, partial=False)

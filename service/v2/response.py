"""The answer to an inference request: JSON, and behind it, in their order, the outputs that are wanted as bytes."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import orjson

from contract.model_file import CLASS_INDEX
from service.bodies import JSON, JSON_BYTES
from service.exchange import Written
from service.formats.scored import Scored
from service.predictor import Predictor
from service.v2.datatypes import to_bytes
from service.v2.outputs import WantedOutputs, make_outputs

OCTETS = b"application/octet-stream"
JSON_TYPE = JSON.encode()
DATA = b'"data":[%b]'
BINARY = b'"parameters":{"binary_data_size":%b}'


def write_response(scored: Scored, wanted: WantedOutputs, request_id: str | None) -> Written:
    """The answer to a request, with its id, if it has one."""
    named = b"" if request_id is None else b'"id":%b,' % msgspec.json.encode(request_id)
    contents: list[bytes] = []
    values = (
        _one_row(scored, wanted) if wanted.are_numbers and scored.n_answers == 1 else _values(scored, wanted, contents)
    )
    document = _template(scored.predictor, wanted) % (named, *values)
    if not contents:
        return Written(document, JSON_TYPE)
    return Written(b"".join([document, *contents]), OCTETS, ((JSON_BYTES, b"%d" % len(document)),))


def _template(predictor: Predictor, wanted: WantedOutputs) -> bytes:
    """The document with a hole for the id, and for each output one for its shape and one for its data, or their size.

    There are no more of them than there are ways to ask for some of three outputs.
    """
    template: bytes | None = predictor.prepared.get(wanted.kind)
    if template is None:
        start = b'{"model_name":%b,"model_version":"%d",' % (orjson.dumps(predictor.name), predictor.version)
        members = [
            b'{"name":"%b","datatype":"%b","shape":[%%b],%b}'
            % (one.name.encode(), one.datatype.encode(), BINARY if one.is_binary else DATA)
            for one in wanted.outputs
        ]
        template = b'%b%%b"outputs":[%b]}' % (start.replace(b"%", b"%%"), b",".join(members))
        predictor.prepared[wanted.kind] = template
    return template


def _one_row(scored: Scored, wanted: WantedOutputs) -> list[bytes]:
    """The shape of each output, and its numbers, where there is one row: as nearly always, where time counts most."""
    values: list[bytes] = []
    for one in wanted.outputs:
        if one.name == CLASS_INDEX:
            values += (b"1", b"%d" % scored.run.classes()[scored.start])
        else:
            numbers = scored.run.numbers(one.name)[scored.start]
            values += (b"1,%d" % (numbers.count(b",") + 1), numbers)
    return values


def _values(scored: Scored, wanted: WantedOutputs, contents: list[bytes]) -> list[bytes]:
    """The shape of each output, and its elements, or how many bytes they take, which are added to `contents`."""
    values: list[bytes] = []
    for one, array in zip(wanted.outputs, make_outputs(scored, wanted), strict=True):
        values.append(_shape(array.shape))
        if one.is_binary:
            content = to_bytes(array)
            contents.append(content)
            values.append(b"%d" % len(content))
        elif one.n_classes:
            values.append(msgspec.json.encode(array.ravel().tolist())[1:-1])
        else:
            values.append(orjson.dumps(array.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1])
    return values


@lru_cache(maxsize=256)
def _shape(shape: tuple[int, ...]) -> bytes:
    return b",".join([b"%d" % size for size in shape])

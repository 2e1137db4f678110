"""The answer to an inference request: JSON, and behind it, in their order, the outputs that are wanted as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import orjson

from service.bodies import JSON, JSON_BYTES
from service.exchange import Written
from service.formats.scored import Scored
from service.predictor import Predictor
from service.v2.datatypes import to_bytes
from service.v2.outputs import Output, WantedOutputs, make_outputs

OCTETS = b"application/octet-stream"
JSON_TYPE = JSON.encode()
DATA = b'"data":[%b]'
BINARY = b'"parameters":{"binary_data_size":%b}'


def write_response(scored: Scored, wanted: WantedOutputs, request_id: str | None) -> Written:
    """The answer to a request, with its id, if it has one."""
    values: list[bytes] = []
    contents: list[bytes] = []
    outputs = make_outputs(scored, wanted)
    for (_name, _datatype, array), (_, _, is_binary) in zip(outputs, wanted.outputs, strict=True):
        values.append(b"%d,%d" % (len(array), array.shape[1]) if array.ndim == 2 else b"%d" % len(array))
        if is_binary:
            content = to_bytes(array)
            contents.append(content)
            values.append(b"%d" % len(content))
        else:
            values.append(_elements(array))
    named = b"" if request_id is None else b'"id":%b,' % msgspec.json.encode(request_id)
    document = _template(scored.predictor, outputs, wanted) % (named, *values)
    if not contents:
        return Written(document, JSON_TYPE)
    return Written(b"".join([document, *contents]), OCTETS, ((JSON_BYTES, b"%d" % len(document)),))


def _template(predictor: Predictor, outputs: Sequence[Output], wanted: WantedOutputs) -> bytes:
    """The document with a hole for the id, and for each output one for its shape and one for its data, or their size.

    There are no more of them than there are ways to ask for some of three outputs.
    """
    template: bytes | None = predictor.prepared.get(wanted.kind)
    if template is None:
        start = b'{"model_name":%b,"model_version":"%d",' % (orjson.dumps(predictor.name), predictor.version)
        members = [
            b'{"name":"%b","datatype":"%b","shape":[%%b],%b}'
            % (output.name.encode(), output.datatype.encode(), BINARY if one.is_binary else DATA)
            for output, one in zip(outputs, wanted.outputs, strict=True)
        ]
        template = b'%b%%b"outputs":[%b]}' % (start.replace(b"%", b"%%"), b",".join(members))
        predictor.prepared[wanted.kind] = template
    return template


def _elements(array: np.ndarray) -> bytes:
    """All elements in row-major order, with commas between them."""
    if array.dtype == object:
        return msgspec.json.encode(array.ravel().tolist())[1:-1]
    return orjson.dumps(array.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]

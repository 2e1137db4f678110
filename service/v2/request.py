"""The body of an inference request: JSON, perhaps with tensors as bytes behind it, or nothing but bytes.

The protocol is https://github.com/open-inference/open-inference-protocol, the bytes are Triton's extensions "binary
tensor data" and "classification".
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from contract.faults import shorten
from contract.model_file import X_NUM
from service.errors import InvalidBody, MalformedBody
from service.formats.json_document import NOT_JSON, explain
from service.v2.datatypes import FP32, check_datatype, from_bytes
from service.v2.inputs import Input, InputReader, Wanted, check_shape
from service.v2.json_data import read_data
from service.v2.json_text import check_objects, without_nan
from service.v2.outputs import Requested, WantedOutputs, find_outputs

SHAPE = '{"inputs": [{"name", "shape", "datatype", "data"}, …]}, and perhaps "id", "parameters" and "outputs"'

OBJECTS = 1_000
"""How many objects a document may hold beside two for each feature: members that are not known may hold some."""
Size = Annotated[int, Meta(ge=0)]


class InputParameters(msgspec.Struct):
    """How an input comes; others are ignored. `binary_data_size` are its bytes, behind the JSON."""

    binary_data_size: Size | UnsetType = UNSET
    shared_memory_region: str | UnsetType = UNSET


class InputTensor(msgspec.Struct):
    """An input: its elements are in `data`, or behind the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: InputParameters | None = None
    data: msgspec.Raw | UnsetType = UNSET


class OutputParameters(msgspec.Struct):
    """How an output is wanted; others are ignored."""

    binary_data: bool | UnsetType = UNSET
    classification: Size = 0
    shared_memory_region: str | UnsetType = UNSET


class RequestedOutput(msgspec.Struct):
    """An output that is wanted."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """Of the whole request; others are ignored. `binary_data_output`: all outputs as bytes, where they do not say."""

    binary_data_output: bool = False


class InferRequest(msgspec.Struct):
    """What `infer` is asked with. Members that are not known are ignored, as the protocol grows."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: RequestParameters | None = None
    outputs: list[RequestedOutput] | None = None


class Asked(msgspec.Struct):
    """A request that was read."""

    id: str | None
    inputs: list[Input]
    wanted: Wanted
    outputs: WantedOutputs


DECODER = msgspec.json.Decoder(InferRequest)


def read_request(body: bytes, n_json: int | None, reader: InputReader, max_rows: int) -> Asked:
    """What a body asks. `n_json` are its bytes of JSON, in front of the others; None where there are no others.

    Raises:
        MalformedBody: it is no JSON, or shorter than it says.
        InvalidBody: its inputs or outputs are not those of the model, or their elements are not as they say.
        BodyTooLarge: there are more than `max_rows` rows.
    """
    if n_json == 0:
        return _read_raw(body, reader)
    if n_json is not None and n_json > len(body):
        raise MalformedBody(f"Inference-Header-Content-Length must be at most {len(body)}, as the body, got {n_json}")
    text = body if n_json is None else body[:n_json]
    request = _decode(text, reader.n_features)
    wanted = reader.find_wanted([one.name for one in request.inputs])
    rest = memoryview(body)[len(text) :] if n_json is not None else b""
    inputs = []
    for one in request.inputs:
        check_datatype(one.datatype)
        n_rows = check_shape(one.name, one.shape, wanted, max_rows)
        n_elements = n_rows * wanted.widths[one.name]
        size = one.parameters.binary_data_size if one.parameters else UNSET
        if size is UNSET:
            array = _read_data(one, n_elements)
        else:
            array = from_bytes(one.name, one.datatype, _own_bytes(one, size, rest), n_elements)
            rest = rest[size:]
        inputs.append(Input(one.name, one.datatype, n_rows, array))
    if rest:
        raise InvalidBody(f"a body must end with the bytes of its inputs, got {len(rest)} more")
    is_binary = bool(request.parameters and request.parameters.binary_data_output)
    return Asked(request.id, inputs, wanted, _find_outputs(request.outputs, is_binary=is_binary))


def _decode(text: bytes, n_features: int) -> InferRequest:
    check_objects(text, OBJECTS + 2 * n_features)
    try:
        return DECODER.decode(text)
    except NOT_JSON as error:
        if b"NaN" not in text and b"Infinity" not in text:
            raise explain(error, SHAPE) from None
    # Not JSON, but what Python writes for a missing number: once more, with null in its place.
    try:
        return DECODER.decode(without_nan(text))
    except NOT_JSON as error:
        raise explain(error, SHAPE) from None


def _read_data(one: InputTensor, n_elements: int) -> np.ndarray:
    if one.data is UNSET:
        _refuse(one, "must have data, or binary_data_size and bytes behind the JSON")
    return read_data(one.name, one.datatype, one.shape, n_elements, one.data)


def _own_bytes(one: InputTensor, size: int, rest: memoryview | bytes) -> memoryview | bytes:
    """The bytes of an input, which come first among the rest."""
    if one.data is not UNSET:
        _refuse(one, "must have data or binary_data_size, got both")
    if size > len(rest):
        _refuse(one, f"must have {size} bytes behind the JSON, as its binary_data_size says, got {len(rest)}")
    return rest[:size]


def _refuse(one: InputTensor, rule: str) -> NoReturn:
    if one.parameters and one.parameters.shared_memory_region is not UNSET:
        rule = "must come with the request; shared memory is not supported"
    raise InvalidBody(f"input {shorten(one.name)!r} {rule}")


def _find_outputs(outputs: list[RequestedOutput] | None, *, is_binary: bool) -> WantedOutputs:
    asked = []
    for output in outputs or ():
        parameters = output.parameters or OutputParameters()
        if parameters.shared_memory_region is not UNSET:
            raise InvalidBody(
                f"output {shorten(output.name)!r} must go with the answer; shared memory is not supported"
            )
        wants_bytes = is_binary if parameters.binary_data is UNSET else parameters.binary_data
        asked.append(Requested(output.name, parameters.classification, wants_bytes))
    return find_outputs(asked, is_binary=is_binary)


def _read_raw(body: bytes, reader: InputReader) -> Asked:
    """A body that is one row's numbers and nothing else; all outputs go as bytes."""
    width = len(reader.schema.numeric)
    if reader.schema.categorical:
        raise InvalidBody("a body without JSON needs a model with numeric features only")
    if len(body) != width * np.dtype(np.float32).itemsize:
        raise InvalidBody(f"a body without JSON must be one row of {width} float32, got {len(body)} bytes")
    array = from_bytes(X_NUM, FP32, body, width)
    wanted = reader.find_wanted([X_NUM])
    return Asked(None, [Input(X_NUM, FP32, 1, array)], wanted, find_outputs([], is_binary=True))

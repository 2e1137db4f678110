"""A `ModelInferRequest` → the inputs and outputs that it asks for.

The messages are those of https://github.com/open-inference/open-inference-protocol; what Triton adds to them is the
output parameter "classification".
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from open_inference.grpc.protocol import ModelInferRequest

from contract.faults import shorten
from contract.model_file import OUTPUTS
from service.errors import InvalidBody
from service.v2.datatypes import BOOL, BYTES, FP32, INT64, NUMBERS, check_datatype, decode_texts, from_bytes
from service.v2.inputs import Input, InputReader, check_shape
from service.v2.outputs import Requested, WantedOutputs, find_outputs
from service.v2.request import Asked

Given = ModelInferRequest.InferInputTensor

CONTENTS = {
    BOOL: "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    INT64: "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    FP32: "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field that holds the elements of each datatype. FP16 has none: it is sent as bytes."""


def has_raw_contents(request: ModelInferRequest) -> bool:
    """Whether the inputs come as bytes, and so the outputs go."""
    return len(request.raw_input_contents) > 0


def read_request(request: ModelInferRequest, reader: InputReader, max_rows: int) -> Asked:
    """What a message asks.

    Raises:
        InvalidBody: its inputs or outputs are not those of the model, or their elements are not as they say.
        BodyTooLarge: there are more than `max_rows` rows.
    """
    # No more of them than it takes to refuse them: a small message can hold millions.
    given = request.inputs[: reader.n_features + 1]
    wanted = reader.find_wanted([one.name for one in given])
    is_raw = has_raw_contents(request)
    if is_raw and len(request.raw_input_contents) != len(given):
        raise InvalidBody(
            f"raw_input_contents must be as many as the inputs, {len(given)}, got {len(request.raw_input_contents)}"
        )
    inputs = []
    for i, one in enumerate(given):
        check_datatype(one.datatype)
        n_rows = check_shape(one.name, one.shape, wanted, max_rows)
        n_elements = n_rows * wanted.widths[one.name]
        array = _read_raw(one, request.raw_input_contents[i], n_elements) if is_raw else _read(one, n_elements)
        inputs.append(Input(one.name, one.datatype, n_rows, array))
    return Asked(request.id, inputs, wanted, _find_outputs(request, is_raw=is_raw))


def _read_raw(one: Given, content: bytes, n_elements: int) -> np.ndarray:
    if one.HasField("contents"):
        _refuse(one, "must have contents or raw_input_contents, got both")
    return from_bytes(one.name, one.datatype, content, n_elements)


def _read(one: Given, n_elements: int) -> np.ndarray:
    if one.datatype not in CONTENTS:
        _refuse(one, f"must come in raw_input_contents, as {one.datatype} has no other place")
    field = CONTENTS[one.datatype]
    fields = [descriptor.name for descriptor, _elements in one.contents.ListFields()]
    elements = getattr(one.contents, field)
    if fields != [field] or len(elements) != n_elements:
        others = f" and {', '.join(name for name in fields if name != field)}" if set(fields) - {field} else ""
        _refuse(
            one,
            f"must have {n_elements} elements in {field}, as its shape and datatype say, and nothing else; "
            f"got {len(elements)}{others}",
        )
    if one.datatype == BYTES:
        return decode_texts(one.name, elements)
    try:
        return np.fromiter(elements, NUMBERS[one.datatype], n_elements)
    except OverflowError:
        _refuse(one, f"must have elements of {one.datatype}, got one outside its range")


def _refuse(one: Given, rule: str) -> NoReturn:
    if "shared_memory_region" in one.parameters:
        rule = "must come with the request; shared memory is not supported"
    raise InvalidBody(f"input {shorten(one.name)!r} {rule}")


def _find_outputs(request: ModelInferRequest, *, is_raw: bool) -> WantedOutputs:
    asked = []
    for output in request.outputs[: len(OUTPUTS) + 1]:
        if "shared_memory_region" in output.parameters:
            raise InvalidBody(
                f"output {shorten(output.name)!r} must go with the answer; shared memory is not supported"
            )
        asked.append(Requested(output.name, _read_classification(output), is_raw))
    return find_outputs(asked, is_binary=is_raw)


def _read_classification(output: ModelInferRequest.InferRequestedOutputTensor) -> int:
    if "classification" not in output.parameters:
        return 0
    parameter = output.parameters["classification"]
    if parameter.WhichOneof("parameter_choice") != "int64_param" or parameter.int64_param < 0:
        raise InvalidBody(f"classification of output {shorten(output.name)!r} must be an int64_param from 0 up")
    n_classes: int = parameter.int64_param
    return n_classes

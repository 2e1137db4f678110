"""What OpenAPI says of the protocol's routes whose handlers take or return bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)

from contract.model_file import OUTPUTS
from service.bodies import JSON
from service.documents.pieces import (
    ACCEPT_ENCODING,
    BINARY,
    CONTENT_ENCODING,
    ENCODED,
    NOTHING,
    answer_of,
    json_body,
    named,
    object_of,
)
from service.problems import protocol_responses
from service.v2 import examples
from service.v2.datatypes import BOOL, BYTES, FLOATS, INTEGERS
from service.v2.exchange import MAX_DIGITS, OCTETS

JSON_BYTES = "Inference-Header-Content-Length"
FLAG = Schema(type=OpenAPIType.BOOLEAN)
COUNT = Schema(type=OpenAPIType.INTEGER, minimum=0)


class BinaryParameters(msgspec.Struct, frozen=True):
    """Where the elements of an output are: so many bytes behind the JSON."""

    binary_data_size: int


class OutputTensor(msgspec.Struct, frozen=True, kw_only=True):
    """An output: its elements are in `data`, in row-major order, or behind the JSON."""

    name: Literal["logits", "probabilities", "class_index"]
    datatype: Literal["FP32", "INT64", "BYTES"]
    shape: list[int]
    parameters: BinaryParameters | msgspec.UnsetType = msgspec.UNSET
    data: list[float | int | str] | msgspec.UnsetType = msgspec.UNSET


class InferResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The outputs in the order in which they were asked for, and the request's id, if it had one."""

    model_name: str
    model_version: str
    id: str | msgspec.UnsetType = msgspec.UNSET
    outputs: list[OutputTensor]


def _nullable(kind: OpenAPIType) -> Schema:
    return Schema(any_of=[Schema(type=kind), NOTHING])


def _input(datatypes: Iterable[str], kind: OpenAPIType) -> Schema:
    elements = Schema(type=OpenAPIType.ARRAY, min_items=1, items=_nullable(kind))
    rows = Schema(type=OpenAPIType.ARRAY, min_items=1, items=elements)
    properties = {
        "name": Schema(type=OpenAPIType.STRING, description="A tensor of the model's, or in its place a feature."),
        "datatype": Schema(type=OpenAPIType.STRING, enum=list(datatypes)),
        "shape": Schema(
            type=OpenAPIType.ARRAY,
            min_items=1,
            max_items=2,
            items=Schema(type=OpenAPIType.INTEGER, minimum=1),
            description="Rows, and columns of a tensor.",
        ),
        "parameters": Schema(type=[OpenAPIType.OBJECT, OpenAPIType.NULL], description="Ignored beside `data`."),
        "data": Schema(any_of=[elements, rows], description="The elements, flat or by rows; null where missing."),
    }
    return object_of(properties, ["name", "datatype", "shape", "data"], is_closed=False)


OUTPUT_PARAMETERS = Schema(
    type=[OpenAPIType.OBJECT, OpenAPIType.NULL],
    properties={
        "classification": Schema(
            type=OpenAPIType.INTEGER,
            minimum=0,
            description="So many of the highest values as texts `value:class index:label`, if not 0.",
        ),
        "binary_data": Schema(type=OpenAPIType.BOOLEAN, description="Whether it goes as bytes behind the JSON."),
    },
)
REQUEST = object_of(
    {
        "id": Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], description="Comes back with the answer."),
        "parameters": Schema(
            type=[OpenAPIType.OBJECT, OpenAPIType.NULL],
            properties={
                "binary_data_output": Schema(
                    type=OpenAPIType.BOOLEAN, description="Whether outputs go as bytes where they do not say."
                )
            },
            description="Others are ignored.",
        ),
        "inputs": Schema(
            type=OpenAPIType.ARRAY,
            min_items=1,
            items=Schema(
                any_of=[
                    _input(FLOATS, OpenAPIType.NUMBER),
                    _input(INTEGERS, OpenAPIType.INTEGER),
                    _input([BOOL], OpenAPIType.BOOLEAN),
                    _input([BYTES], OpenAPIType.STRING),
                ]
            ),
            description="The model's tensors, or one input for each feature, in any order.",
        ),
        "outputs": Schema(
            type=[OpenAPIType.ARRAY, OpenAPIType.NULL],
            items=object_of(
                {"name": Schema(type=OpenAPIType.STRING, enum=list(OUTPUTS)), "parameters": OUTPUT_PARAMETERS},
                ["name"],
                is_closed=False,
            ),
            description="Those that are wanted, each once; all unless given.",
        ),
    },
    ["inputs"],
    is_closed=False,
)
SCHEMAS = {"InferRequest": REQUEST}


BYTES_BODY = OpenAPIMediaType(
    schema=BINARY,
    examples={
        "bytes_wanted": Example(summary="JSON alone, which asks for outputs as bytes", value=examples.BYTES_WANTED)
    },
)
JSON_BYTES_PARAMETER = Parameter(
    name=JSON_BYTES,
    param_in="header",
    description=(
        "How many bytes of the body are JSON. Behind them stand the elements of those inputs that have no `data` but a "
        "parameter `binary_data_size`, in their order. 0: the body is nothing but one row of float32."
    ),
    schema=Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=10**MAX_DIGITS - 1),
    examples={"bytes_wanted": Example(value=len(examples.BYTES_WANTED))},
)
JSON_BYTES_HEADER = OpenAPIHeader(
    description="How many bytes of the answer are JSON, where outputs follow as bytes.", schema=COUNT
)


@dataclass
class InferOperation(Operation):
    """An operation that takes tensors and answers with tensors."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or []), JSON_BYTES_PARAMETER, CONTENT_ENCODING, ACCEPT_ENCODING]
        self.request_body = RequestBody(
            required=True,
            content={JSON: json_body(named("InferRequest"), examples.REQUESTS), OCTETS: BYTES_BODY},
            description='JSON, and perhaps bytes behind it (Triton\'s extension "binary tensor data").',
        )
        answer = answer_of(self)
        answer.content = {
            JSON: json_body(named("InferResponse"), examples.ANSWERS),
            OCTETS: OpenAPIMediaType(schema=BINARY),
        }
        answer.headers = {JSON_BYTES: JSON_BYTES_HEADER, "Content-Encoding": ENCODED}


INFER: dict[str, Any] = {
    "status_code": 200,
    "operation_class": InferOperation,
    "responses": {
        200: ResponseSpec(
            InferResponse,
            generate_examples=False,
            description="The outputs; with those that are wanted as bytes behind the JSON",
        ),
        **protocol_responses(404, 413, 415, 503),
    },
}


def _body(properties: dict[str, Schema], examples: dict[str, Example]) -> RequestBody:
    return RequestBody(required=False, content={JSON: json_body(object_of(properties, [], is_closed=False), examples)})


@dataclass
class IndexOperation(Operation):
    """An operation whose body may say which models are meant."""

    def __post_init__(self) -> None:
        ready = Schema(type=OpenAPIType.BOOLEAN, default=False, description="Only those that can be asked.")
        self.request_body = _body({"ready": ready}, {"ready": Example(value={"ready": True})})


@dataclass
class ActOperation(Operation):
    """An operation whose body may hold parameters."""

    def __post_init__(self) -> None:
        parameters = Schema(type=OpenAPIType.OBJECT, description="`config` and files are refused, others ignored.")
        self.request_body = _body({"parameters": parameters}, {"none": Example(value={})})


INDEX: dict[str, Any] = {
    "status_code": 200,
    "operation_class": IndexOperation,
    "responses": protocol_responses(413, 507),
}
ACT: dict[str, Any] = {
    "status_code": 200,
    "operation_class": ActOperation,
    "responses": protocol_responses(404, 413, 503, 507),
}

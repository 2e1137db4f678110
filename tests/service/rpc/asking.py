"""Requests for inference, and answers as arrays."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from litestar import Litestar
from litestar.testing import TestClient
from open_inference.grpc.protocol import InferParameter, ModelInferRequest, ModelInferResponse

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
PENGUINS = [[40.5, "Dream", 4000, "male"], [None, "Torgersen", 3700.25, None], [39.0, "Élysée", None, ""]]
FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
DTYPES = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


def request(model: str = "iris", **members: Any) -> ModelInferRequest:
    return ModelInferRequest(model_name=model, **members)


def add_typed(
    message: ModelInferRequest, name: str, elements: Sequence[Any], shape: Sequence[int], datatype: str = "FP32"
) -> None:
    tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
    getattr(tensor.contents, FIELDS[datatype]).extend(elements)


def add_raw(
    message: ModelInferRequest, name: str, elements: Sequence[Any], shape: Sequence[int], datatype: str = "FP32"
) -> None:
    message.inputs.add(name=name, datatype=datatype, shape=shape)
    if datatype == "BYTES":
        content = b"".join(struct.pack("<I", len(text)) + text for text in elements)
    else:
        content = np.array(elements, DTYPES[datatype]).tobytes()
    message.raw_input_contents.append(content)


def typed_rows(rows: Sequence[Sequence[float]] = ROWS, **members: Any) -> ModelInferRequest:
    message = request(**members)
    add_typed(message, "x_num", [number for row in rows for number in row], [len(rows), len(rows[0])])
    return message


def raw_rows(rows: Any = ROWS, **members: Any) -> ModelInferRequest:
    message = request(**members)
    add_raw(message, "x_num", rows, [len(rows), len(rows[0])])
    return message


def ask_for(message: ModelInferRequest, name: str, **parameters: Any) -> None:
    """Ask for an output; of each parameter, what it is and its value."""
    output = message.outputs.add(name=name)
    for parameter, (kind, value) in parameters.items():
        output.parameters[parameter].CopyFrom(InferParameter(**{kind: value}))


def arrays(answer: ModelInferResponse) -> dict[str, np.ndarray]:
    """The outputs of an answer by name, wherever their elements are."""
    found = {}
    for i, output in enumerate(answer.outputs):
        if answer.raw_output_contents:
            array = np.frombuffer(answer.raw_output_contents[i], DTYPES[output.datatype])
        else:
            array = np.array(getattr(output.contents, FIELDS[output.datatype]), DTYPES[output.datatype])
        found[output.name] = array.reshape(list(output.shape))
    return found


def native(http: TestClient[Litestar], rows: Any, model: str = "iris") -> dict[str, np.ndarray]:
    """What the service's own route answers, to the last bit: its numbers are written so that they can be read so."""
    predictions = http.post(f"/models/{model}/predict", json={"instances": rows}).json()["predictions"]
    dtypes = {"logits": "<f4", "probabilities": "<f4", "class_index": "<i8"}
    return {name: np.array([prediction[name] for prediction in predictions], dtype) for name, dtype in dtypes.items()}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether outputs are the same in order, shape and every bit."""
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype
        and first[name].shape == second[name].shape
        and first[name].tobytes() == second[name].tobytes()
        for name in first
    )

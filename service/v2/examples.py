"""Examples of inference: requests about iris, and what is answered to those of the same name."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.openapi.spec import Example

from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_NUM
from service.documents import iris
from service.v2.datatypes import BYTES, FP32, INT64


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _answer(*outputs: dict[str, Any], **members: str) -> dict[str, Any]:
    return {"model_name": "iris", "model_version": "1", **members, "outputs": list(outputs)}


ALL_ROWS = _tensor(X_NUM, FP32, [2, 4], iris.ROWS)
BY_FEATURE = [_tensor(name, "FP64", [2], column) for name, column in iris.COLUMNS.items()]
SCORES = [
    _tensor(name, FP32, [2, 3], [value for row in rows for value in row])
    for name, rows in ((LOGITS, iris.LOGITS), (PROBABILITIES, iris.PROBABILITIES))
]
CLASSES = _tensor(CLASS_INDEX, INT64, [2], iris.CLASS_INDEX)
BEST_TWO = {"name": PROBABILITIES, "parameters": {"classification": 2}}
REQUESTS = {
    "tensor": Example(summary="The model's tensor, and all outputs", value={"id": "42", "inputs": [ALL_ROWS]}),
    "features": Example(
        summary="An input for each feature, and one output",
        value={"inputs": BY_FEATURE, "outputs": [{"name": CLASS_INDEX}]},
    ),
    "classification": Example(
        summary="The two best classes with their labels", value={"inputs": [ALL_ROWS], "outputs": [BEST_TWO]}
    ),
}
ANSWERS = {
    "tensor": Example(value=_answer(*SCORES, CLASSES, id="42")),
    "features": Example(value=_answer(CLASSES)),
    "classification": Example(value=_answer(_tensor(PROBABILITIES, BYTES, [2, 2], iris.BEST))),
}
BYTES_WANTED = msgspec.json.encode({"inputs": [ALL_ROWS], "parameters": {"binary_data_output": True}}).decode()

"""Examples of the answers of routes that only tell: what each says of `iris/1`, freshly started."""

from __future__ import annotations

from typing import Any

import msgspec

from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_NUM
from service.documents import iris
from service.v2.datatypes import FP32, INT64

QUANTILES = (
    (4.5889997, 4.645, 5.1, 5.8, 6.4, 7.2, 7.7),
    (2.178, 2.4, 2.8, 3.0, 3.3, 3.8, 4.2219996),
    (1.1780001, 1.3449999, 1.525, 4.3, 5.1, 6.055, 6.611),
    (0.1, 0.2, 0.3, 1.3, 1.8, 2.3, 2.5),
)
RANGES = ((4.5, 7.7), (2.0, 4.4), (1.0, 6.7), (0.1, 2.5))
FEATURES = [
    {"kind": "numeric", "name": name, "missing": False, "minimum": low, "maximum": high, "quantiles": list(quantiles)}
    for name, (low, high), quantiles in zip(iris.NAMES, RANGES, QUANTILES, strict=True)
]
NONE = {"count": 0, "ns": 0}
PARTS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
STATISTICS = {
    "model_stats": [
        {
            "name": "iris",
            "version": "1",
            "last_inference": 0,
            "inference_count": 0,
            "execution_count": 0,
            "inference_stats": dict.fromkeys(PARTS, NONE),
            "batch_stats": [],
            "memory_usage": [],
        }
    ]
}
METADATA = {
    "name": "iris",
    "versions": ["1"],
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": X_NUM, "datatype": FP32, "shape": [-1, 4]}],
    "outputs": [
        {"name": LOGITS, "datatype": FP32, "shape": [-1, 3]},
        {"name": PROBABILITIES, "datatype": FP32, "shape": [-1, 3]},
        {"name": CLASS_INDEX, "datatype": INT64, "shape": [-1]},
    ],
}


def _text(value: object) -> dict[str, str]:
    return {"string_value": msgspec.json.encode(value).decode()}


CONFIGURATION = {
    "name": "iris",
    "platform": "onnxruntime_onnx",
    "backend": "onnxruntime",
    "version_policy": {"all": {}},
    "max_batch_size": 10_000,
    "input": [{"name": X_NUM, "data_type": "TYPE_FP32", "dims": [4]}],
    "output": [
        {"name": LOGITS, "data_type": "TYPE_FP32", "dims": [3]},
        {"name": PROBABILITIES, "data_type": "TYPE_FP32", "dims": [3]},
        {"name": CLASS_INDEX, "data_type": "TYPE_INT64", "dims": [1], "reshape": {"shape": []}},
    ],
    "parameters": {"labels": _text(iris.LABELS), "features": _text(FEATURES)},
}
READY = {"status": "ready", "models": {"iris": 1}}
ANSWERS: dict[str, Any] = {
    "GET /health/live": {"status": "live"},
    "GET /health/ready": READY,
    "GET /ping": READY,
    "GET /models": {
        "models": [{"name": "iris", "version": 1, "n_features": 4, "classes": iris.LABELS}],
        "default": "iris",
    },
    "GET /v1/models": {"models": ["iris"]},
    "GET /v1/models/{name}": {
        "name": "iris",
        "ready": True,
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
    },
    "GET /v2/health/live": {"live": True, "ready": True},
    "GET /v2/health/ready": {"live": True, "ready": True},
    "GET /v2/models": {"models": ["iris"]},
    "GET /v2/models/stats": STATISTICS,
    "GET /v2/models/{name}": METADATA,
    "GET /v2/models/{name}/config": CONFIGURATION,
    "GET /v2/models/{name}/ready": {"name": "iris", "ready": True},
    "GET /v2/models/{name}/stats": STATISTICS,
    "GET /v2/models/{name}/versions/{version}": METADATA,
    "GET /v2/models/{name}/versions/{version}/config": CONFIGURATION,
    "GET /v2/models/{name}/versions/{version}/ready": {"name": "iris", "ready": True},
    "GET /v2/models/{name}/versions/{version}/stats": STATISTICS,
    "POST /v2/repository/index": [{"name": "iris", "version": "1", "state": "READY", "reason": ""}],
    "POST /v2/repository/models/{name}/load": {},
    "POST /v2/repository/models/{name}/unload": {},
}
"""By operation, that is by method and path."""

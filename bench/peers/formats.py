"""How rows are written into a body, and how the probabilities are read from its answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import orjson
import polars as pl

from bench.peers.rows import Rows

JSON = {"Content-Type": "application/json"}
ARROW_TYPE = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True, slots=True)
class Format:
    """A body's writer with its headers, and the reader of the answer: its `(n_samples, n_classes)` probabilities."""

    write: Callable[[Rows], bytes]
    read: Callable[[bytes], np.ndarray]
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


def _write_arrays(rows: Rows) -> bytes:
    return orjson.dumps({"instances": rows.frame.rows()})


def _write_objects(rows: Rows) -> bytes:
    return orjson.dumps({"instances": rows.frame.to_dicts()})


def _write_columns(rows: Rows) -> bytes:
    return orjson.dumps({"columns": rows.frame.to_dict(as_series=False)})


def _write_arrow(rows: Rows) -> bytes:
    stream = io.BytesIO()
    rows.frame.write_ipc_stream(stream)
    return stream.getvalue()


def _write_tensor(rows: Rows) -> bytes:
    tensor = {
        "name": "x_num",
        "shape": rows.frame.shape,
        "datatype": "FP32",
        "data": rows.frame.to_numpy().ravel().tolist(),
    }
    return orjson.dumps({"inputs": [tensor]})


N_JSON = 256
"""Bytes of JSON in front of a tensor's; spaces fill them up, so that one header fits every number of rows."""


def _write_tensor_bytes(rows: Rows) -> bytes:
    content = rows.frame.to_numpy().astype("<f4").tobytes()
    tensor = {
        "name": "x_num",
        "shape": rows.frame.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(content)},
    }
    return orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).ljust(N_JSON) + content


def _read_predictions(content: bytes) -> np.ndarray:
    return np.array([row["probabilities"] for row in orjson.loads(content)["predictions"]], np.float64)


def _read_tensors(content: bytes) -> np.ndarray:
    (tensor,) = (one for one in orjson.loads(content)["outputs"] if one["name"] == "probabilities")
    return np.array(tensor["data"], np.float64).reshape(tensor["shape"])


def _read_tensor_bytes(content: bytes) -> np.ndarray:
    document, end = json.JSONDecoder().raw_decode(content.decode("latin-1"))
    for tensor in document["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        if tensor["name"] == "probabilities":
            return np.frombuffer(content[end : end + size], "<f4").astype(np.float64).reshape(tensor["shape"])
        end += size
    raise KeyError("probabilities")


def _read_arrow(content: bytes) -> np.ndarray:
    return np.array(pl.read_ipc_stream(content)["probabilities"].to_list(), np.float64)


ARRAYS = Format(_write_arrays, _read_predictions)
OBJECTS = Format(_write_objects, _read_predictions)
COLUMNS = Format(_write_columns, _read_predictions)
ARROW = Format(_write_arrow, _read_arrow, {"Content-Type": ARROW_TYPE, "Accept": ARROW_TYPE})
TENSOR = Format(_write_tensor, _read_tensors)
"""The Open Inference Protocol's JSON."""
OCTETS = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(N_JSON)}
TENSOR_BYTES = Format(_write_tensor_bytes, _read_tensor_bytes, OCTETS)
"""The same with binary tensors."""

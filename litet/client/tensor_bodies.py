"""Tensors as bytes: requests and answers of the Open Inference Protocol 2 with Triton's binary extension.

JSON says which tensors there are, and their bytes follow it, little-endian. The protocol has neither labels nor what
was unseen; a client that knows the version (`litet.client.versions`) has both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES, X_CAT
from contract.tensors import Tensors
from litet.client.messages import InferAnswer

JSON_BYTES = "inference-header-content-length"
LENGTH = struct.Struct("<I")
DTYPES = {LOGITS: "<f4", PROBABILITIES: "<f4", CLASS_INDEX: "<i8"}


class Answered(NamedTuple):
    """The answer to some rows (`litet.client.predictions.Predictions`), of which nothing more is known."""

    version: int
    class_index: np.ndarray
    probabilities: np.ndarray
    logits: np.ndarray


def write_tensors(tensors: Tensors) -> tuple[bytes, Mapping[str, str]]:
    """The body of `POST /v2/models/{name}/infer` for rows, and its headers."""
    contents = {
        name: _texts(array) if name == X_CAT else array.astype("<f4").tobytes()
        for name, array in tensors.feed().items()
    }
    inputs = [
        {
            "name": name,
            "shape": array.shape,
            "datatype": "BYTES" if name == X_CAT else "FP32",
            "parameters": {"binary_data_size": len(contents[name])},
        }
        for name, array in tensors.feed().items()
    ]
    document = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    headers = {"content-type": "application/octet-stream", JSON_BYTES: str(len(document))}
    return b"".join([document, *contents.values()]), headers


def read_tensors(headers: Mapping[str, str], content: bytes) -> Answered:
    """The answer in a body.

    Raises:
        ValueError, KeyError, TypeError: it is another one.
    """
    start = int(headers[JSON_BYTES])
    answer = msgspec.json.decode(content[:start], type=InferAnswer)
    arrays = {}
    for output in answer.outputs:
        end = start + output.parameters.binary_data_size
        dtype = np.dtype(DTYPES[output.name])
        flat = np.frombuffer(content[start:end], dtype)
        arrays[output.name] = flat.astype(dtype.newbyteorder("=")).reshape(output.shape)
        start = end
    return Answered(int(answer.model_version), arrays[CLASS_INDEX], arrays[PROBABILITIES], arrays[LOGITS])


def _texts(x_cat: np.ndarray) -> bytes:
    texts = x_cat.ravel().tolist()
    encoded = {text: LENGTH.pack(len(content)) + content for text in set(texts) for content in [text.encode()]}
    return b"".join([encoded[text] for text in texts])

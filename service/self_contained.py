"""Refuses model files that refer to other files.

An ONNX file may keep its weights in files beside it, and onnxruntime, given bytes, looks for them in the working
directory, `..` included. A version's hash covers one file, so every tensor must lie within it. This walks the protobuf
encoding itself (https://protobuf.dev/programming-guides/encoding, field numbers of onnx.proto3): serving needs no onnx
package for the one question whether a tensor is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from contract.errors import CorruptArtifact

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_DEPTH = 100
"""protobuf's own limit of nesting."""

MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
"""Which fields of which message lead to tensors."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a Tensor: where its values are, and whether they are elsewhere."""


def check_self_contained(model: bytes) -> None:
    """Let a model file pass that keeps all its tensors within itself.

    Raises:
        CorruptArtifact: a tensor is kept in another file, or the bytes are not a protobuf message.
    """
    try:
        _walk(memoryview(model), "Model", MAX_DEPTH)
    except IndexError:
        raise CorruptArtifact("a model file must be a whole ONNX model, got one that is cut off") from None


def _walk(message: memoryview, kind: str, depth: int) -> None:
    if not depth:
        raise CorruptArtifact(f"a model file must nest at most {MAX_DEPTH} levels deep")
    for field, value in _fields(message):
        if kind == "Tensor" and field in (EXTERNAL_DATA, DATA_LOCATION) and value != 0:
            raise CorruptArtifact("a model file must hold all its tensors, got one kept in another file")
        if (inner := MESSAGES[kind].get(field)) and isinstance(value, memoryview):
            _walk(value, inner, depth - 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one message: number, and value or content; fixed-width numbers are passed over."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = _varint(message, position)
            yield field, value
        elif wire == BYTES:
            size, position = _varint(message, position)
            if position + size > len(message):
                raise IndexError
            yield field, message[position : position + size]
            position += size
        elif wire in (FIXED64, FIXED32):
            position += 8 if wire == FIXED64 else 4
        else:
            raise CorruptArtifact(f"a model file must be an ONNX model, got protobuf wire type {wire}")


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise CorruptArtifact("a model file must be an ONNX model, got a number of more than 64 bits")

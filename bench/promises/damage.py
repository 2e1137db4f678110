"""Ways to damage a model file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from contract.model_file import X_NUM


class Damage(NamedTuple):
    """A damaged file. `hashed`: the card's size and hash are made to fit it, so that only the loader can tell."""

    kind: str
    model: bytes
    hashed: bool


def damages(model: bytes, *, n_truncations: int, n_flips: int, seed: int = 0) -> Iterator[Damage]:
    """Truncations and flipped bits, each with and without a card that fits; and files that were made to harm."""
    for length in np.linspace(0, len(model) - 1, n_truncations).astype(int):
        for hashed in (False, True):
            yield Damage("cut off", model[:length], hashed)
    bits = np.random.default_rng(seed).choice(8 * len(model), min(n_flips, 8 * len(model)), replace=False)
    for bit in bits.tolist():
        for hashed in (False, True):
            yield Damage("bit flipped", _flipped(model, bit), hashed)
    yield Damage("external data", _external(model), hashed=True)
    yield Damage("wrong inputs", _renamed_input(model), hashed=True)
    yield Damage("wrong operator", _other_operator(model), hashed=True)


def _flipped(model: bytes, bit: int) -> bytes:
    flipped = bytearray(model)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _external(model: bytes) -> bytes:
    """Weights kept in a file that every system has."""
    graph = onnx.load_from_string(model)
    tensor = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    tensor.ClearField("raw_data")
    return bytes(graph.SerializeToString())


def _renamed_input(model: bytes) -> bytes:
    graph = onnx.load_from_string(model)
    for value in graph.graph.input:
        value.name = value.name.replace(X_NUM, "x")
    for node in graph.graph.node:
        node.input[:] = ["x" if name == X_NUM else name for name in node.input]
    return bytes(graph.SerializeToString())


def _other_operator(model: bytes) -> bytes:
    """An operator that no runtime has."""
    graph = onnx.load_from_string(model)
    graph.graph.node[0].op_type = "NoSuchOperator"
    return bytes(graph.SerializeToString())

"""Rows as tritonclient's HTTP clients send them, synchronous and asyncio alike, and the arrays in what they get."""

from __future__ import annotations

from typing import Any

import numpy as np
from tritonclient.http import InferInput, InferResult
from tritonclient.utils import np_to_triton_dtype

from tests.conformance.native import BIRDS, FLOWERS, x_cat, x_num

OUTPUTS = ("logits", "probabilities", "class_index")


def given(name: str, array: np.ndarray, *, binary: bool = True) -> InferInput:
    """An input of an array's shape and datatype."""
    one = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return one.set_data_from_numpy(array, binary_data=binary)


def flowers(rows: Any = FLOWERS, dtype: Any = np.float32, *, binary: bool = True) -> list[InferInput]:
    """The inputs of iris."""
    return [given("x_num", np.array(rows, dtype), binary=binary)]


def birds(*, binary: bool = True) -> list[InferInput]:
    """The inputs of birds."""
    return [given("x_num", x_num(BIRDS), binary=binary), given("x_cat", x_cat(BIRDS), binary=binary)]


def outputs_of(result: InferResult) -> list[np.ndarray]:
    """All outputs, in the order of `native.Answers`."""
    return [result.as_numpy(name) for name in OUTPUTS]

"""A model file that answers in this process and in whichever it is pickled to."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from contract.model_file import PROBABILITIES
from contract.tensors import Tensors

if TYPE_CHECKING:
    from training.retrain.scoring import Model

BATCH_ROWS = 8_192
"""Bounds the memory that an answer takes."""


class PortableModel:
    """The bytes of `model.onnx`, opened when first asked, and pickled without what onnxruntime made of them.

    Raises:
        CorruptArtifact: when first asked, where the bytes carry no schema.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __reduce__(self) -> tuple[type[PortableModel], tuple[bytes]]:
        return PortableModel, (self.content,)

    @cached_property
    def opened(self) -> Model:
        """Its session and schema."""
        quiet_onnxruntime()
        from training.retrain.scoring import open_model  # noqa: PLC0415 # imports onnxruntime

        return open_model(self.content)

    def probabilities(self, tensors: Tensors) -> np.ndarray:
        """Float32 `(n_samples, n_classes)`, for at least one row. It is the same whatever rows are beside it."""
        starts = range(0, tensors.n_samples, BATCH_ROWS)
        return np.concatenate([self._answer(tensors.between(start, start + BATCH_ROWS)) for start in starts])

    def _answer(self, tensors: Tensors) -> np.ndarray:
        # For a single row onnxruntime may take another kernel, which rounds otherwise; two copies take the usual one.
        rows = tensors if tensors.n_samples > 1 else tensors.take(np.array([0, 0]))
        (probabilities,) = self.opened.session.run([PROBABILITIES], rows.feed())
        return np.asarray(probabilities[: tensors.n_samples])


def quiet_onnxruntime() -> None:
    """Call before it is first imported: else it writes an id below the home folder and reports its use to its maker."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

"""Does the exported graph compute what torch computes? A model that fails is never published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime as ort

from contract.card import Parity, Probe
from contract.errors import ParityError
from contract.model_file import CLASS_INDEX, LOGITS, OUTPUTS, PROBABILITIES
from contract.schema import Schema
from contract.tensors import Tensors
from training.calibration import softmax
from training.rows_at_once import rows_at_once

TOLERANCE = 1e-5
"""Largest allowed difference of a logit, times max(1, the row's largest |logit|). Two engines sum the same float32
products in another order: a few units of 6e-8 for each of some hundred terms."""
MAX_ROWS = 2_000
N_PROBES = 3

Answers = dict[str, np.ndarray]


def open_session(model: bytes) -> ort.InferenceSession:
    """A single-threaded onnxruntime session on a model's bytes."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_session(session: ort.InferenceSession, tensors: Tensors) -> Answers:
    """The outputs by name."""
    n_rows = rows_at_once(tensors.x_num.shape[1] + tensors.x_cat.shape[1])
    starts = range(0, max(tensors.n_samples, 1), n_rows)
    chunks = [session.run(list(OUTPUTS), _take(tensors, slice(at, at + n_rows)).feed()) for at in starts]
    return {name: np.concatenate(parts) for name, parts in zip(OUTPUTS, zip(*chunks, strict=True), strict=True)}


def check_parity(
    session: ort.InferenceSession, torch_logits: Callable[[Tensors], np.ndarray], schema: Schema, rows: Tensors
) -> Parity:
    """How far the graph is from torch: on real rows, one by one and together, and on odd ones.

    Raises:
        ParityError: a logit differs by more than `TOLERANCE` × max(1, the row's largest |logit|), or an answer breaks
            the model file's invariants.
    """
    real = _take(rows, slice(0, MAX_ROWS))
    odd = odd_rows(schema)
    singles = [_take(real, slice(index, index + 1)) for index in range(min(10, real.n_samples))]
    errors = [_largest_error(run_session(session, part), torch_logits(part)) for part in (real, odd, *singles)]
    parity = Parity(n_samples=real.n_samples + odd.n_samples, max_error=max(errors), tolerance=TOLERANCE)
    if not parity.max_error <= TOLERANCE:
        raise ParityError(f"torch and onnxruntime must agree within {TOLERANCE}, got {parity.max_error:.3g}")
    return parity


def odd_rows(schema: Schema) -> Tensors:
    """Rows that training data seldom has: everything missing, nothing seen, all at and far beyond the ranges."""
    minimum = np.array([feature.minimum for feature in schema.numeric], np.float32)
    maximum = np.array([feature.maximum for feature in schema.numeric], np.float32)
    width = np.maximum(maximum - minimum, 1)
    levels = [minimum, maximum, minimum - 100 * width, maximum + 100 * width, np.zeros_like(minimum), minimum * np.nan]
    texts: list[list[str]] = [
        [feature.categories[0] if feature.categories else "" for feature in schema.categorical],
        [feature.categories[-1] if feature.categories else "" for feature in schema.categorical],
        ["\N{SNOWMAN} never seen" for _ in schema.categorical],
        ["" for _ in schema.categorical],
    ]
    n_rows = len(levels) * len(texts)
    x_num = np.array([level for level in levels for _ in texts], np.float32).reshape(n_rows, len(schema.numeric))
    x_cat = np.array([text for _ in levels for text in texts], dtype=object).reshape(n_rows, len(schema.categorical))
    return Tensors(x_num, x_cat, {})


def make_probe(torch_logits: Callable[[Tensors], np.ndarray], rows: Tensors) -> Probe:
    """The first few rows with torch's logits."""
    tensors = _take(rows, slice(0, N_PROBES))
    return Probe(
        x_num=tuple(tuple(None if np.isnan(cell) else float(cell) for cell in row) for row in tensors.x_num),
        x_cat=tuple(map(tuple, tensors.x_cat)),
        logits=tuple(map(tuple, torch_logits(tensors).astype(np.float64).tolist())),
    )


def _take(tensors: Tensors, rows: slice) -> Tensors:
    return Tensors(tensors.x_num[rows], tensors.x_cat[rows], {})


def _largest_error(answers: Answers, expected: np.ndarray) -> float:
    """The largest difference, in units of max(1, the row's largest |logit|)."""
    logits = answers[LOGITS]
    if not np.allclose(answers[PROBABILITIES], softmax(logits), atol=1e-6):
        raise ParityError("the probabilities must be the softmax of the logits")
    if not np.array_equal(answers[CLASS_INDEX], logits.argmax(axis=1)):
        raise ParityError("the class index must be the argmax of the logits")
    scale = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
    return float((np.abs(logits - expected) / scale).max())

"""How sure a model was of the truth, row by row, on the held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from contract.model_file import CLASS_INDEX, PROBABILITIES
from contract.schema import Schema
from training.dataset import frame_tensors
from training.parity import open_session, run_session
from training.parts import HeldOut

BATCH_ROWS = 8_192
"""Bounds the memory that categories take: one float32 for each row and each category of a model."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it serves: its session, and the schema that it carries."""

    session: ort.InferenceSession
    schema: Schema


@dataclass(frozen=True, slots=True)
class Scores:
    """For each held-out row `p_true` float64, the probability that a model gave to the true class, and `correct` bool,
    whether that was the class it answered; both `(n_rows,)`.
    """

    p_true: np.ndarray
    correct: np.ndarray


def open_model(content: bytes) -> Model:
    """The model in a model file.

    Raises:
        CorruptArtifact: it carries no schema.
    """
    session = open_session(content)
    return Model(session, Schema.from_metadata(session.get_modelmeta().custom_metadata_map))


def score(model: Model, held_out: HeldOut, target: str) -> Scores:
    """The model's scores on the held-out rows. A label that it does not know has probability 0.

    Raises:
        InvalidData: the rows lack a feature of the model, or a column can be no text.
        InvalidRows: a cell of a numeric feature is no number.
    """
    y = held_out.indices(model.schema.labels, target)
    p_true, correct = np.zeros(len(y)), np.zeros(len(y), dtype=bool)
    for start in range(0, len(y), BATCH_ROWS):
        batch = slice(start, start + BATCH_ROWS)
        answers = run_session(model.session, frame_tensors(model.schema, held_out.frame[batch], first_row=start))
        known = y[batch] >= 0
        p = np.take_along_axis(answers[PROBABILITIES], np.maximum(y[batch], 0)[:, np.newaxis], axis=1)[:, 0]
        p_true[batch] = np.where(known, np.nan_to_num(p), 0)
        correct[batch] = known & (answers[CLASS_INDEX] == y[batch])
    return Scores(p_true, correct)

"""Answers → the bytes of a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from contract.schema import Label
from service.predictor import Answers, Predictor


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one row. `unseen` names features whose value the model never met in training; absent if none."""

    label: Label
    class_index: int
    probabilities: list[float]
    logits: list[float]
    unseen: list[str] | msgspec.UnsetType = msgspec.UNSET


class Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """Answers in the order of the rows, and the model and version that gave them."""

    model: str
    version: int
    predictions: list[Prediction]


def encode_answers(predictor: Predictor, answers: Answers, unseen: Mapping[int, list[str]]) -> bytes:
    """The JSON of a `Predictions`, float32 with the fewest digits that tell it apart; `unseen` by row."""
    labels = predictor.schema.labels
    predictions: list[dict[str, Any]] = [
        {"label": labels[class_index], "class_index": class_index, "probabilities": probabilities, "logits": logits}
        for class_index, probabilities, logits in zip(
            answers.class_index.tolist(), answers.probabilities, answers.logits, strict=True
        )
    ]
    for row, features in unseen.items():
        predictions[row]["unseen"] = features
    # Rows of float32 go in as they are: as Python floats, 0.1 would be written 0.10000000149011612.
    return orjson.dumps(
        {"model": predictor.name, "version": predictor.version, "predictions": predictions},
        option=orjson.OPT_SERIALIZE_NUMPY,
    )

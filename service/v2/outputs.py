"""Answers → named arrays: the model file's outputs, or the best classes of one of them as texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import orjson

from contract.faults import shorten
from contract.model_file import CLASS_INDEX, OUTPUTS
from contract.schema import label_text
from service.errors import InvalidBody
from service.formats.scored import Scored
from service.v2.datatypes import BYTES, FP32, INT64


class Requested(msgspec.Struct, frozen=True):
    """An output that is wanted: itself, or its `n_classes` highest values as texts `value:index:label`, if not 0."""

    name: str
    n_classes: int
    is_binary: bool

    @property
    def datatype(self) -> str:
        """Of its array: BYTES are str as objects."""
        return BYTES if self.n_classes else INT64 if self.name == CLASS_INDEX else FP32


class WantedOutputs(msgspec.Struct, frozen=True):
    """All outputs that are wanted, in order. `kind` is the same for all that are written alike but for their values.
    `has_classes` tells that some are texts of classes, `are_numbers` that all are numbers in JSON.
    """

    outputs: tuple[Requested, ...]
    kind: tuple[tuple[str, bool, bool], ...]
    has_classes: bool
    are_numbers: bool


@lru_cache(maxsize=2)
def _all(is_binary: bool) -> WantedOutputs:  # noqa: FBT001 # a key
    return _wanted([Requested(name, 0, is_binary) for name in OUTPUTS])


def find_outputs(asked: Sequence[Requested], *, is_binary: bool) -> WantedOutputs:
    """What is wanted; all outputs where none is named.

    Raises:
        InvalidBody: a name is no output, or named twice; or its values are no scores of classes.
    """
    if not asked:
        return _all(is_binary)
    names = [one.name for one in asked]
    if unknown := [name for name in names if name not in OUTPUTS]:
        raise InvalidBody(f"outputs must be among {', '.join(OUTPUTS)}; got {shorten(unknown[0])!r}")
    if len(names) > len(set(names)):
        raise InvalidBody("outputs must each be asked for once, got one twice")
    if any(one.n_classes and one.name == CLASS_INDEX for one in asked):
        raise InvalidBody(f"classification needs an output with a score for each class, got {CLASS_INDEX}")
    return _wanted(asked)


def _wanted(asked: Sequence[Requested]) -> WantedOutputs:
    kind = tuple([(one.name, one.n_classes > 0, one.is_binary) for one in asked])
    has_classes, has_bytes = any(one.n_classes > 0 for one in asked), any(one.is_binary for one in asked)
    return WantedOutputs(tuple(asked), kind, has_classes, are_numbers=not has_classes and not has_bytes)


def make_outputs(scored: Scored, wanted: WantedOutputs) -> list[np.ndarray]:
    """The arrays of the outputs, in the order in which they are wanted."""
    answers = scored.answers
    arrays = [getattr(answers, one.name) for one in wanted.outputs]
    if wanted.has_classes:
        labels = [label_text(label) for label in scored.predictor.schema.labels]
        for position, one in enumerate(wanted.outputs):
            if one.n_classes:
                arrays[position] = _classify(arrays[position], labels, one.n_classes)
    return arrays


def _classify(scores: np.ndarray, labels: Sequence[str], n_classes: int) -> np.ndarray:
    """The highest scores of each row, highest first, as `value:index:label`: str `(n_rows, n_classes)` as objects."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n_classes]
    values = np.take_along_axis(scores, best, axis=1)
    texts = orjson.dumps(np.ascontiguousarray(values).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode()
    cells = [
        f"{value}:{index}:{labels[index]}" for value, index in zip(texts.split(","), best.ravel().tolist(), strict=True)
    ]
    return np.array(cells, dtype=object).reshape(best.shape)

"""The truth to compare with: what our own route answers to the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx
import numpy as np

Cell = float | int | str | bool | None

FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.5, 1.3]]
BIRDS: list[list[Cell]] = [
    [1.5, 2.0, "Växjö", 1, True],
    [9.5, None, "東京", 30, False],
    [4.5, 0.0, None, 2, True],
    [0.5, 3.0, "Малмё", 1, False],
    [7.25, 1.0, "Atlantis", 2, True],
]
"""Rows of wing, tail, place, ring and tame: numbers, a text, an integer for a category, and a boolean for one. A number
and a text are missing, and a text is none that the model knows.
"""
BIRD_FEATURES = ("wing", "tail", "place", "ring", "tame")


class Answers(NamedTuple):
    """Of n rows: float32 `(n, n_classes)` twice, int64 `(n,)`, and the labels as text."""

    logits: np.ndarray
    probabilities: np.ndarray
    class_index: np.ndarray
    labels: list[str]
    version: int

    def check(self, logits: np.ndarray, probabilities: np.ndarray, class_index: np.ndarray) -> None:
        """These are the same, to the last bit and in shape and datatype."""
        for theirs, ours in zip((logits, probabilities, class_index), self[:3], strict=True):
            assert same(theirs, ours), f"{theirs!r} instead of {ours!r}"

    def best(self, scores: np.ndarray, n_classes: int, labels: Sequence[str]) -> list[list[str]]:
        """For each row its highest scores as `index:label`, highest first."""
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_classes]
        return [[f"{index}:{labels[index]}" for index in row] for row in order]


class Native(NamedTuple):
    """Asks `POST /models/{name}/predict`."""

    client: httpx.Client

    def answers(self, model: str, rows: Sequence[Sequence[Cell]], version: int | None = None) -> Answers:
        """What a model answers to rows, in the order of its features."""
        path = f"/models/{model}/predict" if version is None else f"/models/{model}/versions/{version}/predict"
        answer = self.client.post(path, json={"instances": rows}).raise_for_status().json()
        predictions: list[dict[str, Any]] = answer["predictions"]
        return Answers(
            np.array([one["logits"] for one in predictions], np.float32),
            np.array([one["probabilities"] for one in predictions], np.float32),
            np.array([one["class_index"] for one in predictions], np.int64),
            [one["label"] for one in predictions],
            answer["version"],
        )

    def labels(self, model: str) -> list[str]:
        """The class labels of a model, in the order of its logits."""
        return list(self.client.get(f"/models/{model}").raise_for_status().json()["classes"])


def same(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether two arrays are of one datatype, one shape, and the same bits."""
    return theirs.dtype == ours.dtype and theirs.shape == ours.shape and theirs.tobytes() == ours.tobytes()


def x_num(birds: Sequence[Sequence[Cell]]) -> np.ndarray:
    """Wing and tail, float32 `(n, 2)`, NaN where missing."""
    return np.array([row[:2] for row in birds], np.float32)


def x_cat(birds: Sequence[Sequence[Cell]]) -> np.ndarray:
    """Place, ring and tame as texts, objects `(n, 3)`, empty where missing."""
    cells = [
        ["" if cell is None else str(cell).lower() if type(cell) is bool else str(cell) for cell in row[2:]]
        for row in birds
    ]
    return np.array(cells, object)

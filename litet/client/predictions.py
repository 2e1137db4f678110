"""What a client gets for its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contract.schema import Label


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The answers to `n_samples` rows, in their order, and the version that gave them.

    `class_index` is int64 `(n_samples,)`; `probabilities` and `logits` are float32 `(n_samples, n_classes)`, with a
    column for each of `classes`. `unseen` names, for each row that has any, the categorical features whose text
    training never met.
    """

    model: str
    version: int
    classes: tuple[Label, ...]
    class_index: np.ndarray
    probabilities: np.ndarray
    logits: np.ndarray
    unseen: Mapping[int, list[str]]

    def __len__(self) -> int:
        return len(self.class_index)

    @property
    def labels(self) -> list[Label]:
        """The likeliest class of each row, of the type that it has in the training table: text, integer or boolean."""
        return [self.classes[index] for index in self.class_index.tolist()]

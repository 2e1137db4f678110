"""Which label to decide for, where some mistakes cost more than others.

A rule is a matrix of costs; what it decides for is the label with the least expected cost (Elkan, 2001). It travels
inside the model file, as one entry of the graph's `metadata_props`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from contract.errors import CorruptArtifact

METADATA_KEY = "litet.decision"
MAX_CLASSES = 100
"""A row takes so many times as many products as it has classes."""


class DecisionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`costs[true][decided]`, both in the order of the labels: what it costs to decide for a label where another, or
    the same, is true. Finite, none below 0.

    Raises:
        ValueError: the costs are something else, or of more than `MAX_CLASSES` classes.
    """

    costs: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        n_classes = len(self.costs)
        if not 2 <= n_classes <= MAX_CLASSES or {len(row) for row in self.costs} != {n_classes}:
            raise ValueError(f"costs must be a square of 2 to {MAX_CLASSES} classes, got {n_classes} rows")
        for cost in (cost for row in self.costs for cost in row):
            if not 0 <= cost < math.inf:
                raise ValueError(f"costs must be finite and 0 or more, got {cost!r}")

    @classmethod
    def of_threshold(cls, threshold: float) -> DecisionRule:
        """Decide for the second of two labels where its probability is above `threshold`, from 0 to 1."""
        return cls(((0.0, threshold), (1 - threshold, 0.0)))

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The class index that each row is decided for: int64 `(n_samples,)`; of equal ones the first.

        `probabilities` is float32 `(n_samples, n_classes)`.
        """
        # Class by class: a matrix product would round a row one way by itself and another way among others.
        expected = np.zeros(probabilities.shape)
        for p, costs in zip(probabilities.T, np.array(self.costs), strict=True):
            expected += p.astype(np.float64)[:, np.newaxis] * costs
        return np.asarray(expected.argmin(axis=1))

    def to_metadata(self) -> dict[str, str]:
        """The `metadata_props` entry that carries this rule."""
        return {METADATA_KEY: msgspec.json.encode(self).decode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], n_classes: int) -> DecisionRule | None:
        """The rule that a graph carries; None where it carries none.

        Raises:
            CorruptArtifact: the entry is no rule for so many classes.
        """
        if METADATA_KEY not in metadata:
            return None
        try:
            rule = msgspec.json.decode(metadata[METADATA_KEY], type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise CorruptArtifact(f"the decision rule of a model file must be readable: {error}") from error
        if len(rule.costs) != n_classes:
            raise CorruptArtifact(f"a decision rule must be for {n_classes} classes, got {len(rule.costs)}")
        return rule

"""Conformal prediction sets: for each row labels that hold the true one, with a probability that is asked for.

Split conformal prediction (Vovk, Gammerman and Shafer, 2005) with the score of Sadinle, Lei and Wasserman, 2019: one
less p, the probability of the true label, on rows that had no part in making the model. It is told here by p itself:
to be at most so strange is to be at least so probable, but p is the float32 that the model file gives, and no rounding
of a difference decides.

The rows' numbers travel inside the model file, as one entry of the graph's `metadata_props`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Self

import msgspec
import numpy as np
from msgspec import Meta

from contract.errors import CorruptArtifact

METADATA_KEY = "litet.conformal"
MAX_ROWS = 1_000
"""More buy little: from one choice of calibration rows to another, coverage at 0.9 varies by 0.3 / √rows, here 0.01."""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entry. `p_true` has a list for each class."""

    p_true: tuple[tuple[Annotated[float, Meta(ge=0, le=1)], ...], ...]


class Conformal:
    """What a model gave to the true labels of its calibration rows, and the sets that follow from it.

    Args:
        p_true: For each class, in the order of the labels, the probabilities of that class for its rows: float32, from
            0 to 1, in any order. A class may have no rows, all together have one at least.
    """

    def __init__(self, p_true: Sequence[np.ndarray]) -> None:
        self._by_class = [np.sort(p) for p in p_true]
        self._all = np.sort(np.concatenate(self._by_class))

    @classmethod
    def calibrate(cls, probabilities: np.ndarray, y: np.ndarray) -> Self:
        """By the answers to rows: probabilities float32 `(n_samples, n_classes)`, true class indices `y` int64.

        A row whose number is not finite counts as the strangest that can be.
        """
        p_true = np.clip(np.nan_to_num(probabilities[np.arange(len(y)), y]), 0, 1)
        return cls([p_true[y == index] for index in range(probabilities.shape[1])])

    @property
    def n_samples(self) -> int:
        """How many calibration rows there are."""
        return len(self._all)

    def sets(self, probabilities: np.ndarray, level: float, *, per_class: bool) -> np.ndarray:
        """Which labels are in each row's set: bool `(n_samples, n_classes)`. A set may be empty.

        The true label is in it with a probability of `level`, above 0 and below 1, or more: over all rows, or, with
        `per_class`, over the rows of each class by itself (Vovk, Lindsay, Nouretdinov and Gammerman, 2003). That holds
        for rows drawn as the calibration rows were, whatever the model is worth.

        `probabilities` is float32 `(n_samples, n_classes)`.
        """
        calibration = self._by_class if per_class else [self._all]
        least = np.array([_threshold(p_true, level) for p_true in calibration], np.float32)
        return np.asarray(probabilities >= least)

    def to_metadata(self) -> dict[str, str]:
        """The `metadata_props` entry that carries the numbers."""
        # As text a float32 has the fewest digits that tell it apart; as a Python float, 0.1 would be 0.10000000149.
        p_true = tuple(tuple(float(str(p)) for p in of_class) for of_class in self._by_class)
        return {METADATA_KEY: msgspec.json.encode(_Document(p_true)).decode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], n_classes: int) -> Self | None:
        """What a graph carries; None where it carries no such entry.

        Raises:
            CorruptArtifact: the entry is no list of probabilities for each class, or holds none, or too many.
        """
        if METADATA_KEY not in metadata:
            return None
        try:
            p_true = msgspec.json.decode(metadata[METADATA_KEY], type=_Document).p_true
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise CorruptArtifact(f"the calibration rows of a model file must be readable: {error}") from error
        n_rows = sum(map(len, p_true))
        if len(p_true) != n_classes or not 1 <= n_rows <= MAX_ROWS:
            raise CorruptArtifact(
                f"a model file must have from 1 to {MAX_ROWS} calibration rows of {n_classes} classes, "
                f"got {n_rows} of {len(p_true)}"
            )
        return cls([np.array(of_class, np.float32) for of_class in p_true])


def _threshold(p_true: np.ndarray, level: float) -> float:
    """The least probability with which a label is in a set, by the ascending numbers of calibration rows.

    Of n rows' scores the ⌈(n + 1) · level⌉-th smallest is the largest that a label in the set has. Where there are not
    so many rows, every label is in the set.
    """
    # In fractions, of the level as it is written: in floats, 100 · 0.07 is more than 7.
    rank = math.ceil((len(p_true) + 1) * Fraction(repr(level)))
    return float(p_true[-rank]) if rank <= len(p_true) else 0.0

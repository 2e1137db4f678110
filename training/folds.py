"""Which rows each member of an ensemble leaves out, to be judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.loop import Samples
from training.losses import IGNORED

MOST_ROWS = 4_096
"""That all members together leave out: enough to tell when to stop, and the more there are, the fewer are left to learn
from and the longer an epoch takes."""


@dataclass(frozen=True, slots=True)
class Folds:
    """`rows` int64 `(n_members, n_held)`: the rows that each member leaves out."""

    rows: np.ndarray

    def train_samples(self, x: torch.Tensor, y: torch.Tensor) -> Samples:
        """All rows, with a target for each member: float32 `(n_samples, d_in)`, int64 `(n_samples, n_members)`."""
        targets = y.unsqueeze(1).repeat(1, len(self.rows))
        for member, held in enumerate(self.rows):
            targets[torch.from_numpy(held), member] = IGNORED
        return Samples(x, targets)

    def valid_samples(self, x: torch.Tensor, y: torch.Tensor) -> Samples:
        """Each member's own: float32 `(n_members, n_held, d_in)`, int64 `(n_held, n_members)`."""
        rows = torch.from_numpy(self.rows)
        return Samples(x[rows], y[rows].t().contiguous())


def make_folds(y: np.ndarray, n_members: int, fraction: float, seed: int) -> Folds:
    """Folds of that share of the rows, one for each member, each with the classes in about the same proportions; of
    `MOST_ROWS` in all where that is less.

    They are windows on one order in which every class is spread evenly, with their beginnings evenly apart: with
    1 ÷ n_members every row is in exactly one. y is int64 `(n_samples,)`.
    """
    n_rows = len(y)
    n_held = min(max(min(round(n_rows * fraction), MOST_ROWS // n_members), 1), n_rows - 1)
    rng = np.random.default_rng(seed)
    places = np.empty(n_rows)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        places[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    order = np.argsort(places, kind="stable")
    starts = [round(member * n_rows / n_members) for member in range(n_members)]
    return Folds(np.stack([order[(start + np.arange(n_held)) % n_rows] for start in starts]))

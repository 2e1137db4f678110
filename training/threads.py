"""How many threads a run uses: one, unless its layers are large enough for more to pay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch

from training.config import TrainingConfig

MANY_MULTIPLICATIONS = 1_000_000
"""Multiplications in one layer of one step above which a second thread pays; below it, threads wait for each other.
Measured: 256 rows × 54 × 128 gain a sixth from two threads, 120 × 4 × 10 lose a twentieth."""


@contextmanager
def threads_for(config: TrainingConfig, d_in: int, n_rows: int) -> Iterator[None]:
    """Within, torch uses one thread, or as many as before where the layers are large."""
    widths = (d_in, *config.hidden_sizes, 1)
    largest = max(wide * narrow for wide, narrow in pairwise(widths))
    before = torch.get_num_threads()
    if min(config.batch_size or n_rows, n_rows) * largest < MANY_MULTIPLICATIONS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

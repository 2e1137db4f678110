"""How many threads a run uses: one, unless its layers are large enough for more to pay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch

from contract.config import TrainingConfig

MANY_MULTIPLICATIONS = 20_000_000
"""Multiplications in one layer of one step above which more threads pay. Measured on two cores: 256 rows × 54 × 128, a
tenth of this, gain a sixth from a second thread while the machine is idle, and take five times as long when it is not,
since the threads of a step wait for each other at every layer."""


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

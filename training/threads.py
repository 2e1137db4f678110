"""How many threads a run uses: one, unless its layers are large enough for more to pay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch

from contract.config import TrainingConfig
from training.schedule import rows_per_batch

MANY_MULTIPLICATIONS = 10_000_000
"""Multiplications in one layer of one step above which more threads pay. Measured on two cores: 256 rows × 54 × 128, a
fifth of this, gain a sixth from a second thread while the machine is idle, and take five times as long when it is not,
since the threads of a step wait for each other at every layer. An ensemble of 8 × 96 × 96, twice this, takes half as
long with two."""


@contextmanager
def threads_for(config: TrainingConfig, d_in: int, n_rows: int) -> Iterator[None]:
    """Within, torch uses one thread, or as many as before where the layers are large."""
    widths = (d_in, *config.hidden_sizes, 1)
    largest = max(wide * narrow for wide, narrow in pairwise(widths))
    before = torch.get_num_threads()
    if min(rows_per_batch(config, n_rows) or n_rows, n_rows) * largest * config.n_members < MANY_MULTIPLICATIONS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""The rows of the sample and the rest, read anew for each pass and shuffled in a buffer: what the loop trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np
import torch
from torch import Tensor

from training.ahead import read_ahead
from training.loop import Samples
from training.preprocessing import Preprocessing
from training.streamed.rest import Rest

EPOCH_ROWS = 1 << 20
"""Of a longer table, an epoch is so many rows: the valid loss is known, and the step size follows it, every few
seconds, and how long training takes does not grow with the table."""
PORTION_ROWS = 1 << 16
"""Handed to the loop at a time: how often progress shows."""
BUFFERS = 3
"""In memory at once: one is trained on, the next is filled, and one may not have been given back yet."""
BUFFER_ROWS = 1 << 18
"""Of a buffer at most: more are mixed no better, and the memory for them is better left to others."""
SLICES_PER_BUFFER = 64
"""A buffer is filled from so many places of the table, so that it has rows of all kinds even where the table is
sorted; more would decode the same pages of the file more often."""
MIN_SLICE_ROWS = 1 << 12

OnProgress = Callable[[float], None]
Block = tuple[Tensor, Tensor]
"""x float32 `(n, d_in)`, and y int64 `(n,)`, for an ensemble `(n, n_members)`."""


class StreamedRows:
    """`training.loop.TrainRows` of a sample in memory and the rest in a file; made by `stream_rows`."""

    def __init__(
        self, sample: Samples, rest: Rest, fills: Iterator[Block], fill_rows: Sequence[int], on_progress: OnProgress
    ) -> None:
        self._sample = sample
        self._rest = rest
        self._fills = fills
        self._fill_rows = fill_rows
        self._on_progress = on_progress
        self.portion_rows = tuple(n_rows for n_fill in fill_rows for n_rows in split_evenly(n_fill, PORTION_ROWS))

    def class_counts(self, n_classes: int) -> Tensor:
        """How many targets there are of each class, int64 `(n_classes,)`: a row of the rest is one for each member."""
        counts = self._sample.class_counts(n_classes)
        return counts + torch.from_numpy(self._rest.class_counts).to(counts.device) * self._sample.y[0].numel()

    def portions(self) -> Iterator[Samples]:
        """The rows of the next epoch."""
        n_done, n_rows = 0, sum(self.portion_rows)
        device = self._sample.x.device
        for n_fill in self._fill_rows:
            self._on_progress(n_done / n_rows)
            x, y = next(self._fills)
            sizes = split_evenly(n_fill, PORTION_ROWS)
            for part_x, part_y in zip(x.split(sizes), y.split(sizes), strict=True):
                yield Samples(part_x.to(device), part_y.to(device))
                n_done += len(part_y)
                self._on_progress(n_done / n_rows)


@contextmanager
def stream_rows(
    sample: Samples, rest: Rest, preprocessing: Preprocessing, seed: int, on_progress: OnProgress
) -> Iterator[StreamedRows]:
    """The rows to train on; while the loop has some, the next are read and shuffled in another thread.

    `on_progress` is told how much of an epoch the loop has had, from 0 to 1.
    """
    n_epoch = min(len(sample.y) + rest.n_rows, EPOCH_ROWS)
    bytes_per_row = sample.x.element_size() * preprocessing.d_in + sample.y.element_size() * sample.y[0].numel()
    most_rows = max(min(BUFFER_ROWS, rest.buffer_bytes // (BUFFERS * bytes_per_row)), 1)
    fill_rows = split_evenly(n_epoch, most_rows)
    rng = np.random.default_rng(seed)
    slice_rows = rest.slice_rows(max(MIN_SLICE_ROWS, max(fill_rows) // SLICES_PER_BUFFER))
    with closing(read_ahead(_fill(_blocks(sample, rest, preprocessing, slice_rows, rng), fill_rows, rng))) as fills:
        yield StreamedRows(sample, rest, fills, fill_rows, on_progress)


def split_evenly(n_rows: int, most: int) -> list[int]:
    """The sizes of the fewest parts of at most so many rows; they differ by one row at most."""
    n_parts = -(-n_rows // most)
    return [n_rows * (part + 1) // n_parts - n_rows * part // n_parts for part in range(n_parts)]


def _fill(blocks: Iterator[Block], fill_rows: Sequence[int], rng: np.random.Generator) -> Iterator[Block]:
    """Blocks without end → buffers without end, each with the rows of the blocks in random order."""
    x, y = next(blocks)
    while True:
        for n_rows in fill_rows:
            places = torch.from_numpy(rng.permutation(n_rows))
            filled_x, filled_y = x.new_empty((n_rows, *x.shape[1:])), y.new_empty((n_rows, *y.shape[1:]))
            while len(places):
                if not len(y):
                    x, y = next(blocks)
                n_taken = min(len(places), len(y))
                filled_x.index_copy_(0, places[:n_taken], x[:n_taken])
                filled_y.index_copy_(0, places[:n_taken], y[:n_taken])
                places, x, y = places[n_taken:], x[n_taken:], y[n_taken:]
            yield filled_x, filled_y


def _blocks(
    sample: Samples, rest: Rest, preprocessing: Preprocessing, slice_rows: int, rng: np.random.Generator
) -> Iterator[Block]:
    """All rows, and all again, without end: the slices of the table, and as large parts of the sample, in a new order
    for each pass.
    """
    starts = rest.starts(slice_rows)
    while True:
        of_sample = torch.from_numpy(rng.permutation(len(sample.y))).split(slice_rows)
        for number in rng.permutation(len(starts) + len(of_sample)):
            if number >= len(starts):
                x, y = sample.take(of_sample[number - len(starts)])
                yield x.cpu(), y.cpu()
            else:
                x, y = rest.read(int(starts[number]), slice_rows, preprocessing)
                yield x, y if sample.y.ndim == 1 else y.unsqueeze(1).expand(-1, sample.y.shape[1])

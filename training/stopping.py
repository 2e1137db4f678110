"""When to stop: the loss no longer gets better, nothing pulls on the weights any more, or training blew up."""

from __future__ import annotations

import math

from contract.card import EpochRecord, StopReason

FLAT_GRADIENT = 1e-5
"""A gradient norm at which the weights stand still: at a minimum or a saddle, which a gradient cannot tell apart."""
DIVERGED_FACTOR = 10.0
"""A train loss so many times that of the untrained network is past a bad start."""
DIVERGED_EPOCHS = 3
"""For so many epochs in a row, so that one spike that heals does not end a run."""


def is_finite(record: EpochRecord) -> bool:
    """Whether all that was measured in an epoch is a number that a card can hold."""
    return math.isfinite(record.train_loss + record.valid_loss + record.gradient_norm + record.update_ratio)


class StopRule:
    """Judges one epoch after the other; remembers the best.

    `best_epoch` is the one with the lowest valid loss so far, `best_loss`, or the latest whose loss is less than
    `tolerance` above it; 0 before the first.
    """

    def __init__(
        self,
        *,
        patience: int | None,
        initial_loss: float,
        guess_loss: float,
        full_batch: bool = True,
        tolerance: float = 0.0,
    ) -> None:
        self._patience = patience
        self._tolerance = tolerance
        self._lowest_epoch = 0
        self._limit = DIVERGED_FACTOR * initial_loss
        self._n_above = 0
        self._full_batch = full_batch
        self._guess_loss = min(initial_loss, guess_loss)
        self.best_epoch = 0
        self.best_loss = math.inf

    @property
    def has_learnt(self) -> bool:
        """Whether some epoch beat no training, and always answering the classes' shares, on the valid rows."""
        return self.best_loss < self._guess_loss

    @property
    def has_diverged(self) -> bool:
        """Whether even the best epoch is far worse on the valid rows than no training."""
        return self.best_loss > self._limit

    def judge(self, record: EpochRecord) -> StopReason | None:
        """Why to stop after this epoch; None to go on."""
        if record.valid_loss < self.best_loss:
            self.best_epoch = self._lowest_epoch = record.epoch
            self.best_loss = record.valid_loss
        elif record.valid_loss < self.best_loss + self._tolerance:
            self.best_epoch = record.epoch
        self._n_above = self._n_above + 1 if record.train_loss > self._limit else 0
        if not is_finite(record) or self._n_above >= DIVERGED_EPOCHS:
            return "diverged"
        # The gradient of a small last batch may vanish long before that of all rows does.
        if self._full_batch and record.gradient_norm < FLAT_GRADIENT:
            return "converged"
        if self._patience is not None and record.epoch - self._lowest_epoch >= self._patience:
            return "plateau"
        return None

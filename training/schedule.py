"""How long to train, and how hard to hold the weights back: by how much of the labels is still unexplained.

The step size warms up, then falls to zero along a cosine. Where the valid loss is a large share of the classes'
entropy, much is noise: the cosine is short and the weights are shrunk with force, or the network would learn the noise.
Where little is left, there is much to gain from going on. Where rows are few, the weights are shrunk with more force,
too. One rule for all tables instead of a search on each; what it gains over fixed values is in docs/experiments.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from contract.config import TrainingConfig

FEWEST_EPOCHS = 10
MORE_EPOCHS = 30
"""A table that nothing explains gets 10 epochs, one that everything explains 30 more."""
FEWEST_STEPS = 1_000
"""Small tables get more epochs, so that there are so many steps."""
WARM_UP_STEPS = 20
FEWEST_BATCH_ROWS, MOST_BATCH_ROWS = 32, 256
BATCHES_PER_EPOCH = 32
"""Of a table too small for batches of 256."""
LATER = 0.002
"""Of the classes' entropy: by so much may the valid loss rise above its least, and a later epoch is still the better
one. Its steps are smaller, and the mean of the members gains on while each of them, which is what the valid loss is of,
no longer does."""
LATER_ROWS, MOST_LATER = 5_000, 4.0
"""Where there are more rows, it may rise by more in proportion, up to so many times: the more there are, the less of
what is learnt late is learnt by heart."""
MANY_ROWS = 15_000
"""Where there are fewer, weight decay is larger in proportion."""
MOST_DECAY = 3.0
"""Times the config's."""
DECAY_POWER = 1.25
"""Of the unexplained share: twice as much left in the labels is well over twice the decay."""


class Adjustable(Protocol):
    """An optimizer whose step can be set."""

    def adjust(self, *, lr: float, weight_decay: float) -> None:
        """For the steps from now on."""


class Schedule:
    """Sets lr and weight decay before each step; with schedule `constant` it leaves them as they are.

    `n_rows` are those of an epoch, `entropy` that of the classes' shares.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        entropy: float,
        n_rows: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._entropy = config, entropy
        self._weight_decay = config.weight_decay * min(max(MANY_ROWS / n_rows, 1.0), MOST_DECAY)
        self._later = LATER * min(max(n_rows / LATER_ROWS, 1.0), MOST_LATER)
        self._clock, self._started = clock, clock()
        self._n_steps = 0
        self._progress = 0.0
        self.unexplained = 1.0

    @property
    def is_over(self) -> bool:
        """Whether the step size has come down to zero, or the time is used up."""
        return self._progress >= 1 - 1e-9

    @property
    def tolerance(self) -> float:
        """How much above the least valid loss that of an epoch may be which is kept for being later."""
        return self._later * self._entropy if self._config.schedule == "adaptive" else 0.0

    def n_steps(self, steps_per_epoch: int) -> float:
        """How many steps there would be if what is unexplained stayed as it is."""
        n_epochs = FEWEST_EPOCHS + MORE_EPOCHS * (1 - self.unexplained) ** 2
        return min(max(n_epochs * steps_per_epoch, FEWEST_STEPS), self._config.max_epochs * steps_per_epoch)

    def before_step(self, optimizer: Adjustable, steps_per_epoch: int) -> None:
        """Set the optimizer and move on."""
        config = self._config
        if config.schedule == "adaptive":
            warm = min(1.0, (self._n_steps + 1) / WARM_UP_STEPS)
            optimizer.adjust(
                lr=config.lr * warm * (1 + math.cos(math.pi * self._progress)) / 2,
                weight_decay=self._weight_decay * self.unexplained**DECAY_POWER,
            )
            self._progress = min(1.0, self._progress + 1 / self.n_steps(steps_per_epoch))
        if config.time_budget_s is not None:
            self._progress = max(self._progress, min(1.0, (self._clock() - self._started) / config.time_budget_s))
        self._n_steps += 1

    def after_epoch(self, valid_loss: float) -> None:
        """Learn how well the labels are explained. A loss that is no number explains nothing."""
        self.unexplained = min(1.0, valid_loss / self._entropy) if self._entropy else 1.0


def rows_per_batch(config: TrainingConfig, n_rows: int) -> int | None:
    """The batch size, None for a full batch; 'auto' is 256, and less for small tables, by powers of two."""
    if config.batch_size != "auto":
        return config.batch_size
    power: int = 2 ** int(math.log2(max(n_rows / BATCHES_PER_EPOCH, 1)))
    return min(max(power, FEWEST_BATCH_ROWS), MOST_BATCH_ROWS)


def entropy_of(shares: Tensor) -> float:
    """That of the classes' shares, float32 `(n_classes,)`, in nats: the loss of always answering them."""
    present = shares[shares > 0]
    return float(-(present * present.log()).sum())

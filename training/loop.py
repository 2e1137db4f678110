"""The training loop, and what it must never do.

One step is five lines: clear gradients, forward, loss, backward, step. The rest of this module decides how often it is
taken; `stopping` decides when it is enough, `checks` catches what would go wrong in silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from contract.card import EpochRecord, StopReason
from contract.config import TrainingConfig
from contract.errors import TrainingDiverged
from training.checks import check_logits, check_samples, check_scalar
from training.muon import make_optimizer
from training.network import Evaluation
from training.schedule import Schedule, entropy_of, rows_per_batch
from training.stopping import StopRule, is_finite

Criterion = Callable[[Tensor, Tensor], Tensor]

TINY = 1e-30
"""Keeps the update ratio of a network of zeros finite."""


class Optimizer(Protocol):
    """What a step needs of an optimizer."""

    def zero_grad(self) -> None:
        """Clear every gradient."""

    def step(self) -> object:
        """Change the parameters by their gradients."""


class TrainRows(Protocol):
    """Rows to train on: in memory, or read anew for each epoch."""

    @property
    def portion_rows(self) -> Sequence[int]:
        """How many rows each portion of an epoch has; every epoch has the same."""
        ...

    def class_counts(self, n_classes: int) -> Tensor:
        """How many targets there are of each class, int64 `(n_classes,)`."""
        ...

    def portions(self) -> Iterator[Samples]:
        """The rows of the next epoch, a portion at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows in memory, on the network's device.

    `x` is float32 `(n_samples, d_in)`, `y` int64 class indices `(n_samples,)`. For an ensemble `y` is
    `(n_samples, n_members)`, and `x` may be rows of each member's own, `(n_members, n_samples, d_in)`.

    Raises:
        TypeError: another dtype.
        ValueError: another shape, or no rows.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        check_samples(self.x, self.y)

    @property
    def portion_rows(self) -> tuple[int]:
        """An epoch is one portion: all rows."""
        return (len(self.y),)

    def class_counts(self, n_classes: int) -> Tensor:
        """How many targets there are of each class, int64 `(n_classes,)`."""
        return torch.bincount(self.y[self.y >= 0], minlength=n_classes)

    def portions(self) -> Iterator[Samples]:
        """All rows at once."""
        yield self

    def take(self, rows: Tensor | None) -> tuple[Tensor, Tensor]:
        """The rows of these numbers; for None all of them, without a copy."""
        if rows is None:
            return self.x, self.y
        rows = rows.to(self.y.device)
        return self.x.index_select(0, rows), self.y.index_select(0, rows)


@dataclass(frozen=True, slots=True)
class Fitted:
    """How training went. The network holds the weights after `best_epoch`.

    `has_learnt` says whether some epoch's valid loss beat both the untrained network and always answering the classes'
    shares among the train rows.
    """

    history: tuple[EpochRecord, ...]
    stop_reason: StopReason
    best_epoch: int
    has_learnt: bool


def train_step(network: nn.Module, criterion: Criterion, optimizer: Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """One step down the gradient of the loss on one batch; answers that loss, a scalar."""
    optimizer.zero_grad()
    logits = network(x)
    loss = check_scalar(criterion(logits, y))
    loss.backward()
    optimizer.step()
    return loss.detach()


def accumulated_step(
    network: nn.Module, criterion: Criterion, optimizer: Optimizer, batches: Sequence[tuple[Tensor, Tensor]]
) -> Tensor:
    """The same step for several batches: their gradients add up to that of one batch of all their rows."""
    n_targets = sum(int((y >= 0).sum()) for _, y in batches)
    losses = []
    optimizer.zero_grad()
    for x, y in batches:
        logits = network(x)
        loss = check_scalar(criterion(logits, y)) * (int((y >= 0).sum()) / n_targets)
        loss.backward()
        losses.append(loss.detach())
    optimizer.step()
    return torch.stack(losses).sum()


def fit(
    network: nn.Module,
    criterion: Criterion,
    train: TrainRows,
    valid: Samples,
    config: TrainingConfig,
    on_epoch: Callable[[EpochRecord], None] = lambda _record: None,
) -> Fitted:
    """Train until the stop rule or `max_epochs` says so; with patience, put the best epoch's weights back.

    The network is left in evaluation mode. Shuffles come from the config's seed; dropout draws from torch's own.

    Raises:
        ValueError: the network ends in a softmax, or the criterion answers no scalar.
        TrainingDiverged: the loss grew without bound, and there is no better epoch to go back to: none had learnt
            anything, or there is no patience.
    """
    evaluation = Evaluation(network)
    untrained = evaluation.logits(valid.x)
    check_logits(untrained)
    initial_loss = check_scalar(criterion(untrained, valid.y)).item()
    counts = train.class_counts(untrained.shape[-1]).float()
    shares = counts / counts.sum()
    n_rows = sum(train.portion_rows)
    batch_size = rows_per_batch(config, n_rows)
    n_steps = sum(count_steps(n, batch_size, config.accumulation_steps) for n in train.portion_rows)
    flat, optimizer = make_optimizer(network, config)
    schedule = Schedule(config, entropy=entropy_of(shares), n_rows=n_rows)
    rule = StopRule(
        patience=config.patience,
        initial_loss=initial_loss,
        guess_loss=criterion(shares.log().expand(untrained.shape), valid.y).item(),
        tolerance=schedule.tolerance,
        full_batch=batch_size is None or batch_size >= n_rows,
    )
    shuffler = torch.Generator().manual_seed(config.seed)
    best = flat.snapshot()
    history: list[EpochRecord] = []
    stop_reason: StopReason | None = None
    network.train()
    while stop_reason is None and len(history) < config.max_epochs:
        losses: list[Tensor] = []
        for samples, batches in _steps(train, batch_size, config.accumulation_steps, shuffler):
            schedule.before_step(optimizer, n_steps)
            is_last = schedule.is_over or len(losses) == n_steps - 1
            before = flat.vector.clone() if is_last else flat.vector
            losses.append(_take_step(network, criterion, optimizer, samples, batches))
            if is_last:
                break
        record = EpochRecord(
            epoch=len(history) + 1,
            train_loss=fmean([loss.item() for loss in losses]),
            valid_loss=_loss(evaluation, criterion, valid),
            gradient_norm=vector_norm(flat.gradient).item(),
            update_ratio=torch.dist(flat.vector, before).item() / max(vector_norm(before).item(), TINY),
        )
        history.append(record)
        schedule.after_epoch(record.valid_loss)
        stop_reason = rule.judge(record) or (
            "annealed" if schedule.is_over and record.epoch < config.max_epochs else None
        )
        if config.patience is not None and rule.best_epoch == record.epoch:
            best = flat.snapshot()
        on_epoch(record)
    saved = config.patience is not None and rule.has_learnt
    if rule.has_diverged or (stop_reason == "diverged" and not saved):
        raise TrainingDiverged(_advice(config, initial_loss, history))
    if config.patience is not None:
        flat.restore(best)
        history = [record for record in history if is_finite(record)]
    network.eval()
    best_epoch = rule.best_epoch if config.patience is not None else len(history)
    return Fitted(tuple(history), stop_reason or "max_epochs", best_epoch, has_learnt=rule.has_learnt)


def plan_steps(
    n_rows: int, batch_size: int | None, accumulation_steps: int, shuffler: torch.Generator
) -> list[list[Tensor | None]]:
    """The row numbers of each batch of each step of one epoch: every row once, in a new order; None is a full batch.

    A last batch of one row joins the one before it, since batch norm cannot normalise a single row.
    """
    if batch_size is None or batch_size >= n_rows:
        return [[None]]
    order = torch.randperm(n_rows, generator=shuffler)
    batches = list(order.split(batch_size))
    if len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return [batches[start : start + accumulation_steps] for start in range(0, len(batches), accumulation_steps)]


def count_steps(n_rows: int, batch_size: int | None, accumulation_steps: int) -> int:
    """How many steps `plan_steps` makes of so many rows."""
    if batch_size is None or batch_size >= n_rows:
        return 1
    n_batches, n_left = divmod(n_rows - 1, batch_size)  # of n_left + 1 rows is the last one
    return math.ceil((n_batches + (n_left > 0)) / accumulation_steps)


def _steps(
    train: TrainRows, batch_size: int | None, accumulation_steps: int, shuffler: torch.Generator
) -> Iterator[tuple[Samples, list[Tensor | None]]]:
    """The steps of the next epoch: for each the rows in memory, and which of them its batches are."""
    for samples in train.portions():
        for batches in plan_steps(len(samples.y), batch_size, accumulation_steps, shuffler):
            yield samples, batches


def _take_step(
    network: nn.Module, criterion: Criterion, optimizer: Optimizer, train: Samples, batches: Sequence[Tensor | None]
) -> Tensor:
    if len(batches) == 1:
        return train_step(network, criterion, optimizer, *train.take(batches[0]))
    return accumulated_step(network, criterion, optimizer, [train.take(rows) for rows in batches])


def _loss(evaluation: Evaluation, criterion: Criterion, samples: Samples) -> float:
    return check_scalar(criterion(evaluation.logits(samples.x), samples.y)).item()


def _advice(config: TrainingConfig, initial_loss: float, history: Sequence[EpochRecord]) -> str:
    last = history[-1]
    return (
        f"the loss must fall, got {max(last.train_loss, last.valid_loss):.3g} in epoch {last.epoch} "
        f"and {initial_loss:.3g} untrained: "
        f"training diverged at lr {config.lr:g}; try --lr {config.lr / 10:g} or lower"
        + ("" if config.standardize else ", or --standardize")
    )

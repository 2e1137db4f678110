"""What a training run looks like while it goes on: a progress bar on a terminal, plain lines otherwise, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from contract.card import EpochRecord
from training.observer import Observer
from training.trace import StepTrace

SECONDS_BETWEEN_LINES = 2.0
FITTING = "fitting"


class PlainObserver(Observer):
    """A line for each stage, and while it is long one every two seconds; while fitting, one with the losses, too."""

    def __init__(self, *, trace: bool) -> None:
        self.wants_trace = trace
        self._next_line = 0.0
        self._next_share = 0.0
        self._stage = ""

    def stage(self, name: str) -> None:
        self._stage = name
        self._next_share = time.monotonic() + SECONDS_BETWEEN_LINES
        click.echo(f"{name} …", err=True)

    def progress(self, share: float) -> None:
        now = time.monotonic()
        if now >= self._next_share:
            self._next_share = now + SECONDS_BETWEEN_LINES
            click.echo(f"{self._stage}{' this epoch' if self._stage == FITTING else ''}: {share:.0%}", err=True)

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + SECONDS_BETWEEN_LINES
            click.echo(_losses(record, max_epochs), err=True)

    def first_step(self, trace: StepTrace) -> None:
        click.echo("\n".join(trace.lines()))


class BarObserver(PlainObserver):
    """A bar that follows the epochs."""

    def __init__(self, progress: Progress, *, trace: bool) -> None:
        super().__init__(trace=trace)
        self._progress = progress
        self._task = progress.add_task("reading", total=None, losses="")
        self._n_epochs = 0

    def stage(self, name: str) -> None:
        self._progress.update(self._task, description=name)

    def progress(self, share: float) -> None:
        if self._progress.tasks[self._task].total is None:
            self._progress.update(self._task, losses=f"{share:.0%}")
        else:
            self._progress.update(self._task, completed=self._n_epochs + share)

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:
        self._n_epochs = record.epoch
        self._progress.update(self._task, total=max_epochs, completed=record.epoch, losses=_losses(record, max_epochs))

    def first_step(self, trace: StepTrace) -> None:
        self._progress.console.out("\n".join(trace.lines()), highlight=False)


@contextmanager
def open_observer(*, trace: bool, quiet: bool) -> Iterator[Observer]:
    """The observer that fits where stderr goes; a silent one if `quiet`."""
    if quiet:
        yield Observer()
    elif not sys.stderr.isatty():
        yield PlainObserver(trace=trace)
    else:
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield BarObserver(progress, trace=trace)


def _losses(record: EpochRecord, max_epochs: int) -> str:
    return f"epoch {record.epoch}/{max_epochs}  train loss {record.train_loss:.4f}  valid loss {record.valid_loss:.4f}"

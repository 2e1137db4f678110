"""Watching a job: live on a terminal, in plain lines otherwise, on stderr; how it ended on stdout and as exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click
import msgspec

from contract.job import Epoch, Event, Staged
from litet.admin_client import AdminClient
from litet.admin_messages import Job
from litet.following import Follower
from litet.job_view import epoch_text, event_line, job_lines
from litet.options import Decorator

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

HELD_EXIT_CODE = 3
INTERRUPTED_EXIT_CODE = 130
"""As shells have it: 128 and the number of SIGINT."""
SECONDS_BETWEEN_LINES = 2.0


class Display:
    """Shows nothing of the events, but tells what goes wrong."""

    def show(self, event: Event) -> None:
        """Take note of an event."""

    def tell(self, text: str) -> None:
        """Say one line."""
        click.echo(text, err=True)


class PlainDisplay(Display):
    """A line for each event, but for epochs one every two seconds."""

    def __init__(self) -> None:
        self._next_epoch = 0.0

    def show(self, event: Event) -> None:
        if isinstance(event, Epoch):
            now = time.monotonic()
            if now < self._next_epoch:
                return
            self._next_epoch = now + SECONDS_BETWEEN_LINES
        self.tell(event_line(event))


class BarDisplay(Display):
    """A bar that follows stage and epochs, below a line for each other event."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("waiting", total=None, losses="")

    def show(self, event: Event) -> None:
        if isinstance(event, Epoch):
            self._progress.update(
                self._task, total=event.max_epochs, completed=event.record.epoch, losses=epoch_text(event)
            )
        elif isinstance(event, Staged):
            self._progress.update(self._task, description=event_line(event))
        else:
            self.tell(event_line(event))

    def tell(self, text: str) -> None:
        self._progress.console.out(text, highlight=False)


@contextmanager
def open_display(*, quiet: bool) -> Iterator[Display]:
    """The display that fits where stderr goes; one that shows no events if `quiet`."""
    if quiet:
        yield Display()
    elif not sys.stderr.isatty() or find_spec("rich") is None:  # rich comes with the extras, and serves comfort only
        yield PlainDisplay()
    else:
        from rich.console import Console

        with make_progress(Console(stderr=True)) as progress:
            yield BarDisplay(progress)


def make_progress(console: Console) -> Progress:
    """The bar, gone once it is closed."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        # Stages are the service's words: no markup.
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[losses]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def timeout_option() -> Decorator:
    """`--timeout-s`: how long a watcher puts up with silence."""
    return click.option(
        "--timeout-s",
        type=click.FloatRange(min=0, min_open=True),
        default=60.0,
        show_default=True,
        help="Stop watching after so long without a word of the service.",
    )


def watch(client: AdminClient, job_id: str, *, timeout_s: float, as_json: bool) -> int:
    """Follow a job to its end and print that. The exit code to leave with."""
    try:
        with open_display(quiet=as_json) as display:
            job = Follower(client, job_id, timeout_s=timeout_s, show=display.show, tell=display.tell).follow()
    except KeyboardInterrupt:
        click.echo(
            f"\nthe job goes on; watch it: litet jobs watch {job_id}; cancel it: litet jobs cancel {job_id}", err=True
        )
        return INTERRUPTED_EXIT_CODE
    print_job(job, as_json=as_json)
    return exit_code(job)


def print_job(job: Job, *, as_json: bool) -> None:
    """All of a job on standard output."""
    click.echo(msgspec.json.encode(job) if as_json else "\n".join(job_lines(job)))


def exit_code(job: Job) -> int:
    """0 where there is a version as was asked for, 3 where the gate held it back, 1 where there is none."""
    if job.state != "succeeded":
        return 1
    return HELD_EXIT_CODE if job.outcome == "held" else 0

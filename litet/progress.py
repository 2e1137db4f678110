"""How far a run over a table is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Advance = Callable[[int, float], None]
"""Takes how many rows were done, and the share of the table that has been read, from 0 to 1."""


@contextmanager
def open_bar(*, quiet: bool) -> Iterator[Advance]:
    """What shows rows done, rows a second, the share of the table and the time left; nothing if `quiet`.

    Nothing either where stderr is no terminal, or where the bar would stand among the answers.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _n_rows, _share: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=None, rows="")
        n_done = 0

        def advance(n_rows: int, share: float) -> None:
            nonlocal n_done
            n_done += n_rows
            seconds = progress.tasks[task].elapsed or 0
            speed = f", {n_done / seconds:,.0f} rows/s" if seconds else ""
            progress.update(task, total=1.0, completed=share, rows=f"{n_done:,} rows{speed}")

        yield advance

"""How often each version was asked, and where the time went: counted by each worker, summed over all of them.

Each worker writes what it has counted to a file of its own in the folder that they share. No file is ever removed: the
numbers of a worker that died still count. prometheus_client, whose folder it is as well, reads `*.db` only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from service.predictor import Predictor

logger = logging.getLogger(__name__)

SHARE_S = 0.25
"""Seconds between two writes of a worker whose numbers have changed."""
PREFIX = "statistics-"
SUFFIX = ".json"

Key = tuple[str, int]
"""A model's name and version."""


class Timings(msgspec.Struct, frozen=True):
    """Where the time of answered requests went, in nanoseconds: `input_ns` reading its body, `queue_ns` waiting for
    its turn, `infer_ns` in the model, `output_ns` writing its answer.
    """

    input_ns: int
    queue_ns: int
    infer_ns: int
    output_ns: int


class Counts(msgspec.Struct, kw_only=True):
    """What one version was asked since the service started. `n_runs` are of the model, which requests may share; times
    are sums over the answered requests, but for `failed_ns`; `last_ns` is that of the last request, since 1970.
    """

    n_answered: int = 0
    n_rows: int = 0
    n_runs: int = 0
    input_ns: int = 0
    queue_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0
    n_failed: int = 0
    failed_ns: int = 0
    last_ns: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        total = Counts(**{field: getattr(self, field) + getattr(other, field) for field in self.__struct_fields__})
        total.last_ns = max(self.last_ns, other.last_ns)
        return total


Counted = list[tuple[str, int, Counts]]
"""What a file holds: name, version and counts."""

DECODER = msgspec.json.Decoder(Counted)


class Statistics:
    """The statistics of one worker. `folder` is where the workers share them; None where there is one worker.

    Counting is for the event loop, all else for threads. `clock` tells nanoseconds since 1970.
    """

    def __init__(self, folder: Path | None, clock: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._clock = clock
        self._counts: dict[Key, Counts] = {}
        # Not the pid alone: a later worker may get it again.
        self._file = f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        self._shared = b"[]"
        self._turn = threading.Lock()
        self._writable = True

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Write the numbers again and again until the end, and once more then."""
        if self._folder is None:
            yield
            return
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(self.share)

    def count(self, predictor: Predictor, n_requests: int, n_rows: int, timings: Timings, n_runs: int) -> None:
        """Answered requests, the sums of their times, and how often the model ran for all of them."""
        counts = self._of(predictor)
        counts.n_answered += n_requests
        counts.n_rows += n_rows
        counts.n_runs += n_runs
        counts.input_ns += timings.input_ns
        counts.queue_ns += timings.queue_ns
        counts.infer_ns += timings.infer_ns
        counts.output_ns += timings.output_ns
        counts.last_ns = self._clock()

    def count_failure(self, predictor: Predictor, elapsed_ns: int) -> None:
        """One request that a version was found for, but no answer."""
        counts = self._of(predictor)
        counts.n_failed += 1
        counts.failed_ns += elapsed_ns
        counts.last_ns = self._clock()

    def totals(self) -> Mapping[Key, Counts]:
        """All workers' numbers, those of others as they were up to `SHARE_S` ago. Nobody ever sees a smaller sum than
        anybody has seen before.
        """
        self.share()
        if self._folder is None or not self._writable:
            totals = {key: counts.plus(Counts()) for key, counts in self._counts.copy().items()}
        else:  # what this worker has told the others, not what it has counted since, which they cannot know
            totals = {(name, version): counts for name, version, counts in DECODER.decode(self._shared)}
        for name, version, counts in self._others():
            totals[name, version] = counts.plus(totals.get((name, version), Counts()))
        return totals

    def share(self) -> None:
        """Write the numbers where the other workers find them, unless they are there already."""
        if self._folder is None:
            return
        with self._turn:
            counted = [(name, version, counts) for (name, version), counts in self._counts.copy().items()]
            content = msgspec.json.encode(counted)
            if content == self._shared:
                return
            aside = (self._folder / self._file).with_suffix(".tmp")
            try:
                aside.write_bytes(content)
                aside.replace(self._folder / self._file)
            except OSError as error:
                if self._writable:
                    logger.warning("statistics cannot be shared", extra={"error": str(error)})
                self._writable = False
                return
            self._shared, self._writable = content, True

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SHARE_S)
            await asyncio.to_thread(self.share)

    def _of(self, predictor: Predictor) -> Counts:
        key = (predictor.name, predictor.version)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Counts()
        return counts

    def _others(self) -> Iterator[tuple[str, int, Counts]]:
        for path in self._folder.glob(f"{PREFIX}*{SUFFIX}") if self._folder else ():
            if path.name == self._file:
                continue
            try:
                counted = DECODER.decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                logger.warning("a worker's statistics cannot be read", extra={"file": path.name, "error": str(error)})
                continue
            yield from counted

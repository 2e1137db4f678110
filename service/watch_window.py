"""After a promotion, a window in which a version that does worse than the one before is rolled back.

Each worker counts the requests that it answered itself and decides for itself: the one that first sees enough rolls
back, and all workers follow the pointer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal

import msgspec

from contract.errors import LitetError, Superseded

logger = logging.getLogger(__name__)

Kind = Literal["answered", "refused", "invalid", "failed"]
"""What became of a request: answered; its rows did not fit; its answer would not have been finite; an error of ours."""

TICK_S = 1.0
MIN_REQUESTS = 50
"""Fewer say nothing, of the new version or of the one before."""
MIN_RISE = 0.05
"""A share that rose by less is not worth a rollback."""
MIN_DEVIATIONS = 4.0
"""How many standard deviations of the difference the rise must have; by chance, one in 30,000 has."""

RollBack = Callable[[str, int, str], None]
"""Model, version to be rid of, reason. Blocks."""


class Counts(msgspec.Struct):
    """Requests of one version by what became of them."""

    answered: int = 0
    refused: int = 0
    invalid: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.answered + self.refused + self.invalid + self.failed


class Watched(msgspec.Struct, frozen=True):
    """A version in its window, and the one that served before."""

    version: int
    before: int
    until: float
    takes_same_rows: bool


def worse(before: Counts, after: Counts, *, ignore_refused: bool) -> str | None:
    """Why the version after does worse than the one before; None where it does not, or nobody can tell yet.

    Two shares are compared by the standard deviation of their difference. A version that was hardly asked anything is
    taken for one without invalid answers and failures; how many rows did not fit it, nobody knows.
    """
    if after.total < MIN_REQUESTS:
        return None
    for kind in ("invalid", "failed", "refused"):
        known = before.total >= MIN_REQUESTS
        if kind == "refused" and (ignore_refused or not known):
            continue
        share_before = getattr(before, kind) / before.total if known else 0.0
        share_after = getattr(after, kind) / after.total
        n_before = before.total if known else after.total
        pooled = (share_before * n_before + getattr(after, kind)) / (n_before + after.total)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / n_before + 1 / after.total))
        rise = share_after - share_before
        # Where every single request is of one kind the deviation is 0: nothing is left to chance.
        if rise >= MIN_RISE and rise >= MIN_DEVIATIONS * deviation:
            return f"{kind} requests rose from {share_before:.1%} to {share_after:.1%} of {after.total}"
    return None


class WatchWindow:
    """Counts on the event loop, decides there, rolls back in a thread. `clock` tells monotonic seconds."""

    def __init__(self, roll_back: RollBack, *, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._roll_back = roll_back
        self._window_s = window_s
        self._clock = clock
        self._counts: dict[tuple[str, int], Counts] = {}
        self._watched: dict[str, Watched] = {}

    def count(self, model: str, version: int, kind: Kind, n_requests: int = 1) -> None:
        """Requests that a version was asked."""
        counts = self._counts.get((model, version))
        if counts is None:
            counts = self._counts[model, version] = Counts()
        setattr(counts, kind, getattr(counts, kind) + n_requests)

    def begin(self, model: str, version: int, before: int, *, takes_same_rows: bool) -> None:
        """Watch a version that was promoted over another. What is known of others is forgotten.

        Where both take the same rows, refused ones are the callers' doing, who must not be able to undo a promotion.
        """
        self._counts = {key: counts for key, counts in self._counts.items() if key[0] != model or key[1] == before}
        self._watched[model] = Watched(version, before, self._clock() + self._window_s, takes_same_rows)

    def end(self, model: str) -> None:
        """Watch a model no longer: another version serves, for another reason."""
        self._watched.pop(model, None)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Look every second until the end."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def look(self) -> None:
        """Roll back what does worse; let go of what has stood its time."""
        for model, watched in list(self._watched.items()):
            before, after = (
                self._counts.get((model, version), Counts()) for version in (watched.before, watched.version)
            )
            reason = worse(before, after, ignore_refused=watched.takes_same_rows)
            undone = reason is not None and await self._undo(model, watched.version, reason)
            # Where the disk failed it is tried again; where another swap came meanwhile, that one's watch goes on.
            if (undone or self._clock() >= watched.until) and self._watched.get(model) is watched:
                self.end(model)

    async def _undo(self, model: str, version: int, reason: str) -> bool:
        """Whether the version serves no longer."""
        try:
            await asyncio.to_thread(self._roll_back, model, version, reason)
        except Superseded:  # another worker was faster
            return True
        except (LitetError, OSError) as error:
            logger.warning("not rolled back", extra={"model": model, "version": version, "error": str(error)})
            return False
        return True

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.look()
            except Exception:
                logger.exception("a look at a promoted version failed")

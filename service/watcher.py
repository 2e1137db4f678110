"""Keeps the registry at what the model repository says: load, then replace one reference, then release the old one.

A version that cannot be loaded is refused and the one before goes on; it is tried again when its pointer changes, and
every `RETRY_S` in case its files were still on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from contract.errors import LitetError, NotFound
from contract.repository import Repository
from contract.schema import Schema
from service.loading import load_current, load_previous, release
from service.metrics import Metrics
from service.predictor import Predictor
from service.registry import Registry

logger = logging.getLogger(__name__)

RETRY_S = 30.0

Stamp = tuple[int, int, int] | None


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of a model serves from now on, which one it replaced, if any, and whether both take the same rows:
    features and kinds are the same.
    """

    model: str
    version: int
    replaced: int | None
    takes_same_rows: bool


OnSwap = Callable[[Swap], Awaitable[None]]


class Attempt(msgspec.Struct, frozen=True):
    """The pointer for which a load was last tried, and when to try again even if it stays; never where it succeeded."""

    stamp: Stamp
    retry_at: float


class Watcher:
    """Polls the repository. `clock` tells monotonic seconds; `on_swap` is told of every swap."""

    def __init__(
        self,
        repository: Repository,
        registry: Registry,
        metrics: Metrics,
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        on_swap: OnSwap | None = None,
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._metrics = metrics
        self._interval_s = interval_s
        self._clock = clock
        self._on_swap = on_swap
        self._attempts: dict[str, Attempt] = {}
        self._readable = True
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Load every model, then keep watching until the end."""
        await self.poll()
        logger.info(
            "models loaded",
            extra={"models": {name: predictor.version for name, predictor in self._registry.current().items()}},
        )
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def poll(self) -> None:
        """Look once, and load what has changed.

        Keeps everything where the repository cannot be read, or is empty of a sudden, as an unmounted volume is; and
        a model whose folder is still there, whatever became of its pointer.
        """
        async with self._turn:
            stamps = await asyncio.to_thread(self._scan)
            if stamps is None:
                return
            for name in self._attempts.keys() - stamps.keys():
                if stamps and not (self._repository.root / name).exists():
                    await self._unload(name)
            for name, stamp in stamps.items():
                attempt = self._attempts.get(name)
                if attempt is None or attempt.stamp != stamp or self._clock() >= attempt.retry_at:
                    await self._load(name, stamp)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.poll()
            except Exception:
                logger.exception("a look at the model repository failed")

    def _scan(self) -> dict[str, Stamp] | None:
        """The pointers there are. Runs in a thread: storage can be slow."""
        try:
            # `names` takes an absent root for an empty one. Here it rather is a disk that went away.
            os.scandir(self._repository.root).close()
            names = self._repository.names()
        except OSError as error:
            if self._readable:
                logger.warning("the model repository cannot be read", extra={"error": str(error)})
            self._readable = False
            return None
        self._readable = True
        return {name: self._stamp(name) for name in names}

    def _stamp(self, name: str) -> Stamp:
        try:
            return self._repository.pointer_stamp(name)
        except OSError:  # loading it says why, and leaves the other models alone
            return None

    async def _load(self, name: str, stamp: Stamp) -> None:
        loaded = self._registry.current().get(name)
        try:
            predictor = await asyncio.to_thread(load_current, self._repository, name, loaded)
        except NotFound:  # gone since the scan
            return
        except Exception as error:  # whatever is wrong with a version, the one before goes on
            self._attempts[name] = Attempt(stamp, self._clock() + RETRY_S)
            self._metrics.count_swap(name, "refused")
            logger.error(  # noqa: TRY400 # a traceback only where the cause may be our code rather than the file
                "the current version was refused",
                exc_info=not isinstance(error, LitetError | OSError),
                extra={"model": name, "error": str(error), "serving": loaded.version if loaded else None},
            )
            if loaded is None and (predictor_before := await asyncio.to_thread(load_previous, self._repository, name)):
                await self._swap(predictor_before)
            return
        self._attempts[name] = Attempt(stamp, float("inf"))
        if predictor is not loaded:
            del loaded  # the last reference to a replaced predictor is dropped in `release`
            await self._swap(predictor)

    async def _swap(self, predictor: Predictor) -> None:
        replaced = [self._registry.put(predictor)]
        self._metrics.count_swap(predictor.name, "loaded")
        self._metrics.set_version(predictor.name, predictor.version)
        logger.info(
            "a version serves",
            extra={
                "model": predictor.name,
                "version": predictor.version,
                "replaced": replaced[0].version if replaced[0] else None,
            },
        )
        if self._on_swap:
            await self._on_swap(_describe(predictor, replaced[0]))
        await asyncio.to_thread(release, replaced)

    async def _unload(self, name: str) -> None:
        del self._attempts[name]
        removed = [self._registry.remove(name)]
        self._metrics.set_version(name, 0)
        logger.warning("a model is gone", extra={"model": name})
        await asyncio.to_thread(release, removed)


def _describe(predictor: Predictor, replaced: Predictor | None) -> Swap:
    return Swap(
        model=predictor.name,
        version=predictor.version,
        replaced=replaced.version if replaced else None,
        takes_same_rows=replaced is not None and _row_shape(predictor.schema) == _row_shape(replaced.schema),
    )


def _row_shape(schema: Schema) -> list[tuple[type, str]]:
    return [(type(feature), feature.name) for feature in schema.features]

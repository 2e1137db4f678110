"""Keeps the registry at what the model repository says: load, then replace one reference, then release the old one.

A version that cannot be loaded is refused and the one before goes on; it is tried again when its pointer changes, when
somebody asks for a load, and every `RETRY_S` in case its files were still on their way. A model that somebody took out
(`service.unloaded`) stays out, whatever is promoted, until it is loaded again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from contract.errors import LitetError, NotFound
from contract.repository import Repository
from contract.schema import Schema
from service.loading import load_current, load_previous, release
from service.metrics import Metrics
from service.pointers import Pointers, Stamp
from service.predictor import Predictor
from service.registry import Registry
from service.unloaded import Marks, Unloaded

logger = logging.getLogger(__name__)

RETRY_S = 30.0


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
    """The pointer for which a load was last tried, and when to try again even if it stays; never where it succeeded.

    `error` says why it was refused; it is empty where it was not.
    """

    stamp: Stamp
    retry_at: float = float("inf")
    error: str = ""


class Watcher:
    """Polls the repository. `clock` tells monotonic seconds; `on_swap` is told of every swap."""

    def __init__(
        self,
        repository: Repository,
        unloaded: Unloaded,
        registry: Registry,
        metrics: Metrics,
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
        on_swap: OnSwap | None = None,
    ) -> None:
        self._repository = repository
        self._pointers = Pointers(repository)
        self._unloaded = unloaded
        self._registry = registry
        self._metrics = metrics
        self._interval_s = interval_s
        self._clock = clock
        self._on_swap = on_swap
        self._attempts: dict[str, Attempt] = {}
        self._marks = Marks()
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
            stamps, marks = await asyncio.to_thread(self._scan)
            for name in marks.names & (self._attempts.keys() | self._registry.current().keys()):
                await self._take_out(name, "a model was unloaded")
            if stamps is None:
                return
            for name in self._attempts.keys() - stamps.keys():
                if stamps and not (self._repository.root / name).exists():
                    await self._take_out(name, "a model is gone")
            is_asked = marks.stamp != self._marks.stamp
            for name, stamp in stamps.items():
                attempt = self._attempts.get(name)
                is_due = attempt is None or attempt.stamp != stamp or self._clock() >= attempt.retry_at
                if (is_due or is_asked) and name not in marks.names:
                    await self._load(name, stamp)
            self._marks = marks

    async def load(self, name: str) -> None:
        """Have a model's current version serve, though the model was unloaded, or the version refused. The other
        workers follow at their next look.

        Raises:
            NotFound: there is no such model, or none of its versions was ever promoted.
            ArtifactError, OSError: the version cannot be loaded. All is as it was before.
        """
        async with self._turn:
            stamp = await asyncio.to_thread(self._pointers.stamp, name)
            predictor = await self._read(name, stamp)
            await asyncio.to_thread(self._unloaded.remove, name)
            await self._serve(name, stamp, predictor)

    async def unload(self, name: str) -> None:
        """Take a model out until it is loaded again. The other workers follow at their next look.

        Raises:
            OSError: that cannot be written down. All is as it was before.
        """
        async with self._turn:
            await asyncio.to_thread(self._unloaded.add, name)
            await self._take_out(name, "a model was unloaded")

    def refusal(self, name: str) -> str:
        """Why a model's current version was refused when it was last tried; empty where it was not."""
        attempt = self._attempts.get(name)
        return attempt.error if attempt else ""

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.poll()
            except Exception:
                logger.exception("a look at the model repository failed")

    def _scan(self) -> tuple[dict[str, Stamp] | None, Marks]:
        return self._pointers.read(), self._unloaded.read()

    async def _load(self, name: str, stamp: Stamp) -> None:
        try:
            predictor = await self._read(name, stamp)
        except NotFound:  # gone since the scan
            return
        except Exception:  # noqa: BLE001 # whatever is wrong with a version, which has been logged, another goes on
            serves = name in self._registry.current()
            if not serves and (earlier := await asyncio.to_thread(load_previous, self._repository, name)):
                await self._swap(earlier)
            return
        await self._serve(name, stamp, predictor)

    async def _read(self, name: str, stamp: Stamp) -> Predictor | None:
        """The predictor of the current version; None where that one serves. What is refused is logged and counted."""
        loaded = self._registry.current().get(name)
        try:
            predictor = await asyncio.to_thread(load_current, self._repository, name, loaded)
        except NotFound:
            raise
        except Exception as error:
            self._attempts[name] = Attempt(stamp, self._clock() + RETRY_S, str(error))
            self._metrics.count_swap(name, "refused")
            logger.error(  # noqa: TRY400 # a traceback only where the cause may be our code rather than the file
                "the current version was refused",
                exc_info=not isinstance(error, LitetError | OSError),
                extra={"model": name, "error": str(error), "serving": loaded.version if loaded else None},
            )
            raise
        return None if predictor is loaded else predictor

    async def _serve(self, name: str, stamp: Stamp, predictor: Predictor | None) -> None:
        """Note down that the current version could be loaded, and let it serve where it does not."""
        self._attempts[name] = Attempt(stamp)
        if predictor:
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

    async def _take_out(self, name: str, message: str) -> None:
        self._attempts.pop(name, None)
        removed = [self._registry.remove(name)]
        self._metrics.set_version(name, 0)
        logger.warning(message, extra={"model": name})
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

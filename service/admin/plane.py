"""The admin plane put together: routes, and what runs beside them while the app does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router

from contract.errors import ArtifactError, InvalidSettings, LitetError
from contract.publishing import MAX_PREVIOUS, Publisher
from service.admin.audit import Audit
from service.admin.authentication import require_actor
from service.admin.dataset_routes import dataset_routes
from service.admin.datasets import Datasets
from service.admin.inspection import inspect_table
from service.admin.job_routes import JobRoutes
from service.admin.job_store import JobStore
from service.admin.launcher import Launcher
from service.admin.lifeline import lifeline
from service.admin.model_routes import model_routes
from service.admin.retrain_request import Resolver
from service.admin.runner import SERVICE, Runner
from service.draining import Draining
from service.errors import StorageFailed, UnusableArtifact
from service.metrics import Metrics
from service.problems import to_response
from service.recent import RecentRequests
from service.registry import Registry
from service.settings import Settings
from service.watch_window import WatchWindow
from service.watcher import Swap

logger = logging.getLogger(__name__)

SETTLE_S = 1.0
"""Seconds between two looks at the jobs: so long a dead trainer may go unnoticed."""


class AdminPlane:
    """Everything below `/admin`, for one process. `lifeline_path` is the service's; without one it makes its own."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        metrics: Metrics,
        draining: Draining,
        recent: RecentRequests,
        lifeline_path: Path | None,
    ) -> None:
        self._state = settings.state_folder.absolute()
        self._metrics = metrics
        self._lifeline_path = lifeline_path
        self._n_previous: dict[str, int] = {}
        self._publisher = Publisher(settings.models)
        self.audit = Audit(self._state)
        self._store = JobStore(
            self._state / "jobs.sqlite", max_running=settings.max_running_jobs, max_queued=settings.max_queued_jobs
        )
        python = str(settings.trainer_python or sys.executable)
        self._launcher = Launcher(python, recent.of, is_stopping=lambda: draining.started)
        self.runner = Runner(self._state, self._store, self._publisher, self.audit, metrics, self._launcher)
        datasets = Datasets(
            self._state / "datasets", partial(inspect_table, python), max_bytes=settings.max_dataset_bytes
        )
        resolver = Resolver(settings, self._publisher, datasets)
        jobs = JobRoutes(self._store, self.runner, resolver, self.audit, registry, draining)
        self.watch = WatchWindow(self._undo, window_s=settings.watch_window_s)
        self.router = Router(
            "/admin",
            route_handlers=[
                *dataset_routes(datasets, self.audit),
                *jobs.routes(),
                *model_routes(self._publisher, self.audit, self._state),
            ],
            guards=[require_actor],
            exception_handlers={
                OSError: storage_failed,
                sqlite3.Error: storage_failed,
                ArtifactError: refused_artifact,
            },
            tags=["admin"],
            security=[{"key": []}],
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """Look after the jobs and the watch window until the end.

        Raises:
            InvalidSettings: the state folder cannot be used.
        """
        with contextlib.ExitStack() as cleanup:
            self._launcher.check()
            try:
                self.runner.prepare()
                self._store.prepare()
                path = self._lifeline_path or cleanup.enter_context(lifeline(self._state))
            except (OSError, sqlite3.Error) as error:
                raise InvalidSettings(
                    f"LITET_STATE must be a folder that can be written to, got {self._state}: {error}"
                ) from error
            cleanup.callback(self._store.close)
            self._launcher.lifeline = path
            task = asyncio.create_task(self._look_after_jobs())
            try:
                async with self.watch.lifespan(app):
                    yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def on_swap(self, swap: Swap) -> None:
        """Watch a version that was promoted over another; not one that was rolled back to."""
        model = swap.model
        self.watch.end(model)
        try:
            pointer = await asyncio.to_thread(self._publisher.current, model)
        except (LitetError, OSError):  # it serves all the same, for whatever reason
            return
        if pointer.version != swap.version:  # the next swap is on its way
            return
        n_before, n_previous = self._n_previous.get(model, 0), len(pointer.previous)
        self._n_previous[model] = n_previous
        # A rollback forgets an earlier version, and then may well have the replaced one as its latest, too.
        grew = n_previous > n_before or n_previous == MAX_PREVIOUS
        if swap.replaced is not None and grew and pointer.previous[-1:] == (swap.replaced,):
            self.watch.begin(model, swap.version, swap.replaced, takes_same_rows=swap.takes_same_rows)

    async def _look_after_jobs(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.runner.settle)
            except Exception:
                logger.exception("a look at the jobs failed")
            await asyncio.sleep(SETTLE_S)

    def _undo(self, model: str, version: int, reason: str) -> None:
        if self._publisher.current(model).version != version:  # another worker was faster
            return
        self.audit.record(SERVICE, "model.roll_back", f"{model}/{version}", {"reason": reason})
        pointer = self._publisher.roll_back(model, version)
        self._metrics.count_rollback(model)
        logger.error(
            "a version was rolled back",
            extra={"model": model, "version": version, "reason": reason, "serves": pointer.version},
        )


def refused_artifact(request: Request[Any, Any, Any], error: ArtifactError) -> Response[bytes]:
    """What is wrong with a file of the repository, in full: who holds a key may know, and has to mend it."""
    return to_response(request, UnusableArtifact(str(error)))


def storage_failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What is said of a disk that is full or fails. Paths stay in the log."""
    logger.error("an admin request met a disk that fails", exc_info=error)
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return to_response(request, StorageFailed(f"the state folder must be writable and have room, got: {reason}"))

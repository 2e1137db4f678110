"""What the service counts, in Prometheus' terms, right for one worker and for several.

With several workers prometheus_client keeps the numbers in files of a shared folder, which it must know before it is
imported (`PROMETHEUS_MULTIPROC_DIR`): so only what runs inside a worker imports this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the request histogram: a row takes well below a millisecond, a full body some hundredths."""


class Metrics:
    """The metrics of one app. `folder` is where the workers share them; None where there is one worker."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        # Series that say when another began, which several workers do not have.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types
        self._requests = Counter(
            "litet_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "litet_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._rows = Counter("litet_rows", "Rows answered.", ["model", "version"], registry=self._registry)
        self._swaps = Counter(
            "litet_swaps",
            "Versions that a worker was told to serve, by outcome: loaded or refused.",
            ["model", "outcome"],
            registry=self._registry,
        )
        self._rollbacks = Counter(
            "litet_rollbacks", "Versions rolled back because they did worse.", ["model"], registry=self._registry
        )
        self._jobs = Counter(
            "litet_jobs",
            "Jobs that are over, by state and outcome.",
            ["model", "state", "outcome"],
            registry=self._registry,
        )
        self._model_version = Gauge(
            "litet_model_version",
            "Version that serves, as the worker that swapped last says; 0 where the model is gone.",
            ["model"],
            registry=self._registry,
            multiprocess_mode="livemostrecent",
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._rows_of: dict[tuple[str, int], Counter] = {}
        if folder is not None:
            _sweep(folder)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request answered; `route` is the template of its path."""
        # Looking series up by their labels takes longer than counting; the service's own labels are few.
        key = (method, route, status)
        series = self._series.get(key)
        if series is None:
            labelled = self._requests.labels(method, route, str(status)), self._request_seconds.labels(route)
            series = self._series[key] = labelled
        requests, request_seconds = series
        requests.inc()
        request_seconds.observe(seconds)

    def count_rows(self, model: str, version: int, n_rows: int) -> None:
        """Rows answered by one version."""
        rows = self._rows_of.get((model, version))
        if rows is None:
            rows = self._rows_of[model, version] = self._rows.labels(model, str(version))
        rows.inc(n_rows)

    def count_swap(self, model: str, outcome: Literal["loaded", "refused"]) -> None:
        """One attempt to serve another version."""
        self._swaps.labels(model, outcome).inc()

    def count_rollback(self, model: str) -> None:
        """One version rolled back without anybody's asking."""
        self._rollbacks.labels(model).inc()

    def count_job(self, model: str, state: str, outcome: str | None) -> None:
        """One job that is over."""
        self._jobs.labels(model, state, outcome or "").inc()

    def set_version(self, model: str, version: int) -> None:
        """The version that serves from now on; 0 for none."""
        self._model_version.labels(model).set(version)

    def render(self) -> bytes:
        """All workers' metrics in Prometheus' text format."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call] # it has no types
        content: bytes = generate_latest(registry)
        return content


def _sweep(folder: Path) -> None:
    """Drop the gauges of workers that died. Their counters stay: a sum over time must not shrink."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _is_alive(pid):
            mark_process_dead(pid, path=str(folder))  # type: ignore[no-untyped-call] # it has no types


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

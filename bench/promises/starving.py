"""Training does not starve serving: latencies at half of the capacity, before and during a retrain."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.promises.load import Load, capacity, under_load
from bench.promises.measured import Measured, percentile_ms
from bench.promises.models import REQUEST, publish
from bench.promises.ordering import cancel, look, order_job
from bench.promises.serving import Service, serving

MAX_RATIO = 2.0
N_WORKERS = 2
RATE_S = 2.0
QUIET_RATE = 500.0
START_S = 3.0
"""In which the trainer imports what it needs, which counts as training, too."""
SHARE = 0.5
"""Of what service and driver can do together."""
BIG: dict[str, Any] = {"dataset": "made-up", "target": "y", "config": {"max_epochs": 100_000, "patience": None}}


def starve(
    folder: Path, *, n_rows: int, n_columns: int, seconds: float, busy_rate: float | None = None
) -> list[Measured]:
    """Serve for some seconds alone, then as long beside a job that fits a made-up table: at a rate that leaves the
    processor time, and at `busy_rate`, which is half of the capacity unless given.
    """
    publish(folder / "models")
    with serving(folder / "models", workers=N_WORKERS, default_model="iris") as service:
        service.worker_pids(N_WORKERS)
        upload = service.client.put(
            "/admin/datasets/made-up", content=_table(n_rows, n_columns), headers={"Content-Type": "text/csv"}
        )
        upload.raise_for_status()
        busy_rate = busy_rate or SHARE * capacity(service.url, REQUEST, RATE_S)
        return [
            _compare(service, QUIET_RATE, f"at {QUIET_RATE:g}/s", seconds),
            _compare(service, busy_rate, f"at {busy_rate:,.0f}/s", seconds),
        ]


def _compare(service: Service, rate: float, where: str, seconds: float) -> Measured:
    """The latencies at a rate, without a job and with one."""
    before = under_load(service.url, REQUEST, rate, lambda: time.sleep(seconds))
    during, job = _serve_beside_job(service, rate, seconds)
    quiet, busy = (percentile_ms([sample.latency_s for sample in load.samples], 99) for load in (before, during))
    n_failed = len(before.failures) + len(during.failures)
    raw = {
        "rate": rate,
        "n_failed": n_failed,
        "state": job["state"],
        "epochs": job["progress"],
        "n_before": before.n_requests,
        "n_during": during.n_requests,
    } | {
        f"p{percent:g}_{name}_ms": percentile_ms([sample.latency_s for sample in load.samples], percent)
        for name, load in (("before", before), ("during", during))
        for percent in (50, 95, 99, 99.9)
    }
    figure = f"p99 {busy:.2f} ms during, {quiet:.2f} ms before: {busy / quiet:.2f} ×, {n_failed} failed"
    ok_load = not n_failed and job["state"] == "running"
    kept = ok_load and busy / quiet <= MAX_RATIO
    return Measured(f"no request starves {where}", figure, f"≤ {MAX_RATIO:g} ×, 0", kept, raw)


def _serve_beside_job(service: Service, rate: float, seconds: float) -> tuple[Load, dict[str, Any]]:
    """The load during a job from its order on, and the job at the end of that time, before it is called off."""
    seen: list[dict[str, Any]] = []

    def act() -> None:
        job = order_job(service, BIG, "big")
        time.sleep(START_S + seconds)  # and nothing else: to ask how the job goes on is work for the service, too
        seen.append(look(service, job))

    load = under_load(service.url, REQUEST, rate, act)
    (job,) = seen
    cancel(service, job["id"])
    return load, job


def _table(n_rows: int, n_columns: int) -> bytes:
    """A CSV whose label is a noisy sum of its columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, n_columns)).round(3)
    y = (x.sum(axis=1) + rng.normal(size=n_rows) > 0).astype(int)
    header = ",".join([*(f"x{number}" for number in range(n_columns)), "y"])
    lines = (f"{','.join(map(str, row))},{label}" for row, label in zip(x.tolist(), y.tolist(), strict=True))
    return "\n".join([header, *lines]).encode() + b"\n"

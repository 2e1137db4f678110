"""Jobs: one at a time for a model, none left behind by whoever is killed, none that outlives its cancellation."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from bench.promises.measured import Measured
from bench.promises.models import publish
from bench.promises.ordering import (
    ENDLESS,
    QUICK,
    cancel,
    is_over,
    look,
    order,
    order_job,
    versions,
    wait_for_end,
    wait_for_epochs,
)
from bench.promises.serving import Service, serving, wait_until

SETTLED_S = 5.0
CANCELLED_S = 2.0
ACCEPTED, CONFLICT = 202, 409


def one_at_a_time(folder: Path, *, n_posts: int) -> list[Measured]:
    """Order the same job many times at once: with one key, and with a key each."""
    publish(folder / "models")
    with serving(folder / "models", workers=2) as service, ThreadPoolExecutor(n_posts) as threads:
        same = list(threads.map(lambda _: order(service, ENDLESS, key="same"), range(n_posts)))
        ids = {job["id"] for status, job in same if status == ACCEPTED}
        n_same = sum(status == ACCEPTED for status, _ in same)
        for job in ids:
            cancel(service, job)
        others = list(threads.map(lambda number: order(service, ENDLESS, key=f"key {number}"), range(n_posts)))
        statuses = Counter(status for status, _ in others)
        running = service.client.get("/admin/jobs?state=running").json()["jobs"]
        for job in running:
            cancel(service, job["id"])
    ok_same = n_same == n_posts and len(ids) == 1
    ok_others = statuses == {ACCEPTED: 1, CONFLICT: n_posts - 1} and len(running) == 1
    return [
        Measured(
            "one key is one job",
            f"{n_same} of {n_posts} answered with {len(ids)} job",
            "1 job",
            ok_same,
            {"ids": len(ids)},
        ),
        Measured(
            "one job of a model at a time",
            f"{statuses[ACCEPTED]} accepted, {len(running)} running, {statuses[CONFLICT]} conflicts of {n_posts}",
            "1, 1, the rest",
            ok_others,
            {"statuses": statuses},
        ),
    ]


Victim = Literal["trainer", "service", "both"]
PROMISES: dict[Victim, str] = {
    "trainer": "a killed trainer is noticed",
    "service": "a killed service takes its trainer along",
    "both": "both killed at once leave nothing",
}


def leave_no_orphans(folder: Path, victims: Iterable[Victim] = tuple(PROMISES)) -> list[Measured]:
    """Kill the trainer; the whole service; both. Then look for what is left, and order the job again."""
    return [_kill(folder / victim, victim) for victim in victims]


def _kill(folder: Path, victim: Victim) -> Measured:
    models, promise = folder / "models", PROMISES[victim]
    publish(models)
    with serving(models, workers=2) as service:
        job = order_job(service, ENDLESS)
        wait_for_epochs(service, job)
        trainers = _trainers(job)
        if victim != "trainer":
            service.kill()
        if victim != "service":
            for pid in trainers:
                os.kill(pid, signal.SIGKILL)
        gone_s = wait_until(lambda: not _trainers(job), SETTLED_S)
        if victim == "trainer":
            return _settled(promise, service, job, len(trainers), gone_s)
    with serving(models, workers=2) as service:
        return _settled(promise, service, job, len(trainers), gone_s)


def _settled(promise: str, service: Service, job: str, n_trainers: int, gone_s: float) -> Measured:
    settled_s = wait_until(partial(is_over, service, job), SETTLED_S)
    state = look(service, job)["state"]
    again = wait_for_end(service, order_job(service, QUICK))
    strays = _trainers(job) + _trainers(again["id"])
    ok = (
        n_trainers == 1
        and max(settled_s, gone_s) <= SETTLED_S
        and state == "failed"
        and again["state"] == "succeeded"
        and not strays
    )
    figure = f"{state} after {settled_s:.1f} s, rerun {again['state']}, {len(strays)} stray"
    raw = {"settled_s": settled_s, "gone_s": gone_s, "error": look(service, job)["error"], "trainers": n_trainers}
    return Measured(promise, figure, f"failed ≤ {SETTLED_S:g} s, 0 stray", ok, raw)


def _trainers(job: str) -> list[int]:
    """The living processes that work in a job's folder."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _works_on(entry, job)]


def _works_on(process: Path, job: str) -> bool:
    try:
        state = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
        return state != "Z" and job.encode() in (process / "cmdline").read_bytes()
    except OSError:  # it ended while we looked
        return False


def cancel_anywhen(folder: Path, *, n_times: int, seed: int = 0) -> list[Measured]:
    """Call jobs off at moments spread over the whole length of a real one, to its publishing."""
    rng = np.random.default_rng(seed)
    models = folder / "models"
    publish(models)
    took: list[float] = []
    wrong: list[str] = []
    n_late = 0
    with serving(models) as service:
        started = time.monotonic()
        wait_for_end(service, order_job(service, QUICK))
        length_s = time.monotonic() - started
        while len(took) < n_times:
            before = versions(service)
            job = order_job(service, QUICK)
            wait_until(partial(is_over, service, job), float(rng.uniform(0, length_s)))
            asked = time.monotonic()
            if cancel(service, job) == CONFLICT:  # it was over before
                n_late += 1
                continue
            took.append(time.monotonic() - asked)
            state = look(service, job)["state"]
            if state != "cancelled" or versions(service) != before or _trainers(job):
                wrong.append(state)
    figure = f"{max(took):.2f} s at most in {n_times}, {len(wrong)} published or left running"
    raw = {"s": took, "wrong": wrong, "over_before": n_late}
    return [
        Measured(
            "a cancelled job is gone", figure, f"≤ {CANCELLED_S:g} s, 0", max(took) <= CANCELLED_S and not wrong, raw
        )
    ]

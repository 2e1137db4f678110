"""Publishing is atomic: a job's writer that is killed at any step leaves the old state or the new one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np

from bench.promises.killed_writer import FENCE
from bench.promises.measured import ROOT, Measured
from bench.promises.models import NAME, REQUEST, publish, trained
from bench.promises.serving import serving
from contract.card import Report
from contract.errors import LitetError
from contract.publishing import Publisher
from contract.repository import Repository

READY_S = 5.0
OLD, PUBLISHED, NEW = (2, 1), (3, 1), (3, 3)
"""Newest version and the one that serves: before, published but not yet promoted, after."""


def kill_publishing(folder: Path, *, every: int, n_times: int, n_started: int) -> list[Measured]:
    """Kill a writer at one step in `every`, `n_times` each, and start a service on `n_started` of what is left."""
    root = folder / "models"
    publish(root, 2).raise_fence(NAME, FENCE)
    model, report = trained(0)
    (folder / "model").write_bytes(model)
    (folder / "report").write_bytes(msgspec.json.encode(report))
    arguments = [str(root), str(folder / "model"), str(folder / "report"), str(every), str(n_times)]
    subprocess.run([sys.executable, "-m", "bench.promises.killed_writer", *arguments], check=True, cwd=ROOT)
    killed = sorted(folder.glob("models-[0-9]*"))
    states = Counter(_state(copy) for copy in killed)
    n_good = sum(states[name] for name in map(str, (OLD, PUBLISHED, NEW)))
    started = [killed[index] for index in np.linspace(0, len(killed) - 1, n_started).round().astype(int)]
    seconds = [_seconds_to_ready(copy) for copy in started]
    once = killed[::n_times]
    n_swept = sum(_is_swept(copy, model, report) for copy in once)
    raw = {
        "states": states,
        "killed": len(killed),
        "steps": len(killed) // n_times,
        "swept": n_swept,
        "ready_s": seconds,
    }
    return [
        Measured(
            "publishing is atomic",
            f"{n_good:,} of {len(killed):,} kills at {len(killed) // n_times} steps left old or new",
            "100 %",
            n_good == len(killed) and set(states) == set(map(str, (OLD, PUBLISHED, NEW))),
            raw,
        ),
        Measured("the next writer sweeps up", f"{n_swept:,} of {len(once):,}", "100 %", n_swept == len(once), {}),
        Measured(
            "a service starts on what is left",
            f"{max(seconds):.1f} s at most, {len(seconds)} starts",
            f"≤ {READY_S:g} s",
            max(seconds) <= READY_S,
            {"s": seconds},
        ),
    ]


def _state(root: Path) -> str:
    """Newest version and the one that serves, every byte verified; else what is wrong."""
    repository = Repository(root)
    try:
        versions = repository.versions(NAME)
        for version in versions:
            repository.read(NAME, version)
        return str((versions[-1], repository.read_current(NAME)[0].version))
    except LitetError as error:
        return f"{type(error).__name__}: {error}"


def _is_swept(root: Path, model: bytes, report: Report) -> bool:
    """Whether the next writer can publish, and leaves nothing of the killed one."""
    newest = Repository(root).versions(NAME)[-1]
    card = Publisher(root).publish(NAME, model, report)
    Publisher(root).promote(NAME, card.version)
    return card.version > newest and not list(root.glob("*/.staging-*"))


def _seconds_to_ready(root: Path) -> float:
    """Seconds from starting a service on a folder to its first answer; infinite where it gives none."""
    started = time.monotonic()
    with serving(root) as service:
        answer = service.client.post("/predict", content=REQUEST, headers={"Content-Type": "application/json"})
        seconds = time.monotonic() - started
    return seconds if answer.status_code == 200 else float("inf")

"""A job whose disk is full or fails ends cleanly, whatever step fails: the service answers on, and a retry works."""

from __future__ import annotations

import errno
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bench.promises.load import under_load
from bench.promises.measured import ROOT, Measured
from bench.promises.models import NAME, REQUEST, publish
from bench.promises.ordering import QUICK, order_job, wait_for_end
from bench.promises.serving import Service, serving
from contract.errors import LitetError, NotFound
from contract.repository import Repository

CODES = (errno.ENOSPC, errno.EIO)
RATE = 50.0
RETRY_EVERY = 5
"""Every so many failed jobs one is ordered again, on a sound disk."""
CLEAN = (
    "failed, nothing published",
    "failed, published, not serving",
    "published, published, not serving",
    "promoted, serving",
    "retry promoted, serving",
)
"""What a job may come to: what it says is what is there, and only where it says so another version serves. Where its
last words are lost, its card speaks for it."""


def fail_the_disk(folder: Path, *, n_steps: int, codes: Sequence[int] = CODES) -> list[Measured]:
    """Fail `n_steps` steps, evenly spread over a job's, with each error number."""
    models, plans = folder / "models", folder / "plans"
    plans.mkdir()
    publish(models)
    outcomes: list[tuple[str, str]] = []
    interpreter = _interpreter(folder, plans)
    with serving(
        models, trainer_python=interpreter, max_running_jobs=len(codes), default_model=NAME, workers=2
    ) as service:

        def act() -> None:
            with ThreadPoolExecutor(len(codes)) as threads:
                fail = partial(_fail_steps, service, Repository(models), plans, n_steps)
                for found in threads.map(fail, codes):
                    outcomes.extend(found)

        load = under_load(service.url, REQUEST, RATE, act)
    n_clean = sum(outcome in CLEAN for _, outcome in outcomes)
    figure = f"{n_clean} of {len(outcomes)} jobs clean, {len(load.failures)} of {load.n_requests:,} requests failed"
    raw = {
        "outcomes": Counter(outcome for _, outcome in outcomes),
        "not_clean": [(step, outcome) for step, outcome in outcomes if outcome not in CLEAN],
        "failures": Counter(load.failures),
    }
    ok = n_clean == len(outcomes) and not load.failures
    return [Measured("a disk that fails ends the job, no more", figure, "100 %, 0", ok, raw)]


def _interpreter(folder: Path, plans: Path) -> Path:
    path = folder / "trainer"
    module = "bench.promises.failing_trainer"
    path.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -P -m {module} '{plans}' \"$@\"\n")
    path.chmod(0o755)
    return path


def _fail_steps(
    service: Service, repository: Repository, plans: Path, n_steps: int, code: int
) -> Iterator[tuple[str, str]]:
    """Step and outcome of each job, on a model of its own, so that several errors can be tried at once."""
    model = errno.errorcode[code].lower()

    def run(fail_at: int) -> str:
        (plans / model).write_text(json.dumps({"fail_at": fail_at, "code": code}))
        return _outcome(service, repository, model)

    # The first job of a model does more than all later ones, such as choosing its held-out rows.
    found = [("none", run(0)), ("none", run(0))]
    steps = _steps(plans, model)
    for number, index in enumerate(_spread(steps, n_steps)):
        outcome = run(index + 1)
        found.append((f"{model} at step {index + 1} of {len(steps)}, {steps[index]}", outcome))
        if number % RETRY_EVERY == 0:
            found.append((f"after step {index + 1}", f"retry {run(0)}"))
    return iter(found)


def _steps(plans: Path, model: str) -> list[str]:
    steps: list[str] = json.loads((plans / f"{model}-steps").read_bytes())
    return steps


def _spread(steps: Sequence[str], n_chosen: int) -> list[int]:
    """Indices spread evenly over the steps, first and last among them; each once."""
    return sorted(set(np.linspace(0, len(steps) - 1, n_chosen).round().astype(int).tolist()))


def _outcome(service: Service, repository: Repository, model: str) -> str:
    """What a job says of its end, and what became of its version, every byte verified."""
    newest = max(repository.versions(model), default=0)
    ended = wait_for_end(service, order_job(service, QUICK, model))
    said = ended["outcome"] or ended["state"]
    versions = repository.versions(model)
    try:
        for version in versions:
            repository.read(model, version)
        current = repository.read_current(model)[0].version
    except NotFound:
        current = 0
    except LitetError as error:
        return f"{said}, damaged: {error}"
    if max(versions, default=0) == newest:
        return f"{said}, nothing published"
    return f"{said}, {'serving' if current == max(versions) else 'published, not serving'}"

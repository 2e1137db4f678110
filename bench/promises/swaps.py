"""A swap under load: nothing is lost, no answer is mixed up, no worker goes back, and nobody feels it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.promises.load import Load, Sample, under_load
from bench.promises.measured import Measured, percentile_ms
from bench.promises.models import NAME, REQUEST, publish, trained
from bench.promises.promoter import promoter
from bench.promises.serving import serving
from contract.model_file import LOGITS
from contract.schema import Schema
from contract.tensors import Tensors
from training.parity import open_session, run_session

N_WORKERS = 2
NEAR_S = 1.0
"""So long before and after a promotion a request counts as one around it."""
AGREE_S = 1.0
MAX_RATIO = 1.5
SAME = 1e-5
"""How far logits may be from those that onnxruntime gives here; the two models' are a thousand times as far apart."""


def swap_under_load(
    folder: Path, *, n_swaps: int, rate: float, gaps_s: tuple[float, float], seed: int = 0
) -> list[Measured]:
    """Promote `n_swaps` versions at random gaps, while requests come at `rate` a second."""
    models = folder / "models"
    publish(models, n_swaps + 1)
    gaps = np.random.default_rng(seed).uniform(*gaps_s, n_swaps + 1).tolist()
    promoted: list[float] = []
    with serving(models, workers=N_WORKERS) as service, promoter(models, NAME) as promote:
        service.worker_pids(N_WORKERS)

        def act() -> None:
            for version, gap in enumerate(gaps[:-1], start=2):
                time.sleep(gap)
                promoted.append(promote(version))
            time.sleep(gaps[-1])

        load = under_load(service.url, REQUEST, rate, act)
    return [_nothing_lost(load, promoted), _all_agree(load, promoted), _not_felt(load, promoted)]


def _nothing_lost(load: Load, promoted: Sequence[float]) -> Measured:
    versions = _versions(load)
    mixed_up = _n_mixed_up(load)
    seen: dict[int, int] = {}
    n_back = 0
    for sample in load.samples:  # in the order in which they were answered
        version = versions[sample.answer]
        n_back += version < seen.get(sample.connection, 0)
        seen[sample.connection] = version
    n_served = len(set(versions.values()))
    raw = {
        "requests": load.n_requests,
        "failures": Counter(load.failures),
        "mixed_up": mixed_up,
        "went_back": n_back,
        "swaps": len(promoted),
        "versions_served": n_served,
    }
    figure = f"{len(load.failures)} failed, {mixed_up} mixed up, {n_back} back of {load.n_requests:,}"
    ok = not (load.failures or mixed_up or n_back) and n_served == len(promoted) + 1
    return Measured("a swap loses nothing", figure, "0, 0, 0", ok, raw)


def _all_agree(load: Load, promoted: Sequence[float]) -> Measured:
    """How long after a promotion the last request was sent that an older version answered."""
    versions = _versions(load)
    due = np.array([sample.due for sample in load.samples])
    answered_by = np.array([versions[sample.answer] for sample in load.samples])
    lags = [
        float(max(0.0, (due[answered_by < version] - at).max(initial=0.0)))
        for version, at in enumerate(promoted, start=2)
    ]
    figure = f"last old answer {max(lags):.2f} s after"
    return Measured("after a swap all connections agree", figure, f"≤ {AGREE_S:g} s", max(lags) <= AGREE_S, {"s": lags})


def _not_felt(load: Load, promoted: Sequence[float]) -> Measured:
    around, steady = _divide(load.samples, promoted)
    near, far = percentile_ms(around, 99), percentile_ms(steady, 99)
    raw = {"n_around": len(around), "n_steady": len(steady)} | {
        f"p{percent:g}_{name}_ms": percentile_ms(seconds, percent)
        for name, seconds in (("around", around), ("steady", steady))
        for percent in (50, 95, 99, 99.9, 100)
    }
    figure = f"p99 {near:.2f} ms around, {far:.2f} ms steady: {near / far:.2f} ×"
    return Measured("a swap is not felt", figure, f"≤ {MAX_RATIO:g} ×", near / far <= MAX_RATIO, raw)


def _divide(samples: Sequence[Sample], promoted: Sequence[float]) -> tuple[list[float], list[float]]:
    """The latencies of the requests around promotions, and of the others."""
    moments = np.array(promoted)
    around: list[float] = []
    steady: list[float] = []
    for sample in samples:
        near = bool((np.abs(moments - sample.due) <= NEAR_S).any())
        (around if near else steady).append(sample.latency_s)
    return around, steady


def _versions(load: Load) -> dict[int, int]:
    """The version that gave each answer."""
    return {index: json.loads(body)["version"] for body, index in load.answers.items()}


def _n_mixed_up(load: Load) -> int:
    """How many answers do not hold what their version's model gives."""
    expected = [_logits(trained(seed)[0]) for seed in (0, 1)]
    wrong = set()
    for body, index in load.answers.items():
        answer = json.loads(body)
        logits = np.array([one["logits"] for one in answer["predictions"]])
        if np.abs(logits - expected[(answer["version"] - 1) % 2]).max() > SAME:
            wrong.add(index)
    return sum(sample.answer in wrong for sample in load.samples)


def _logits(model: bytes) -> np.ndarray:
    """What a model answers to `REQUEST`, float32 `(1, n_classes)`."""
    session = open_session(model)
    schema = Schema.from_metadata(session.get_modelmeta().custom_metadata_map)
    x_num = np.array(json.loads(REQUEST)["instances"], np.float32)
    return run_session(session, Tensors(x_num, np.empty((1, len(schema.categorical)), object), {}))[LOGITS]

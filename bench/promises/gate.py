"""The gate stops what is worse than the version that serves, and lets pass what is as good.

Jobs run in this process. What a candidate is truly worth is measured on rows that no job ever saw.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bench.promises.measured import Measured
from bench.promises.poison import POISONS, Poison, Source
from contract.config import ColumnChoice, make_config
from contract.decision import GateLimits
from contract.errors import CallerError
from contract.job import Decided, Order, Succeeded, read_events
from contract.publishing import Publisher
from training.cells import spell, texts
from training.parts import HeldOut
from training.retrain.comparing import compare_balanced_accuracy, compare_log_loss
from training.retrain.job import retrain
from training.retrain.scoring import open_model, score

LIMITS = GateLimits()
REFUSED = "refused"
"""What a job came to whose data were refused: nothing was trained, so nothing can be promoted."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A retrain of a table: what it came to, why, and whether what it made is worse, on rows that nobody saw.

    `is_worse` says that it is, beyond the tolerance and beyond chance; None where nothing was made.
    """

    table: str
    what: str
    outcome: str
    why: str
    worse_by: tuple[float, float] | None
    is_worse: bool | None


def stop_poison(folder: Path, sources: Iterable[Source], *, n_clean: int) -> list[Measured]:
    """Retrain every table poisoned in every way, and clean with other seeds, `n_clean` times in all."""
    poisoned: list[Trial] = []
    clean: list[Trial] = []
    sources = list(sources)
    for number, source in enumerate(sources):
        home = folder / source.name
        _first_job(home, source)
        poisoned += [_try(home, source, name, poison, seed=0) for name, poison in POISONS.items()]
        seeds = range(1, 1 + len(range(number, n_clean, len(sources))))
        clean += [_try(home, source, f"clean, seed {seed}", _as_it_is, seed) for seed in seeds]
    return [_worse_is_stopped(poisoned), _good_passes(clean)]


def _worse_is_stopped(trials: list[Trial]) -> Measured:
    worse = [trial for trial in trials if trial.is_worse]
    passed = [trial for trial in worse if trial.outcome == "promoted"]
    outcomes = Counter(trial.outcome for trial in trials)
    figure = (
        f"{len(worse) - len(passed)} of {len(worse)} worse candidates held; "
        f"{outcomes[REFUSED]} of {len(trials)} tables refused before"
    )
    raw = {"outcomes": outcomes, "passed": passed, "trials": trials}
    return Measured("the gate stops poison", figure, "all", not passed, raw)


def _good_passes(trials: list[Trial]) -> Measured:
    blocked = [trial for trial in trials if trial.outcome != "promoted"]
    figure = f"{len(blocked)} of {len(trials)} clean candidates held"
    return Measured("the gate lets clean tables pass", figure, "0", not blocked, {"trials": trials})


def _first_job(home: Path, source: Source) -> None:
    _run(home, source, source.inside, seed=0, name="first")


def _try(home: Path, source: Source, what: str, poison: Poison, seed: int) -> Trial:
    """One more job after the first, in a copy of what that left."""
    copy = home.with_name(f"{home.name}, {what}")
    shutil.copytree(home, copy)
    frame = poison(source.inside, source.target, np.random.default_rng(seed))
    outcome, why = _run(copy, source, frame, seed, "second")
    worse_by, is_worse = _worth(copy, source)
    shutil.rmtree(copy)
    return Trial(source.name, what, outcome, why, worse_by, is_worse)


def _as_it_is(frame: pl.DataFrame, _target: str, _rng: np.random.Generator) -> pl.DataFrame:
    return frame


def _run(home: Path, source: Source, frame: pl.DataFrame, seed: int, name: str) -> tuple[str, str]:
    """What a job on these rows comes to, and why."""
    folder = home / name
    folder.mkdir(parents=True)
    table = folder / "table.parquet"
    frame.write_parquet(table)
    publisher = Publisher(home / "models")
    order = Order(
        id=name,
        fence=publisher.raise_fence(source.name),
        model=source.name,
        models=str(publisher.root),
        table=str(table),
        dataset=source.name,
        target=source.target,
        held_out=str(home / "held-out"),
        config=make_config(seed=seed),
        columns=ColumnChoice(),
        promote="auto",
        data_checks="refuse",
        limits=LIMITS,
        requested_by="bench",
    )
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            retrain(order, folder)
        except CallerError as error:
            return REFUSED, str(error)
    events, _ = read_events(folder)
    why = "; ".join(reason for event in events if isinstance(event, Decided) for reason in event.gate.reasons)
    return next(event.outcome for event in events if isinstance(event, Succeeded)), why


def _worth(home: Path, source: Source) -> tuple[tuple[float, float] | None, bool | None]:
    """How much worse the second version is than the first, by log loss and balanced accuracy, and whether clearly."""
    publisher = Publisher(home / "models")
    if publisher.versions(source.name) == [1]:
        return None, None
    first, second = (open_model(publisher.read(source.name, version).model) for version in (1, 2))
    absent = [name for name in (one.name for one in second.schema.features) if name not in source.outside.columns]
    rows = source.outside.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    outside = HeldOut(rows, np.empty(0, np.int64))
    classes = spell(texts(rows[source.target])).rank("dense").to_numpy().astype(np.int64) - 1
    before, after = (score(model, outside, source.target) for model in (first, second))
    found = (
        compare_log_loss(before, after, LIMITS.log_loss_tolerance),
        compare_balanced_accuracy(before, after, classes, LIMITS.balanced_accuracy_tolerance),
    )
    tolerances = (LIMITS.log_loss_tolerance, LIMITS.balanced_accuracy_tolerance)
    clearly = any(one.low > tolerance for one, tolerance in zip(found, tolerances, strict=True))
    return (found[0].worse_by, found[1].worse_by), clearly

"""Seconds until the loss on the same valid rows is first as low as scikit-learn's best.

On two tables of numbers without missing cells, which every library can be given as they are, so that no encoding
decides: `magic` (10 numbers, 2 classes) and `covtype20k` (54, 7 classes). The plain networks all get the same
standardised float32 rows and scikit-learn's own recipe: one hidden layer of 100 ReLU, Adam with 0.001, batches of 200,
at most 200 epochs. litet's default and pytabkit get the raw numbers; their preprocessing is by the clock.

The target is the highest, over the seeds, of the lowest losses that scikit-learn's MLPClassifier reaches with all its
defaults: it reaches that with every seed, and nothing of it depends on litet.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from bench.rivals.tables import Split
from bench.speed import ours, plain
from bench.speed.clock import Clock, Enough, Now
from bench.speed.peers import Curve, Process
from bench.speed.plain import Fit
from bench.speed.rows import Recipe, Rows, of_table

TABLES = ("magic", "covtype20k")
RECIPE = Recipe(hidden=100, batch_size=200, epochs=200, lr=1e-3)
"""scikit-learn's defaults."""
PLAIN: dict[str, Fit] = {
    "litet, one network by the recipe": ours.by_recipe,
    "scikit-learn MLPClassifier": plain.scikit_learn,
    "skorch": plain.skorch,
    "Lightning": plain.lightning,
}
Figures = dict[str, list[Curve]]
"""For each contender a curve for each seed."""


def measure(
    splits: Iterable[Split],
    pytabkit: dict[str, Process],
    now: Now,
    *,
    repeats: int,
    rival_repeats: int,
    limit_s: float,
) -> dict[str, dict[str, object]]:
    """Printed, and as figures. pytabkit, which takes minutes, has the first `rival_repeats` seeds only."""
    figures: dict[str, dict[str, object]] = {}
    for split in splits:
        rows = of_table(split)
        target = max(_best(rows.standardized(), seed, now) for seed in range(repeats))
        contenders = _contenders(rows, pytabkit, now, target, limit_s)
        curves: Figures = {name: [] for name in contenders}
        for seed in range(repeats):
            for name, run in contenders.items():
                if name in pytabkit and seed >= rival_repeats:
                    continue
                print(f"{split.name}: {name}, seed {seed}", file=sys.stderr, flush=True)
                curves[name].append(run(seed))
        _print(split.name, rows, target, curves)
        figures[split.name] = {"target": target, "curves": curves}
    return figures


def reached(curve: Curve, target: float) -> float | None:
    """Seconds after which the loss was first down at the target; None where it never was."""
    return next((seconds for seconds, loss in curve if loss <= target), None)


def _contenders(
    rows: Rows, pytabkit: dict[str, Process], now: Now, target: float, limit_s: float
) -> dict[str, Callable[[int], Curve]]:
    """For each a function of the seed that trains up to the target."""
    standardized = rows.standardized()

    def by_clock(fit: Fit, given: Rows) -> Callable[[int], Curve]:
        def run(seed: int) -> Curve:
            clock = Clock(now, rows.y_valid, target=target, limit_s=limit_s)
            with suppress(Enough):
                fit(given, replace(RECIPE, seed=seed), clock)
            return clock.curve

        return run

    for fit, given in ((ours.default, rows), *((fit, standardized) for fit in PLAIN.values())):
        with suppress(Enough):  # warm-up: imports, allocator, thread pools
            fit(given, RECIPE, Clock(now, rows.y_valid, limit_s=0.0))
    return {
        "litet, default": by_clock(ours.default, rows),
        **{name: by_clock(fit, standardized) for name, fit in PLAIN.items()},
        **{name: partial(_of_process, fit, rows, target, limit_s) for name, fit in pytabkit.items()},
    }


def _of_process(process: Process, rows: Rows, target: float, limit_s: float, seed: int) -> Curve:
    return process(rows, seed, target, limit_s)


def _best(rows: Rows, seed: int, now: Now) -> float:
    """The lowest valid loss of scikit-learn's MLPClassifier with all its defaults."""
    clock = Clock(now, rows.y_valid)
    model = plain.classifier(rows, clock, random_state=seed)
    clock.start()
    model.fit(rows.x_train, rows.y_train)
    return min(loss for _, loss in clock.curve)


def _print(table: str, rows: Rows, target: float, curves: Figures) -> None:
    n_train, n_valid = len(rows.y_train), len(rows.y_valid)
    print(f"\nseconds to a valid loss of {target:.4f} on {table}, {n_train:,} train and {n_valid:,} valid rows")
    first = None
    for name, of_seeds in curves.items():
        times = [seconds for curve in of_seeds if (seconds := reached(curve, target)) is not None]
        share = f"{len(times)} of {len(of_seeds)}"
        if 2 * len(times) <= len(of_seeds):
            best = min(loss for curve in of_seeds for _, loss in curve)
            spent = statistics.median(curve[-1][0] for curve in of_seeds)
            print(f"  {name:<46}{'never':>8}   {share} there; best {best:.4f} within {spent:.1f} s")
            continue
        middle = _median(times, len(of_seeds))
        first = first or middle
        epochs = statistics.median(len(curve) for curve in of_seeds)
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"  {name:<46}{middle:8.2f} s {spread:>16}{middle / first:8.2f} ×   {share} there, {epochs:.0f} epochs")


def _median(times: Sequence[float], n_seeds: int) -> float:
    """That of all seeds, where those that never got there took longest; more than half of them did get there."""
    return statistics.median([*times, *[max(times)] * (n_seeds - len(times))])

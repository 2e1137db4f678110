"""Seconds of an epoch beside scikit-learn, skorch and Lightning.

litet also computes the valid loss, the gradient norm and the update ratio of every epoch, as it always does; the others
do not, but for the second row of scikit-learn's, which scores a tenth of the rows after each epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.report import interleave, print_seconds
from bench.speed import ours, plain, rows
from bench.speed.clock import Clock, Now
from bench.speed.plain import Fit
from bench.speed.rows import Recipe, Rows

IRIS = Recipe(hidden=10, batch_size=None, epochs=1_000, lr=0.01)
BIG = Recipe(hidden=128, batch_size=256, epochs=2, lr=1e-3)
CONTENDERS: dict[str, Fit] = {
    "litet": ours.by_recipe,
    "scikit-learn MLPClassifier": plain.scikit_learn,
    "the same, validating": partial(plain.scikit_learn, early_stopping=True),
    "skorch": plain.skorch,
    "Lightning": plain.lightning,
}
Figures = dict[str, list[float]]


def measure(repeats: int, now: Now) -> dict[str, Figures]:
    """Printed, and as figures."""
    small = {name: _timed(fit, rows.iris(), IRIS, now) for name, fit in CONTENDERS.items()}
    large = {name: _timed(fit, rows.big(), BIG, now) for name, fit in CONTENDERS.items()}
    for run in small.values():
        run()  # warm-up: imports, allocator, thread pools
    iris_seconds = {
        name: [seconds * IRIS.epochs for seconds in values] for name, values in interleave(small, repeats).items()
    }
    print_seconds(f"{IRIS.epochs:,} full-batch epochs of 4→10→3 on iris (150 rows)", iris_seconds)
    big_seconds = interleave(large, repeats)
    shape = f"{rows.BIG[0]:,} × {rows.BIG[1]}, {rows.BIG[2]} classes, hidden {BIG.hidden}, batch {BIG.batch_size}"
    print_seconds(f"one epoch of {shape}", big_seconds)
    return {"iris": iris_seconds, "big": big_seconds}


def _timed(fit: Fit, data: Rows, recipe: Recipe, now: Now) -> Callable[[], float]:
    """Seconds of an epoch."""

    def run() -> float:
        clock = Clock(now)
        fit(data, recipe, clock)
        return clock.stop() / recipe.epochs

    return run

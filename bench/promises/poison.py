"""Tables that were poisoned on their way, and the clean ones that they were made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from training.table import read_table

BUILTINS = ("iris", "wine", "breast_cancer", "digits")
EXTERNAL = ("adult", "magic")
"""Tables that lie in a folder of the user's, with the target in their last column."""
MAX_ROWS = 10_000
OUTSIDE = 0.3
"""Share of the rows that no job ever sees: what a candidate is truly worth is measured on them."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table in two: the rows that jobs get, and those that tell what they made of them."""

    name: str
    target: str
    inside: pl.DataFrame
    outside: pl.DataFrame


def read_source(name: str, data: Path | None, seed: int = 0) -> Source:
    """A built-in table, or one of the folder `data`, divided at random."""
    table = read_table(name if data is None else str(data / f"{name}.csv"))
    target = table.target or table.frame.columns[-1]
    frame = table.frame.filter(pl.col(target).is_not_null())
    frame = frame.sample(min(frame.height, MAX_ROWS), shuffle=True, seed=seed)
    n_outside = round(OUTSIDE * frame.height)
    return Source(name, target, frame[n_outside:], frame[:n_outside])


Poison = Callable[[pl.DataFrame, str, np.random.Generator], pl.DataFrame]


def flip_labels(share: float) -> Poison:
    """Give a share of the rows another label, drawn from the others."""

    def poison(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
        labels = frame[target].unique().sort()
        codes = labels.search_sorted(frame[target]).to_numpy()
        chosen = rng.random(frame.height) < share
        other = (codes + rng.integers(1, len(labels), frame.height)) % len(labels)
        return frame.with_columns(labels.gather(np.where(chosen, other, codes)).alias(target))

    return poison


def shuffle_labels(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    """The same labels on other rows."""
    return frame.with_columns(frame[target].gather(rng.permutation(frame.height)).alias(target))


def blank_rows(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    """Two rows in five without any value."""
    blank = pl.Series(rng.random(frame.height) < 0.4)
    return frame.with_columns(
        pl.when(blank).then(None).otherwise(pl.col(name)).alias(name) for name in frame.columns if name != target
    )


def one_class(frame: pl.DataFrame, target: str, _rng: np.random.Generator) -> pl.DataFrame:
    """Only the rows of one class, as of an export with a filter left in."""
    return frame.filter(pl.col(target) == frame[target][0])


def leak(frame: pl.DataFrame, target: str, _rng: np.random.Generator) -> pl.DataFrame:
    """A column that gives the label away, and will not be there when it is asked."""
    labels = frame[target].unique().sort()
    return frame.with_columns(pl.Series("leak", labels.search_sorted(frame[target])).cast(pl.Float64))


POISONS: dict[str, Poison] = {
    **{f"{percent} % of labels flipped": flip_labels(percent / 100) for percent in (0, 10, 20, 30, 40)},
    "labels shuffled": shuffle_labels,
    "rows blanked": blank_rows,
    "one class": one_class,
    "leak": leak,
}

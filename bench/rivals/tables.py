"""Tables with a label: each split once, the first 80 % of its rows to train on, the last 20 % to test on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

TARGET = "target"
TRAIN_SHARE = 0.8
BUILT_IN = ("iris", "wine", "breast_cancer", "digits")
SEED = 0
"""Of the order of the built-in tables' rows, which come sorted by class; files are taken as they are."""


@dataclass(frozen=True, slots=True)
class Split:
    """A table's rows. Texts are categories. `path` is where all of it stands as CSV, train rows first."""

    name: str
    path: Path
    frame: pl.DataFrame
    n_train: int

    @property
    def test(self) -> pl.DataFrame:
        return self.frame.tail(self.frame.height - self.n_train)

    @property
    def categorical(self) -> list[str]:
        """The names of the features that are texts."""
        return [name for name, dtype in self.frame.schema.items() if dtype == pl.String and name != TARGET]

    @property
    def labels(self) -> list[str]:
        """All classes as texts, in the order that every model is asked to answer in."""
        return sorted(self.frame[TARGET].cast(pl.String).unique().to_list())

    def fingerprint(self) -> str:
        """Changes with the rows."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def read_folder(folder: Path) -> Iterator[Split]:
    """Every CSV of a folder, by name; its label is the column `target`."""
    for path in sorted(folder.glob("*.csv")):
        yield _split(path.stem, path)


def built_in(folder: Path) -> Iterator[Split]:
    """scikit-learn's own tables, written to a folder."""
    from sklearn import datasets  # half a second, for those without a folder

    for name in BUILT_IN:
        data = getattr(datasets, f"load_{name}")()
        order = np.random.default_rng(SEED).permutation(len(data.target))
        columns = {str(column): data.data[order, i] for i, column in enumerate(data.feature_names)}
        path = folder / f"{name}.csv"
        pl.DataFrame({**columns, TARGET: data.target[order]}).write_csv(path)
        yield _split(name, path)


def _split(name: str, path: Path) -> Split:
    frame = pl.read_csv(path, infer_schema_length=None)
    return Split(name, path, frame, int(frame.height * TRAIN_SHARE))

"""What the servers are asked: rows drawn once, and the probabilities that the model file itself gives for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime as ort
import polars as pl

from bench.peers.wrk import RunFailed

LITET = Path(sys.executable).with_name("litet")
MAX_ROWS = 10_000
IRIS_RANGES = {
    "sepal_length": (4.3, 7.9),
    "sepal_width": (2.0, 4.4),
    "petal_length": (1.0, 6.9),
    "petal_width": (0.1, 2.5),
}
SPECIES = ("Adelie", "Chinstrap", "Gentoo")
ISLANDS = ("Biscoe", "Dream", "Torgersen")
CENTRES = {
    "bill_length_mm": (38.8, 48.8, 47.5),
    "bill_depth_mm": (18.3, 18.4, 15.0),
    "flipper_length_mm": (190.0, 196.0, 217.0),
    "body_mass_g": (3700.0, 3730.0, 5080.0),
}


@dataclass(frozen=True)
class Rows:
    """A table without its labels, in the order of the model's features: numbers first, then texts."""

    frame: pl.DataFrame
    model: Path

    def take(self, n_rows: int) -> Rows:
        """The first rows."""
        return Rows(self.frame.head(n_rows), self.model)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """What a bare onnxruntime session on the model file answers, float32 `(n_samples, n_classes)`."""
        texts = self.frame.select(pl.col(pl.String))
        feed: dict[str, np.ndarray] = {"x_num": self.frame.select(pl.col(pl.Float64)).to_numpy().astype(np.float32)}
        if texts.width:
            feed["x_cat"] = texts.to_numpy().astype(object)
        session = ort.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        answer: np.ndarray = session.run(["probabilities"], feed)[0]
        return answer


def iris_rows(model: Path) -> Rows:
    """Rows of four numbers with one digit each, as in the iris table."""
    rng = np.random.default_rng(0)
    columns = {name: rng.uniform(*ends, MAX_ROWS).round(1) for name, ends in IRIS_RANGES.items()}
    return Rows(pl.DataFrame(columns), model)


def train_mixed(folder: Path) -> Rows:
    """A model of four numbers and two texts, published as `penguins` in `folder` by `litet train`, and rows for it.

    Its network is the one of the iris model, so that what differs is how a row is read.

    Raises:
        RunFailed: the training did not succeed.
    """
    table = folder.with_suffix(".csv")
    columns = _penguins(1_000)
    pl.DataFrame(columns).write_csv(table)
    options = ["--name", "penguins", "--target", "species", "--preset", "reference", "--standardize"]
    command = [str(LITET), "train", str(table), *options, "--models", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RunFailed(f"litet train: {finished.stderr.strip()[-200:]}")
    del columns["species"]
    return Rows(pl.DataFrame(columns), folder / "penguins" / "1" / "model.onnx")


def _penguins(n_rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    species = rng.integers(0, len(SPECIES), n_rows)
    columns: Mapping[str, np.ndarray] = {
        name: (np.array(centres)[species] * rng.normal(1, 0.05, n_rows)).round(1) for name, centres in CENTRES.items()
    }
    return {
        **columns,
        "island": np.where(rng.random(n_rows) < 0.5, species, rng.integers(0, 3, n_rows)).choose(ISLANDS),
        "sex": rng.choice(["FEMALE", "MALE"], n_rows),
        "species": species.choose(SPECIES),
    }

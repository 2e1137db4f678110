"""Tables, models and the cards that a repository would hold with them."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from contract.card import Card, ModelFile, Origin
from contract.config import TrainingConfig, make_config
from contract.repository import Artifact
from training.run import TrainedModel
from training.table import Table, read_table

QUICK = make_config("reference", max_epochs=150, standardize=True)
"""Enough for the built-in tables, in a tenth of a second."""


def table_of(frame: pl.DataFrame, sha256: str = "0" * 64) -> Table:
    return Table(frame=frame, source="made.csv", sha256=sha256, target=None, warnings=())


def builtin(name: str) -> tuple[Table, str]:
    table = read_table(name)
    assert table.target is not None
    return table, table.target


def with_flips(table: Table, target: str, share: float, seed: int = 1) -> Table:
    """A later version of the table, some of whose labels are wrong."""
    rng = np.random.default_rng(seed)
    labels = table.frame[target].to_list()
    for row in np.flatnonzero(rng.random(len(labels)) < share):
        labels[row] = rng.choice(sorted(set(labels) - {labels[row]})).item()
    return table_of(table.frame.with_columns(pl.Series(target, labels)), sha256="1" * 64)


def with_shuffled_labels(table: Table, target: str) -> Table:
    return table_of(table.frame.with_columns(table.frame[target].shuffle(seed=1)), sha256="2" * 64)


def artifact(trained: TrainedModel, version: int = 1, origin: Origin | None = None) -> Artifact:
    card = Card(
        name="flowers",
        version=version,
        parent_version=None,
        created_at="2026-01-01T00:00:00+00:00",
        model_file=ModelFile(size_bytes=len(trained.model), sha256=hashlib.sha256(trained.model).hexdigest()),
        origin=origin,
        report=trained.report,
    )
    return Artifact(card=card, model=trained.model)


def seeded(seed: int, config: TrainingConfig = QUICK) -> TrainingConfig:
    return make_config(**(config.to_json() | {"seed": seed}))

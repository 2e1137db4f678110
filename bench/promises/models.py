"""Small trained models to publish, damage and swap."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from contract.card import Report
from contract.config import ColumnChoice, make_config
from contract.publishing import Publisher
from training.observer import Observer
from training.run import train_model
from training.table import read_table

NAME = "iris"
REQUEST = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
N_EPOCHS = 5


@cache
def trained(seed: int = 0, hidden_sizes: tuple[int, ...] = (10,)) -> tuple[bytes, Report]:
    """A model file on iris and its report: valid, though hardly trained. Seeds differ in every answer."""
    table = read_table("iris")
    config = make_config("reference", seed=seed, hidden_sizes=list(hidden_sizes), max_epochs=N_EPOCHS)
    model = train_model(table, table.target or "", config, ColumnChoice(), Observer())
    return model.model, model.report


def publish(models: Path, n_versions: int = 1, hidden_sizes: tuple[int, ...] = (10,)) -> Publisher:
    """A repository in which version 1 serves. Odd versions hold the model of seed 0, even ones that of seed 1."""
    publisher = Publisher(models)
    for version in range(n_versions):
        publisher.publish(NAME, *trained(version % 2, hidden_sizes))
    publisher.promote(NAME, 1)
    return publisher

"""litet by the same clock: one plain network by the others' recipe, and the default."""

from __future__ import annotations

from unittest import mock

import numpy as np
import polars as pl
import torch

from bench.rivals.tables import TARGET
from bench.speed.clock import Clock
from bench.speed.rows import Recipe, Rows
from contract.card import EpochRecord
from contract.config import ColumnChoice, TrainingConfig, make_config
from training import fitting
from training.calibration import softmax
from training.columns import choose_columns
from training.ensemble import Ensemble
from training.loop import Samples, fit
from training.losses import CrossEntropy
from training.network import Network, predict_logits
from training.observer import Observer
from training.parts import HeldOut, make_parts
from training.pipeline import fit_model
from training.preprocessing import Preprocessing
from training.threads import threads_for


def by_recipe(rows: Rows, recipe: Recipe, clock: Clock) -> None:
    """The others' network, optimizer, step and batch; valid loss, gradient norm and update ratio are by the clock."""
    config = make_config(
        "reference", hidden_sizes=(recipe.hidden,), batch_size=recipe.batch_size, max_epochs=recipe.epochs,
        lr=recipe.lr, seed=recipe.seed,
    )  # fmt: skip
    train, valid = (
        Samples(torch.from_numpy(x), torch.from_numpy(y))
        for x, y in ((rows.x_train, rows.y_train), (rows.x_valid, rows.y_valid))
    )
    d_in = train.x.shape[1]
    torch.manual_seed(recipe.seed)
    network = Network(d_in, config.hidden_sizes, rows.n_classes, activation=config.activation)

    def on_epoch(_record: EpochRecord) -> None:
        if clock.is_watching:
            clock.epoch(lambda: softmax(predict_logits(network, valid.x).numpy()))

    clock.start()
    with threads_for(config, d_in, len(train.y)):
        fit(network, CrossEntropy(), train, valid, config, on_epoch)


def default(rows: Rows, recipe: Recipe, clock: Clock) -> None:
    """The preset `default` on the table's own numbers; finding its columns and its preprocessing are by the clock.

    What it leaves out to judge its members by is of the train rows.
    """
    table, held_out = _frame(rows)
    config = make_config(seed=recipe.seed)
    built: list[tuple[Network | Ensemble, Preprocessing]] = []
    build = fitting.build_network

    def note(
        preprocessing: Preprocessing, n_classes: int, config: TrainingConfig, x: torch.Tensor
    ) -> Network | Ensemble:
        built.append((build(preprocessing, n_classes, config, x), preprocessing))
        return built[-1][0]

    class Watch(Observer):
        def epoch(self, _record: EpochRecord, _max_epochs: int) -> None:
            clock.epoch(lambda: softmax(fitting.logits_function(*built[-1])(parts.test.tensors)))

    clock.start()
    columns = choose_columns(table, TARGET, ColumnChoice(), config.max_categories)
    parts = make_parts(table, TARGET, columns, config, held_out)
    with mock.patch.object(fitting, "build_network", note):  # the observer is not told of the network
        fit_model(parts.schema, parts.train, parts.valid, parts.test.tensors, config, Watch())


def _frame(rows: Rows) -> tuple[pl.DataFrame, HeldOut]:
    """All rows as a table, and of it the valid ones."""
    x, y = (np.concatenate(pair) for pair in ((rows.x_train, rows.x_valid), (rows.y_train, rows.y_valid)))
    frame = pl.DataFrame({f"column {i}": column for i, column in enumerate(x.T)} | {TARGET: y})
    n_train = len(rows.y_train)
    return frame, HeldOut(frame.tail(frame.height - n_train), np.arange(n_train, frame.height))

"""The same plain network in scikit-learn, skorch and Lightning, each told the recipe and else left at its defaults."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.speed.clock import Clock
from bench.speed.rows import Recipe, Rows

Fit = Callable[[Rows, Recipe, Clock], None]
"""Trains once, by the clock; whatever can be done before is not part of its seconds."""


def scikit_learn(rows: Rows, recipe: Recipe, clock: Clock, *, early_stopping: bool = False) -> None:
    """Goes on to the recipe's last epoch. With `early_stopping` it scores a tenth of the rows after each epoch."""
    model = classifier(
        rows, clock, hidden_layer_sizes=(recipe.hidden,), learning_rate_init=recipe.lr, max_iter=recipe.epochs,
        batch_size=recipe.batch_size or len(rows.y_train), tol=0, n_iter_no_change=recipe.epochs,
        early_stopping=early_stopping, random_state=recipe.seed,
    )  # fmt: skip
    clock.start()
    model.fit(rows.x_train, rows.y_train)


def classifier(rows: Rows, clock: Clock, **parameters: object) -> MLPClassifier:
    """One that tells a watching clock of its epochs, by the method that it calls after each."""

    class Watched(MLPClassifier):
        def _update_no_improvement_count(self, *arguments: object) -> None:
            super()._update_no_improvement_count(*arguments)
            clock.epoch(lambda: self.predict_proba(rows.x_valid))

    return (Watched if clock.is_watching else MLPClassifier)(**parameters)


def skorch(rows: Rows, recipe: Recipe, clock: Clock) -> None:
    """Without its own split."""
    from skorch import NeuralNetClassifier
    from skorch.callbacks import Callback

    class Watch(Callback):
        def on_epoch_end(self, net: NeuralNetClassifier, **_: object) -> None:
            clock.epoch(lambda: net.predict_proba(rows.x_valid))

    torch.manual_seed(recipe.seed)
    model = NeuralNetClassifier(
        _network(rows, recipe), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=recipe.lr,
        batch_size=recipe.batch_size or -1, max_epochs=recipe.epochs, train_split=None, iterator_train__shuffle=True,
        verbose=0, callbacks=[Watch()] if clock.is_watching else None,
    )  # fmt: skip
    clock.start()
    model.fit(rows.x_train, rows.y_train)


def lightning(rows: Rows, recipe: Recipe, clock: Clock) -> None:
    """Without logger, checkpoints and bars."""
    from lightning import Callback, LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = _network(rows, recipe)

        def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=recipe.lr)

    class Watch(Callback):
        def on_train_epoch_end(self, _trainer: Trainer, module: Module) -> None:  # type: ignore[override] # ours
            clock.epoch(lambda: _probabilities(module.network, rows.x_valid))

    torch.manual_seed(recipe.seed)
    data = TensorDataset(torch.from_numpy(rows.x_train), torch.from_numpy(rows.y_train))
    loader = DataLoader(data, batch_size=recipe.batch_size or len(data), shuffle=True)
    trainer = Trainer(
        max_epochs=recipe.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[Watch()] if clock.is_watching else None,
    )  # fmt: skip
    module = Module()
    clock.start()
    trainer.fit(module, loader)


def quieten() -> None:
    """No warnings of what is on purpose, no banners."""
    import lightning  # noqa: F401 # which sets the levels

    warnings.simplefilter("ignore")
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _network(rows: Rows, recipe: Recipe) -> nn.Sequential:
    d_in = rows.x_train.shape[1]
    return nn.Sequential(nn.Linear(d_in, recipe.hidden), nn.ReLU(), nn.Linear(recipe.hidden, rows.n_classes))


def _probabilities(network: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(x)).softmax(dim=1).numpy()

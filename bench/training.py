"""Training speed beside scikit-learn, skorch and Lightning, in one run: `make bench-training`.

Everyone trains the same architecture with Adam on the same rows, with its own defaults for everything else. litet also
computes the valid loss, the gradient norm and the update ratio of every epoch, as it always does; the others do not,
but for the second row of scikit-learn's, which scores a tenth of the rows after each epoch.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.report import interleave, print_seconds, save
from contract.config import make_config
from training.loop import Samples, fit
from training.network import Network
from training.threads import threads_for

IRIS_EPOCHS = 1_000
BIG = (200_000, 54, 7)
BIG_HIDDEN = 128
BIG_BATCH = 256
BIG_EPOCHS = 2


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    x, y = load_iris(return_X_y=True)
    iris = contenders(x.astype(np.float32), y, hidden=10, batch_size=None, epochs=IRIS_EPOCHS, lr=0.01)
    rng = np.random.default_rng(0)
    big_x = rng.normal(size=BIG[:2]).astype(np.float32)
    big_y = (big_x @ rng.normal(size=(BIG[1], BIG[2])) + rng.normal(size=(BIG[0], BIG[2]))).argmax(axis=1)
    big = contenders(big_x, big_y, hidden=BIG_HIDDEN, batch_size=BIG_BATCH, epochs=BIG_EPOCHS, lr=1e-3)
    for run in iris.values():
        run()  # warm-up: imports, allocator, thread pools
    iris_seconds = interleave(iris, repeats)
    print_seconds(f"{IRIS_EPOCHS} full-batch epochs of 4→10→3 on iris (150 rows)", iris_seconds)
    big_seconds = interleave({name: _per_epoch(run) for name, run in big.items()}, repeats)
    print_seconds(f"one epoch of 200,000 × 54, 7 classes, hidden {BIG_HIDDEN}, batch {BIG_BATCH}", big_seconds)
    save("training", {"iris": iris_seconds, "big": big_seconds})


def contenders(
    x: np.ndarray, y: np.ndarray, *, hidden: int, batch_size: int | None, epochs: int, lr: float
) -> dict[str, Callable[[], float]]:
    """For each library a function that trains once and answers the seconds its fit took."""
    n_classes = int(y.max()) + 1

    def litet() -> float:
        config = make_config(
            "reference", hidden_sizes=(hidden,), batch_size=batch_size, max_epochs=epochs, lr=lr, patience=None
        )
        train = Samples(torch.from_numpy(x), torch.from_numpy(y))
        valid = Samples(train.x[::5], train.y[::5])
        network = Network(x.shape[1], (hidden,), n_classes, activation="relu")
        started = time.perf_counter()
        with threads_for(config, x.shape[1], len(y)):
            fit(network, nn.CrossEntropyLoss(), train, valid, config)
        return time.perf_counter() - started

    def scikit_learn(*, validate: bool = False) -> float:
        model = MLPClassifier(
            (hidden,), learning_rate_init=lr, batch_size=batch_size or len(y), max_iter=epochs, tol=0, alpha=0,
            n_iter_no_change=epochs, early_stopping=validate,
        )  # fmt: skip
        started = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - started

    def skorch() -> float:
        from skorch import NeuralNetClassifier

        model = NeuralNetClassifier(
            _plain(x.shape[1], hidden, n_classes), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=lr,
            batch_size=batch_size or -1, max_epochs=epochs, train_split=None, iterator_train__shuffle=True, verbose=0,
        )  # fmt: skip
        started = time.perf_counter()
        model.fit(x, y)
        return time.perf_counter() - started

    def lightning() -> float:
        import lightning

        data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        loader = DataLoader(data, batch_size=batch_size or len(y), shuffle=True)
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        module = _lightning_module(_plain(x.shape[1], hidden, n_classes), lr)
        started = time.perf_counter()
        trainer.fit(module, loader)
        return time.perf_counter() - started

    return {
        "litet": litet,
        "scikit-learn MLPClassifier": scikit_learn,
        "the same, validating": partial(scikit_learn, validate=True),
        "skorch": skorch,
        "Lightning": lightning,
    }


def _per_epoch(run: Callable[[], float]) -> Callable[[], float]:
    return lambda: run() / BIG_EPOCHS


def _plain(d_in: int, hidden: int, d_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_in, hidden), nn.ReLU(), nn.Linear(hidden, d_out))


def _lightning_module(network: nn.Module, lr: float) -> nn.Module:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def training_step(self, batch: list[torch.Tensor], _index: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=lr)

    return Module()


if __name__ == "__main__":
    main()

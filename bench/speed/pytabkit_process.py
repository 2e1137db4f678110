"""Fits one of pytabkit's networks and writes its curve: run by the interpreter of its own environment, without litet.

`python -m bench.speed.pytabkit_process MODEL ROWS.npz SEED TARGET LIMIT_S NOW OUT.json`. It is given raw numbers, since
each brings its own preprocessing, and the valid rows, which it judges itself by after every epoch in any case.
"""

import json
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from bench.speed.clock import Clock, Enough

FEW_ROWS = 400
"""Of a first fit, which pays for imports and thread pools."""


def make(name, seed, n_epochs=None):
    """A model at its defaults, but for the epochs of a first fit."""
    from pytabkit import MLP_RTDL_D_Classifier, RealMLP_TD_Classifier

    if name == "MLP-RTDL":
        return MLP_RTDL_D_Classifier(random_state=seed, device="cpu", max_epochs=n_epochs)
    honest = {"use_ls": False, "val_metric_name": "cross_entropy"} if name.endswith("smoothing") else {}
    return RealMLP_TD_Classifier(random_state=seed, device="cpu", verbosity=0, n_epochs=n_epochs, **honest)


def watch_lightning(clock):
    """RealMLP judges the valid rows itself; its answers are told the clock."""
    from pytabkit.models.training.lightning_modules import TabNNModule

    judge = TabNNModule.on_validation_epoch_end

    def watched(module):
        logits = torch.cat(module.val_preds, dim=-2)[0]
        judge(module)
        clock.epoch(lambda: logits.softmax(dim=-1).numpy())

    TabNNModule.on_validation_epoch_end = watched


def watch_skorch(clock):
    """pytabkit's plain networks are skorch's."""
    from pytabkit.models.nn_models.rtdl_resnet import NeuralNetClassifierWrapped
    from skorch.utils import to_numpy

    def on_epoch_end(net, *_, dataset_valid, **__):
        clock.epoch(lambda: to_numpy(net.forward(dataset_valid).softmax(dim=-1)))

    NeuralNetClassifierWrapped.on_epoch_end = on_epoch_end


def main():
    """Fit, write."""
    warnings.simplefilter("ignore")
    name, path, seed, target, limit_s, now, out = sys.argv[1:]
    rows = np.load(path)
    x, y, x_valid, y_valid = (rows[key] for key in ("x_train", "y_train", "x_valid", "y_valid"))
    make(name, int(seed), n_epochs=1).fit(x[:FEW_ROWS], y[:FEW_ROWS])
    clock = Clock(getattr(time, now), y_valid, target=float(target), limit_s=float(limit_s))
    (watch_skorch if name == "MLP-RTDL" else watch_lightning)(clock)
    model = make(name, int(seed))
    clock.start()
    with suppress(Enough):
        model.fit(x, y, x_valid, y_valid)
    Path(out).write_text(json.dumps(clock.curve))


if __name__ == "__main__":
    main()

"""Fits litet's default on one table and writes its answers, as `bench.rivals.peer` does for the others.

`python -m bench.rivals.ours TABLE.csv N_TRAIN SEED OUT.npz [FIELD=JSON…]`. The test rows are held out from training for
good; everything else is trained on, as for the others.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import sklearn.metrics  # peers' libraries are imported before the clock starts, too
import sklearn.tree  # noqa: F401

from bench.rivals.tables import TARGET
from contract.config import make_config
from contract.model_file import PROBABILITIES
from contract.schema import label_text
from training.dataset import frame_tensors
from training.parity import open_session, run_session
from training.parts import HeldOut
from training.run import train_model
from training.table import read_table

N_SINGLE = 200


def main() -> None:
    """Fit, answer, write."""
    path, n_train, seed, out, *fields = sys.argv[1:]
    overrides = {name: json.loads(value) for name, _, value in (field.partition("=") for field in fields)}
    table = read_table(Path(path))
    test = table.frame.tail(table.frame.height - int(n_train))
    held_out = HeldOut(test, np.arange(int(n_train), table.frame.height))
    config = make_config(**{"seed": int(seed)} | overrides)
    started = time.perf_counter()
    trained = train_model(table, TARGET, config, held_out=held_out)
    seconds = time.perf_counter() - started
    session = open_session(trained.model)
    tensors = frame_tensors(trained.schema, test)
    probabilities = run_session(session, tensors)[PROBABILITIES].astype(np.float64)
    labels = [label_text(label) for label in trained.schema.labels]
    order = [labels.index(label) for label in sorted(labels)]
    singles = [tensors.take(np.array([i])).feed() for i in range(min(N_SINGLE, tensors.n_samples))]
    took = []
    for one in singles:
        began = time.perf_counter()
        session.run(None, one)
        took.append(time.perf_counter() - began)
    np.savez(
        out,
        probabilities=probabilities[:, order],
        seconds=seconds,
        n_bytes=len(trained.model),
        us_per_row=np.median(took) * 1e6,
    )


if __name__ == "__main__":
    main()

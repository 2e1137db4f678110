"""Fits litet's default on one table and writes its answers, as `bench.rivals.peer` does for the others.

`python -m bench.rivals.ours TABLE.csv N_TRAIN SEED OUT.npz [PARAMETER=JSON…]`. It is the estimator that is fitted, as
theirs are, on all train rows.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import sklearn.tree  # noqa: F401 # peers' libraries are imported before the clock starts, too

import training.pipeline  # noqa: F401
from bench.rivals.tables import TARGET
from training.compare.measuring import median_us
from training.dataset import frame_tensors
from training.estimator import LitetClassifier
from training.parity import open_session
from training.table import read_table

N_SINGLE = 200


def main() -> None:
    """Fit, answer, write."""
    path, n_train, seed, out, *given = sys.argv[1:]
    parameters = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given)}
    frame = read_table(Path(path)).frame
    x, y = frame.drop(TARGET), frame[TARGET].cast(pl.String).to_numpy().astype(str)
    train, test = x.head(int(n_train)), x.tail(x.height - int(n_train))
    classifier = LitetClassifier(**{"random_state": int(seed)} | parameters)
    started = time.perf_counter()
    classifier.fit(train, y[: int(n_train)])
    seconds = time.perf_counter() - started
    probabilities = np.zeros((test.height, len(np.unique(y))))
    probabilities[:, np.searchsorted(np.unique(y), classifier.classes_)] = classifier.predict_proba(test)
    model = Path(out).with_suffix(".onnx")
    classifier.export(model)
    singles = [frame_tensors(classifier.schema_, row).feed() for row in test.head(N_SINGLE).iter_slices(1)]
    np.savez(
        out,
        probabilities=probabilities,
        seconds=seconds,
        n_bytes=model.stat().st_size,
        us_per_row=median_us(partial(open_session(model.read_bytes()).run, None), singles),
    )


if __name__ == "__main__":
    main()

"""A published model and its peers on one table: fitted on the same rows, tested on the same others."""

from __future__ import annotations

import pickle
import time
from functools import partial

import msgspec
import numpy as np

from contract.repository import Artifact
from training.compare.measuring import Measured, median_us
from training.compare.net import Net, open_net
from training.compare.peers import PEERS, Matrix, encode
from training.compare.result import Difference, Result
from training.dataset import frame_tensors, split_rows
from training.labels import read_labels
from training.observer import Observer
from training.parity import run_session
from training.parts import Part
from training.retrain.comparing import resampled_means
from training.table import Table

NET = "litet"
N_SINGLE = 100
"""Test rows that are answered one by one, to time that."""
INTERVAL = (0.025, 0.975)


def compare(artifact: Artifact, table: Table, target: str, observer: Observer) -> Result:
    """The model beside each of `PEERS`, on the rows of `table`.

    The rows are dealt out as in training, by the version's own options. Where the version was trained on this very
    table, it is tested as it is. Otherwise it may know the test rows, so a network with its features and options is
    fitted anew. Peers learn from every row that is no test row, and have the net's features.

    Raises:
        InvalidData: the table lacks the target or a feature of the model, or cannot be trained on.
        InvalidConfig: the version's card has options that this litet does not know.
        TrainingDiverged: the loss of the network that was fitted anew grew without bound.
    """
    net = open_net(artifact, table, target, observer)
    schema = net.model.opened.schema
    _, y = read_labels(table.frame, target)
    numbers = split_rows(y, **msgspec.structs.asdict(net.deal)).test
    train, test = (
        Part(frame_tensors(schema, table.frame[rows]), y[rows])
        for rows in (np.setdiff1d(np.flatnonzero(y >= 0), numbers), numbers)
    )
    observer.stage(f"testing {NET}")
    measured = [_measure_net(net, test)]
    of_train, of_test = encode(train.tensors, test.tensors)
    for name in PEERS:
        observer.stage(f"fitting {name}")
        measured.append(_measure_peer(name, of_train, train.y, of_test, net.deal.seed))
    contenders = tuple(one.contender(test.y, schema.labels) for one in measured)
    best = min(range(1, len(contenders)), key=lambda index: contenders[index].log_loss)
    difference = _difference(measured[0], measured[best], test.y)
    return Result(
        name=artifact.card.name,
        version=artifact.card.version,
        source=table.source,
        target=target,
        why_anew=net.why_anew,
        n_train=len(train.y),
        n_test=len(test.y),
        contenders=contenders,
        difference=difference,
        verdict=difference.verdict,
    )


def _measure_net(net: Net, test: Part) -> Measured:
    singles = [test.tensors.take(np.array([row])) for row in range(min(N_SINGLE, len(test.y)))]
    return Measured(
        name=NET,
        probabilities=net.model.probabilities(test.tensors),
        fit_seconds=net.fit_seconds,
        size_bytes=len(net.model.content),
        us_per_row=median_us(partial(run_session, net.model.opened.session), singles),
    )


def _measure_peer(name: str, train: Matrix, y: np.ndarray, test: Matrix, seed: int) -> Measured:
    started = time.perf_counter()
    model = PEERS[name](train, y, seed)
    seconds = time.perf_counter() - started
    singles = [test.values[row : row + 1] for row in range(min(N_SINGLE, len(test.values)))]
    return Measured(
        name=name,
        probabilities=np.asarray(model.predict_proba(test.values)),
        fit_seconds=seconds,
        size_bytes=len(pickle.dumps(model)),
        us_per_row=median_us(model.predict_proba, singles),
    )


def _difference(net: Measured, peer: Measured, y: np.ndarray) -> Difference:
    higher = net.losses(y) - peer.losses(y)
    low, high = np.quantile(resampled_means(higher), INTERVAL).tolist()
    return Difference(peer=peer.name, log_loss=float(higher.mean()), low=low, high=high)

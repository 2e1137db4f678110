"""A published model and its peers on one table: fitted on the same rows, tested on the same others."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
import numpy as np

from contract.card import Card
from contract.config import ColumnChoice, TrainingConfig, make_config
from contract.repository import Artifact
from contract.schema import Label
from training.columns import require_columns
from training.compare.peers import PEERS, Matrix, encode
from training.compare.result import Contender, Difference, Result
from training.dataset import frame_tensors, split_rows
from training.evaluation import evaluate
from training.labels import read_labels
from training.observer import Observer
from training.parity import run_session
from training.portable_model import PortableModel
from training.retrain.comparing import resampled_means
from training.retrain.held_out import Deal, deal_of
from training.run import train_model
from training.table import Table

Row = TypeVar("Row")

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
    net = _net(artifact, table, target, observer)
    schema = net.model.opened.schema
    _, y = read_labels(table.frame, target)
    test = split_rows(y, **msgspec.structs.asdict(net.deal)).test
    train = np.setdiff1d(np.flatnonzero(y >= 0), test)
    tensors = frame_tensors(schema, table.frame[test])
    rows = _TestRows(y[test], schema.labels)

    observer.stage(f"testing {NET}")
    singles = [tensors.take(np.array([row])) for row in range(min(N_SINGLE, len(test)))]
    answers = {NET: net.model.probabilities(table.frame[test])}
    contenders = [
        rows.contender(
            NET,
            answers[NET],
            fit_seconds=net.fit_seconds,
            size_bytes=len(net.model.content),
            us_per_row=_median_us(partial(run_session, net.model.opened.session), singles),
        )
    ]
    of_train, of_test = encode(frame_tensors(schema, table.frame[train]), tensors)
    for name in PEERS:
        observer.stage(f"fitting {name}")
        answers[name], contender = _peer(name, of_train, y[train], of_test, rows, net.deal.seed)
        contenders.append(contender)
    difference = rows.difference(answers, best=min(contenders[1:], key=lambda one: one.log_loss).name)
    return Result(
        name=artifact.card.name,
        version=artifact.card.version,
        source=table.source,
        target=target,
        why_anew=net.why_anew,
        n_train=len(train),
        n_test=len(test),
        contenders=tuple(contenders),
        difference=difference,
        verdict=difference.verdict,
    )


@dataclass(frozen=True, slots=True)
class _Net:
    """The model file to test, how the rows of the table are dealt out, and why it was fitted anew, where it was."""

    model: PortableModel
    fit_seconds: float
    deal: Deal
    why_anew: str | None


def _net(artifact: Artifact, table: Table, target: str, observer: Observer) -> _Net:
    card, model = artifact.card, PortableModel(artifact.model)
    schema = model.opened.schema
    names = [feature.name for feature in schema.features]
    require_columns(table.frame, [target], "the target")
    require_columns(table.frame, names, "each feature of the model")
    if deal := deal_of(card, table.sha256, target):
        return _Net(model, card.report.training.seconds, deal, why_anew=None)
    choice = ColumnChoice(
        include=tuple(feature.name for feature in schema.numeric),
        categorical=tuple(feature.name for feature in schema.categorical),
        exclude=tuple(name for name in table.frame.columns if name not in (*names, target)),
    )
    config = make_config("default", **card.report.config)
    trained = train_model(table, target, config, choice, observer)
    deal = msgspec.convert(config, Deal, from_attributes=True)
    return _Net(PortableModel(trained.model), trained.report.training.seconds, deal, _why_anew(card, table, target))


def _why_anew(card: Card, table: Table, target: str) -> str:
    version = f"{card.name}/{card.version}"
    if (card.report.data.sha256, card.report.data.target) == (table.sha256, target):
        why = f"{version} came from a job, which held out rows that are not known here"
    else:
        why = f"{version} was trained on another table, and may know rows of this one"
    absent = [name for name in TrainingConfig.__struct_fields__ if name not in card.report.config]
    return f"{why}; its card says nothing of {', '.join(absent)}: they have today's defaults" if absent else why


def _peer(
    name: str, train: Matrix, y: np.ndarray, test: Matrix, rows: _TestRows, seed: int
) -> tuple[np.ndarray, Contender]:
    started = time.perf_counter()
    model = PEERS[name](train, y, seed)
    seconds = time.perf_counter() - started
    probabilities = np.asarray(model.predict_proba(test.values))
    singles = [test.values[row : row + 1] for row in range(min(N_SINGLE, len(test.values)))]
    contender = rows.contender(
        name,
        probabilities,
        fit_seconds=seconds,
        size_bytes=len(pickle.dumps(model)),
        us_per_row=_median_us(model.predict_proba, singles),
    )
    return probabilities, contender


@dataclass(frozen=True, slots=True)
class _TestRows:
    """The true classes of the test rows, int64 `(n_rows,)`, and what all labels are."""

    y: np.ndarray
    labels: tuple[Label, ...]

    def contender(
        self, name: str, probabilities: np.ndarray, *, fit_seconds: float, size_bytes: int, us_per_row: float
    ) -> Contender:
        """The figures of a model that gave these probabilities, `(n_rows, n_classes)`."""
        metrics = evaluate(probabilities, self.y, self.labels)
        return Contender(
            name=name,
            accuracy=metrics.accuracy,
            balanced_accuracy=metrics.balanced_accuracy,
            log_loss=metrics.log_loss,
            ece=metrics.ece,
            fit_seconds=round(fit_seconds, 3),
            size_bytes=size_bytes,
            us_per_row=round(us_per_row, 1),
        )

    def difference(self, answers: dict[str, np.ndarray], best: str) -> Difference:
        """Of the net's log loss and that of the best peer."""
        higher = self._losses(answers[NET]) - self._losses(answers[best])
        low, high = np.quantile(resampled_means(higher), INTERVAL).tolist()
        return Difference(peer=best, log_loss=float(higher.mean()), low=low, high=high)

    def _losses(self, probabilities: np.ndarray) -> np.ndarray:
        """Minus log p of the true class, float64 `(n_rows,)`: its mean is the log loss of `evaluate`."""
        p = probabilities.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        least = np.finfo(np.float64).eps
        return np.asarray(-np.log(np.clip(p[np.arange(len(self.y)), self.y], least, 1 - least)))


def _median_us(answer: Callable[[Row], object], rows: Sequence[Row]) -> float:
    """How long one row takes, in microseconds, the median over them; the first is answered twice, to warm up."""
    answer(rows[0])
    took = []
    for row in rows:
        started = time.perf_counter()
        answer(row)
        took.append(time.perf_counter() - started)
    return float(np.median(took) * 1e6)

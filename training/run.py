"""The pipeline of one run: table → arrays → network → fit → temperature → ONNX → parity → metrics → report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from contract.card import Calibration, DataFacts, EpochRecord, Report, Rows, Training
from contract.config import ColumnChoice, TrainingConfig
from contract.model_file import PROBABILITIES
from contract.schema import Schema
from contract.tensors import Tensors
from training.calibration import fit_temperature, log_loss, softmax
from training.columns import Columns, choose_columns
from training.evaluation import evaluate, expected_calibration_error
from training.export import export
from training.loop import Fitted, Samples, fit
from training.network import Network, count_parameters, predict_logits
from training.parity import check_parity, make_probe, open_session, run_session
from training.parts import HeldOut, Part, Parts, make_parts
from training.preprocessing import Preprocessing, fit_preprocessing
from training.steps import find_steps
from training.table import Table
from training.threads import threads_for
from training.trace import StepTrace, trace_step

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "polars", "scikit-learn")


class Observer:
    """Told how a run goes on. Does nothing; override what is of interest."""

    def stage(self, name: str) -> None:
        """A stage begins: preparing, fitting, calibrating, exporting, evaluating."""

    def epoch(self, record: EpochRecord, max_epochs: int) -> None:
        """An epoch is over."""

    def first_step(self, trace: StepTrace) -> None:
        """The first step in full; only where `wants_trace` is set."""

    wants_trace = False


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a run leaves: the bytes of `model.onnx`, its schema, and what is known of it."""

    model: bytes
    schema: Schema
    report: Report


def train_model(
    table: Table,
    target: str,
    config: TrainingConfig,
    choice: ColumnChoice | None = None,
    observer: Observer | None = None,
    held_out: HeldOut | None = None,
) -> TrainedModel:
    """Fit, export, check and evaluate a network on a table's rows. Publishes nothing.

    With `held_out`, its rows are not trained on; they are what the model is checked and evaluated on.
    The same arguments, machine and library versions give the same bytes, on a CPU.

    Raises:
        InvalidData: the table cannot be trained on, or its model cannot be evaluated on the held-out rows.
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    observer, choice = observer or Observer(), choice or ColumnChoice()
    observer.stage("preparing")
    columns = choose_columns(table.frame, target, choice, config.max_categories)
    parts = make_parts(table.frame, target, columns, config, held_out)
    schema, train, valid, test = parts.schema, parts.train, parts.valid, parts.test
    steps = find_steps(train.tensors.x_num, train.y, config.max_steps)
    preprocessing = fit_preprocessing(schema, train.tensors, standardize=config.standardize, steps=steps)

    observer.stage("fitting")
    network, fitted, seconds = _fit_network(preprocessing, train, valid, len(schema.labels), config, observer)

    observer.stage("calibrating")
    torch_logits = _logits_function(network, preprocessing)
    calibration = _calibrate(torch_logits(valid.tensors), valid.y) if config.calibrate else None
    temperature = calibration.temperature if calibration else 1.0

    observer.stage("exporting")
    model = export(network, preprocessing, schema, temperature)
    session = open_session(model)
    calibrated_logits = _divided(torch_logits, temperature)
    parity = check_parity(session, calibrated_logits, schema, test.tensors)

    observer.stage("evaluating")
    report = Report(
        config=config.to_json(),
        columns=choice,
        data=_data_facts(table, columns, parts),
        training=Training(
            stop_reason=fitted.stop_reason,
            n_epochs=len(fitted.history),
            best_epoch=fitted.best_epoch,
            n_parameters=count_parameters(network),
            seconds=round(seconds, 3),
            history=fitted.history,
            warnings=_warnings(fitted, config),
        ),
        calibration=calibration,
        metrics=evaluate(run_session(session, test.tensors)[PROBABILITIES], test.y, schema.labels),
        parity=parity,
        probe=make_probe(calibrated_logits, test.tensors),
        libraries={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )
    return TrainedModel(model, schema, report)


def _fit_network(
    preprocessing: Preprocessing, train: Part, valid: Part, n_classes: int, config: TrainingConfig, observer: Observer
) -> tuple[Network, Fitted, float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    samples, valid_samples = (
        Samples(torch.from_numpy(preprocessing.transform(part.tensors)).to(device), torch.from_numpy(part.y).to(device))
        for part in (train, valid)
    )
    started = time.perf_counter()
    with torch.random.fork_rng(), threads_for(config, preprocessing.d_in, len(train.y)):
        torch.manual_seed(config.seed)
        network = Network(
            preprocessing.d_in,
            config.hidden_sizes,
            n_classes,
            activation=config.activation,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        ).to(device)
        criterion = nn.CrossEntropyLoss(
            weight=_class_weights(train.y, n_classes, device) if config.class_weights else None
        )
        if observer.wants_trace:
            size = config.batch_size or len(train.y)
            observer.first_step(trace_step(network, criterion, config, samples.x[:size], samples.y[:size]))
        fitted = fit(
            network, criterion, samples, valid_samples, config, lambda record: observer.epoch(record, config.max_epochs)
        )
    return network, fitted, time.perf_counter() - started


def _class_weights(y: np.ndarray, n_classes: int, device: torch.device) -> torch.Tensor:
    """Rows ÷ (n_classes × rows of the class), float32 `(n_classes,)`: every class weighs the same in the loss."""
    counts = np.bincount(y, minlength=n_classes)
    return torch.tensor(len(y) / (n_classes * counts), dtype=torch.float32, device=device)


def _logits_function(network: Network, preprocessing: Preprocessing) -> Callable[[Tensors], np.ndarray]:
    device = next(network.parameters()).device

    def logits(tensors: Tensors) -> np.ndarray:
        x = torch.from_numpy(preprocessing.transform(tensors)).to(device)
        return predict_logits(network, x).cpu().numpy()

    return logits


def _divided(logits: Callable[[Tensors], np.ndarray], temperature: float) -> Callable[[Tensors], np.ndarray]:
    return lambda tensors: (logits(tensors) / np.float32(temperature)).astype(np.float32)


def _calibrate(logits: np.ndarray, y: np.ndarray) -> Calibration:
    temperature = fit_temperature(logits, y)
    if log_loss(logits / temperature, y) >= log_loss(logits, y):
        temperature = 1.0  # on few rows the smoothing would cost more than it mends
    before, after = softmax(logits), softmax(logits / temperature)
    return Calibration(
        temperature=temperature,
        log_loss_before=log_loss(logits, y),
        log_loss_after=log_loss(logits / temperature, y),
        ece_before=expected_calibration_error(before, y),
        ece_after=expected_calibration_error(after, y),
    )


def _warnings(fitted: Fitted, config: TrainingConfig) -> tuple[str, ...]:
    lower = f"try --lr {config.lr / 10:g} or lower"
    diverged = f"training diverged at lr {config.lr:g} and the best epoch before was kept: {lower}"
    useless = (
        f"no epoch did better on the valid rows than always answering the classes' shares: {lower}, or other columns"
    )
    return (
        *([diverged] if fitted.stop_reason == "diverged" else []),
        *([] if fitted.has_learnt else [useless]),
    )


def _data_facts(table: Table, columns: Columns, parts: Parts) -> DataFacts:
    train, valid, test = (len(part.y) for part in (parts.train, parts.valid, parts.test))
    y, schema = parts.y, parts.schema
    return DataFacts(
        source=table.source,
        sha256=table.sha256,
        n_rows=table.frame.height,
        n_columns=table.frame.width,
        target=schema.target,
        rows=Rows(train=train, valid=valid, test=test, dropped=int((y < 0).sum())),
        class_counts=tuple(np.bincount(y[y >= 0], minlength=len(schema.labels)).tolist()),
        excluded=columns.excluded,
        warnings=(*table.warnings, *columns.warnings),
    )

"""The middle of a run: preprocessed rows → a fitted network, and the temperature of its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from contract.card import Calibration
from contract.config import TrainingConfig
from contract.tensors import Tensors
from training.calibration import fit_temperature, log_loss, softmax
from training.decision import THRESHOLDS, LeftOut
from training.ensemble import Ensemble, MemberLoss, combine
from training.evaluation import expected_calibration_error
from training.folds import make_folds
from training.input_scales import find_scales
from training.loop import Criterion, Fitted, Samples, fit
from training.losses import CrossEntropy
from training.network import Evaluation, Network
from training.observer import Observer
from training.parts import Part
from training.preprocessing import Preprocessing
from training.schedule import rows_per_batch
from training.streamed.portions import stream_rows
from training.streamed.rest import Rest
from training.threads import threads_for
from training.trace import trace_step


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network, how its training went and how long it took, and its temperature, None where none was asked for.

    `left_out` are the answers to the valid rows, at that temperature, where a threshold is to be chosen by them.
    """

    network: Network | Ensemble
    fitted: Fitted
    seconds: float
    calibration: Calibration | None
    left_out: LeftOut | None


def fit_network(
    preprocessing: Preprocessing,
    train: Part,
    valid: Part,
    n_classes: int,
    config: TrainingConfig,
    observer: Observer,
    rest: Rest | None = None,
) -> FittedNetwork:
    """Fit and calibrate. The valid rows of an ensemble are those that its members leave out of the train rows.

    With `rest`, its rows are trained on, too.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    started = time.perf_counter()
    with torch.random.fork_rng(), threads_for(config, preprocessing.d_in, len(train.y)):
        torch.manual_seed(config.seed)
        x, y = _tensors(preprocessing, train, device)
        network = build_network(preprocessing, n_classes, config, x).to(device)
        counts = np.bincount(train.y, minlength=n_classes) + (rest.class_counts if rest else 0)
        weights = _class_weights(counts, device) if config.class_weights else None
        criterion: Criterion
        if isinstance(network, Ensemble):
            criterion = MemberLoss(weight=weights)
            folds = make_folds(train.y, config.n_members, config.valid_fraction, config.seed)
            samples, valid_samples = folds.train_samples(x, y), folds.valid_samples(x, y)
        else:
            criterion = CrossEntropy(weight=weights)
            samples, valid_samples = Samples(x, y), Samples(*_tensors(preprocessing, valid, device))
        if observer.wants_trace:
            size = rows_per_batch(config, len(train.y)) or len(train.y)
            observer.first_step(trace_step(network, criterion, config, samples.x[:size], samples.y[:size]))
        with (
            stream_rows(samples, rest, preprocessing, config.seed, observer.progress)
            if rest
            else nullcontext(samples) as rows
        ):
            fitted = fit(
                network,
                criterion,
                rows,
                valid_samples,
                config,
                lambda record: observer.epoch(record, config.max_epochs),
            )
        seconds = time.perf_counter() - started
        observer.stage("calibrating")
        logits, y_valid = _left_out(network, valid_samples)
        calibration = _calibrate(network, logits, y_valid) if config.calibrate else None
        left_out = None
        if config.decision in THRESHOLDS:
            left_out = LeftOut(softmax(logits / (calibration.temperature if calibration else 1.0)), y_valid)
    return FittedNetwork(network, fitted, seconds, calibration, left_out)


def build_network(
    preprocessing: Preprocessing, n_classes: int, config: TrainingConfig, x: torch.Tensor
) -> Network | Ensemble:
    """The network that a config asks for, with torch's present randomness in its weights.

    x, float32 `(n_samples, d_in)`, are the train rows' inputs.
    """
    if config.is_packed:
        return Ensemble(
            preprocessing.d_in,
            config.hidden_sizes,
            n_classes,
            n_members=config.n_members,
            activation=config.activation,
            dropout=config.dropout,
            waved=preprocessing.continuous.tolist(),
            n_frequencies=config.n_frequencies,
            scales=find_scales(preprocessing, x, config.n_members),
        )
    return Network(
        preprocessing.d_in,
        config.hidden_sizes,
        n_classes,
        activation=config.activation,
        dropout=config.dropout,
        batch_norm=config.batch_norm,
    )


def logits_function(
    network: Network | Ensemble, preprocessing: Preprocessing, temperature: float = 1.0
) -> Callable[[Tensors], np.ndarray]:
    """What torch says that the model file must answer: tensors → logits, float32 `(n_samples, n_classes)`."""
    device = next(network.parameters()).device
    evaluation = Evaluation(network)

    def logits(tensors: Tensors) -> np.ndarray:
        answers = evaluation.logits(torch.from_numpy(preprocessing.transform(tensors)).to(device))
        if isinstance(network, Ensemble):
            answers = combine(answers)
        return (answers.cpu().numpy() / np.float32(temperature)).astype(np.float32)

    return logits


def _tensors(preprocessing: Preprocessing, part: Part, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(preprocessing.transform(part.tensors)).to(device)
    return x, torch.from_numpy(part.y).to(device)


def _class_weights(counts: np.ndarray, device: torch.device) -> torch.Tensor:
    """Rows ÷ (n_classes × rows of the class), float32 `(n_classes,)`: every class weighs the same in the loss."""
    n_rows = counts.sum()
    counts = np.maximum(counts, 1)  # the only row of a class may be a valid one
    return torch.tensor(n_rows / (len(counts) * counts), dtype=torch.float32, device=device)


def _left_out(network: Network | Ensemble, valid: Samples) -> tuple[np.ndarray, np.ndarray]:
    """What the valid rows are answered, of an ensemble by the member that left them out: logits, and true classes."""
    logits = Evaluation(network).logits(valid.x).flatten(0, -2).cpu().numpy()
    return logits, (valid.y.t() if valid.y.ndim == 2 else valid.y).flatten().cpu().numpy()


def _calibrate(network: Network | Ensemble, logits: np.ndarray, y: np.ndarray) -> Calibration:
    """The temperature that suits the valid rows (`_left_out`).

    Those of an ensemble are answered by the one member that left them out, which is surer of itself than the mean of
    all: what would calm the member would make the mean too timid, so a temperature above 1 is not used there. One below
    is: where a member is too timid, the mean is so all the more.
    """
    temperature = fit_temperature(logits, y)
    if isinstance(network, Ensemble) and network.n_members > 1:
        temperature = min(temperature, 1.0)
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

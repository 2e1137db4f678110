"""The middle of every run: rows that have a schema → a fitted network → an ONNX file that computes what torch does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from contract.card import Parity
from contract.config import TrainingConfig
from contract.schema import Schema
from contract.tensors import Tensors
from training.export import export
from training.fitting import FittedNetwork, fit_network, logits_function
from training.folds import make_folds
from training.observer import Observer
from training.parity import check_parity, open_session
from training.parts import Part
from training.preprocessing import fit_preprocessing
from training.streamed.rest import Rest
from training.thresholds import find_thresholds

NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """The bytes of `model.onnx`, a session on them, the network that they came of, and how near the two are.

    `torch_logits` is what torch says that the file must answer: tensors → float32 `(n_samples, n_classes)`.
    """

    content: bytes
    session: ort.InferenceSession
    fit: FittedNetwork
    torch_logits: Callable[[Tensors], np.ndarray]
    parity: Parity


def fit_model(
    schema: Schema,
    train: Part,
    valid: Part,
    checked: Tensors,
    config: TrainingConfig,
    observer: Observer,
    rest: Rest | None = None,
) -> CheckedModel:
    """Fit on the train rows, export, and compare the file with torch on the rows `checked`.

    The valid rows of an ensemble are those that its members leave out of the train rows; `valid` is empty then. With
    `rest`, its rows are trained on, too.

    Raises:
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    thresholds = find_thresholds(train.tensors.x_num, train.y, config.max_thresholds)
    preprocessing = fit_preprocessing(schema, train.tensors, standardize=config.standardize, thresholds=thresholds)

    observer.stage("fitting")
    fit = fit_network(preprocessing, train, valid, len(schema.labels), config, observer, rest)
    temperature = fit.calibration.temperature if fit.calibration else 1.0

    observer.stage("exporting")
    content = export(fit.network, preprocessing, schema, temperature)
    session = open_session(content)
    torch_logits = logits_function(fit.network, preprocessing, temperature)
    return CheckedModel(content, session, fit, torch_logits, check_parity(session, torch_logits, schema, checked))


def fit_all_rows(schema: Schema, rows: Part, config: TrainingConfig) -> CheckedModel:
    """The same with no row set aside to test on. A network by itself still needs valid rows that nothing learns from.

    Raises:
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    n_rows = len(rows.y)
    held = make_folds(rows.y, 1, config.valid_fraction, config.seed).rows[0] if not config.is_packed else NO_ROWS
    train, valid = (
        Part(rows.tensors.take(numbers), rows.y[numbers]) for numbers in (np.setdiff1d(np.arange(n_rows), held), held)
    )
    return fit_model(schema, train, valid, rows.tensors, config, Observer())

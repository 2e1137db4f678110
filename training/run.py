"""One run: table → arrays → fitted, exported, checked network (`training.pipeline`) → sets → metrics → report."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from contract.card import DataFacts, Report, Rows, Training
from contract.config import ColumnChoice, TrainingConfig
from contract.model_file import PROBABILITIES
from contract.schema import Schema
from training.columns import Columns, choose_columns
from training.conformal import calibrate_sets, evaluate_sets
from training.decision import choose_rule, given_rule, report_decision
from training.evaluation import evaluate
from training.graph import add_metadata
from training.loop import Fitted
from training.network import count_parameters
from training.observer import Observer
from training.parity import make_probe, run_session
from training.parts import HeldOut, Parts, make_parts
from training.pipeline import fit_model
from training.streamed.rest import Rest
from training.table import Table

LIBRARIES = ("torch", "onnx", "onnxruntime", "numpy", "polars", "scikit-learn")


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
        InvalidConfig: its labels are not those of the costs, or not two where a threshold is to be chosen.
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    observer, choice = observer or Observer(), choice or ColumnChoice()
    observer.stage("preparing")
    columns = choose_columns(table.frame, target, choice, config.max_categories)
    parts = make_parts(table.frame, target, columns, config, held_out)
    return train_parts(parts, data_facts(table, columns, parts), config, choice, observer)


def train_parts(
    parts: Parts,
    data: DataFacts,
    config: TrainingConfig,
    choice: ColumnChoice,
    observer: Observer,
    rest: Rest | None = None,
) -> TrainedModel:
    """The pipeline from the parts on; with `rest`, its rows are trained on, too.

    Raises:
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    schema, train, valid, test = parts.schema, parts.train, parts.valid, parts.test
    given = given_rule(config, schema.labels)
    checked = fit_model(schema, train, valid, test.tensors, config, observer, rest)
    fit, fitted = checked.fit, checked.fit.fitted
    conformal = calibrate_sets(checked.session, parts.conformal)
    chosen = choose_rule(config, given, fit.left_out)
    entries = (conformal.to_metadata() if conformal else {}) | (chosen.rule.to_metadata() if chosen else {})
    model = add_metadata(checked.content, entries) if entries else checked.content

    observer.stage("evaluating")
    probabilities = run_session(checked.session, test.tensors)[PROBABILITIES]
    report = Report(
        config=config.to_json(),
        columns=choice,
        data=data,
        training=Training(
            stop_reason=fitted.stop_reason,
            n_epochs=len(fitted.history),
            best_epoch=fitted.best_epoch,
            n_parameters=count_parameters(fit.network),
            seconds=round(fit.seconds, 3),
            history=fitted.history,
            warnings=_warnings(fitted, config),
        ),
        calibration=fit.calibration,
        metrics=evaluate(probabilities, test.y, schema.labels),
        prediction_sets=evaluate_sets(conformal, probabilities, test.y) if conformal else None,
        decision=report_decision(chosen, probabilities, test.y) if chosen else None,
        parity=checked.parity,
        probe=make_probe(checked.torch_logits, test.tensors),
        libraries={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )
    return TrainedModel(model, schema, report)


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


def data_facts(table: Table, columns: Columns, parts: Parts) -> DataFacts:
    """What the card says of a table."""
    train, valid, test, conformal = (len(part.y) for part in (parts.train, parts.valid, parts.test, parts.conformal))
    y, schema = parts.y, parts.schema
    return DataFacts(
        source=table.source,
        sha256=table.sha256,
        n_rows=table.frame.height,
        n_columns=table.frame.width,
        target=schema.target,
        rows=Rows(train=train, valid=valid, test=test, conformal=conformal, dropped=int((y < 0).sum())),
        class_counts=tuple(np.bincount(y[y >= 0], minlength=len(schema.labels)).tolist()),
        excluded=columns.excluded,
        warnings=(*table.warnings, *columns.warnings),
    )

"""The pipeline of a run on a table that is streamed: a sample goes through it as a table in memory would."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import polars as pl

from contract.card import DataFacts
from contract.config import ColumnChoice, TrainingConfig
from contract.errors import InvalidConfig
from contract.schema import Label
from training.columns import check_choice, choose_columns
from training.labels import label_indices
from training.observer import Observer
from training.parts import Parts, make_parts
from training.run import TrainedModel, data_facts, train_parts
from training.streamed.facts import check_numbers, widen
from training.streamed.rest import Rest
from training.streamed.scan import scan
from training.streamed.table import StreamedTable
from training.table import Table


def train_streamed(
    table: StreamedTable,
    target: str,
    config: TrainingConfig,
    choice: ColumnChoice | None = None,
    observer: Observer | None = None,
) -> TrainedModel:
    """`training.run.train_model` for a table of which only some rows fit into memory at a time.

    Where all of them fit into the sample, the model is the same to the last bit.

    Raises:
        InvalidConfig: a batch is to have all rows.
        InvalidData: the table cannot be trained on, or its rows are too large for the memory.
        TrainingDiverged: the loss grew without bound.
        ParityError: the exported graph does not compute what torch computes.
    """
    observer, choice = observer or Observer(), choice or ColumnChoice()
    if config.batch_size is None:
        raise InvalidConfig("batch_size must be a number or 'auto' for a table that is streamed, got 'all'")
    check_choice(pl.DataFrame(schema=list(table.columns)), target, choice)
    observer.stage("preparing")
    parts, data, rest = _prepare(table, target, config, choice, observer)
    return train_parts(parts, data, config, choice, observer, rest if rest.n_rows else None)


def _prepare(
    table: StreamedTable, target: str, config: TrainingConfig, choice: ColumnChoice, observer: Observer
) -> tuple[Parts, DataFacts, Rest]:
    """The parts of the sample, with the ranges of all train rows; what is known of the table; and its other rows."""
    n_rows, n_wanted = table.rows.n_rows, table.budget.sample_rows(table.size)
    scanned = scan(table.rows, target, n_wanted / n_rows, config.seed, observer.progress)
    sample = Table(scanned.sample, table.source, table.sha256, target=None, warnings=())
    columns = choose_columns(sample.frame, target, choice, config.max_categories)
    check_numbers(columns, scanned.facts)
    parts = make_parts(sample.frame, target, columns, config, None)
    schema = widen(parts.schema, scanned.facts)
    class_counts = _class_counts(scanned.label_counts, schema.labels, target)
    in_sample = np.bincount(parts.y[parts.y >= 0], minlength=len(class_counts))
    rest = Rest(table.rows, schema, scanned.sample_rows, class_counts - in_sample, table.budget.buffer_bytes)
    data = _whole(data_facts(sample, columns, parts), n_rows, class_counts, rest)
    return dataclasses.replace(parts, schema=schema), data, rest


def _class_counts(label_counts: dict[str, int], labels: tuple[Label, ...], target: str) -> np.ndarray:
    """How many rows of the table have each label: int64 `(n_classes,)`. Several texts may spell one."""
    indices = label_indices(labels, pl.DataFrame({target: list(label_counts)}), target)
    counts = np.zeros(len(labels), np.int64)
    np.add.at(counts, indices, list(label_counts.values()))
    return counts


def _whole(data: DataFacts, n_rows: int, class_counts: np.ndarray, rest: Rest) -> DataFacts:
    """The facts of the table that those of the sample belong to."""
    rows = msgspec.structs.replace(
        data.rows, train=data.rows.train + rest.n_rows, dropped=n_rows - int(class_counts.sum())
    )
    sampled = (
        f"{data.n_rows:,} of {n_rows:,} rows decided on columns, categories and scales, and are validated and "
        f"tested on: the table is larger than the memory for it"
    )
    return msgspec.structs.replace(
        data,
        n_rows=n_rows,
        rows=rows,
        class_counts=tuple(class_counts.tolist()),
        warnings=(*data.warnings, sampled) if rest.n_rows else data.warnings,
    )

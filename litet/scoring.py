"""A published model on a table's rows, without a server."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing

import msgspec
import numpy as np
import polars as pl

from contract.errors import InvalidRows
from contract.repository import Artifact, Repository
from contract.schema import Schema, label_text
from service.answers import Answers
from service.formats.label_sets import distinct_sets
from service.formats.query import WantedSets
from service.predictor import Predictor
from training.ahead import read_ahead
from training.batches import Batch, Rows, Wanted
from training.columns import require_columns
from training.dataset import frame_tensors

BATCH_ROWS = 65_536
"""Rows scored, and their answers written, at a time: enough that what each costs beside its rows vanishes."""


def read_version(repository: Repository, name: str, version: int | None) -> Artifact:
    """A verified version; the current one for None."""
    if version is not None:
        return repository.read(name, version)
    return repository.read_current(name)[1]


def score_rows(predictor: Predictor, rows: Rows, wanted_sets: WantedSets | None = None) -> Generator[Batch, None, None]:
    """The answers as columns (`answers_frame`) for all rows of an open table, some at a time, in order.

    The next rows are read meanwhile.

    Raises:
        NoPredictionSets: they are wanted, and the version cannot give any.
        InvalidData: the table lacks a feature's column, or cannot be read to its end.
        InvalidRows: a cell does not fit its feature; row numbers count from the table's first.
    """
    schema = predictor.schema
    features = [feature.name for feature in schema.features]
    require_columns(pl.DataFrame(schema=list(rows.columns)), features, "each feature of the model")
    wanted = Wanted(
        columns=tuple(column for column in rows.columns if column in features),
        numeric=frozenset(feature.name for feature in schema.numeric),
    )
    first_row = 0
    with closing(read_ahead(rows.batches(wanted))) as batches:
        for frame, share in batches:
            for answers, unseen in score(predictor, frame, first_row=first_row):
                sets = None
                if wanted_sets:
                    sets = predictor.prediction_sets(answers, wanted_sets.level, per_class=wanted_sets.per_class)
                yield Batch(answers_frame(predictor, answers, unseen, sets), share)
            first_row += frame.height


def score(
    predictor: Predictor, frame: pl.DataFrame, *, first_row: int = 0
) -> Iterator[tuple[Answers, Mapping[int, list[str]]]]:
    """The answers for all rows of a frame, a batch at a time, and which of its rows had unseen categories.

    Raises:
        InvalidRows: a cell does not fit its feature; row numbers count from `first_row`, which is the frame's first.
    """
    for start in range(0, frame.height, BATCH_ROWS):
        number = first_row + start
        tensors = frame_tensors(predictor.schema, frame[start : start + BATCH_ROWS], first_row=number)
        try:
            answers = predictor.predict(tensors)
        except InvalidRows as error:
            faults = [msgspec.structs.replace(fault, row=number + fault.row) for fault in error.faults]
            raise InvalidRows(faults, error.n_faults) from None
        yield answers, tensors.unseen


def answers_frame(
    predictor: Predictor, answers: Answers, unseen: Mapping[int, list[str]], sets: np.ndarray | None = None
) -> pl.DataFrame:
    """Answers as columns: `label`, `class_index`, `probability_<label>` …, `decision` where the version has a rule, and
    `unseen` where there are categories.

    `prediction_set` are lists of labels, where `sets` bool `(n_samples, n_classes)` says which.
    """
    schema = predictor.schema
    columns = [_labels(schema).gather(answers.class_index), pl.Series("class_index", answers.class_index)]
    by_class = np.ascontiguousarray(answers.probabilities.T)
    columns += [
        pl.Series(f"probability_{label_text(label)}", probabilities)
        for label, probabilities in zip(schema.labels, by_class, strict=True)
    ]
    if predictor.rule:
        columns.append(_labels(schema).gather(predictor.rule.decide(answers.probabilities)).alias("decision"))
    if sets is not None:
        columns.append(_label_lists(schema, sets))
    if schema.categorical:
        flags = [" ".join(unseen.get(row, ())) or None for row in range(len(answers.class_index))]
        columns.append(pl.Series("unseen", flags, dtype=pl.String))
    return pl.DataFrame(columns)


def _label_lists(schema: Schema, sets: np.ndarray) -> pl.Series:
    labels = _labels(schema)
    distinct, numbers = distinct_sets(sets)
    lists = [labels.filter(pl.Series(one)).to_list() for one in distinct]
    return pl.Series("prediction_set", lists, dtype=pl.List(labels.dtype)).gather(numbers)


def _labels(schema: Schema) -> pl.Series:
    # Texts as a category: a file then holds each of them once, which halves the time of writing it.
    texts = [label for label in schema.labels if isinstance(label, str)]
    return pl.Series("label", schema.labels, dtype=pl.Enum(texts) if len(texts) == len(schema.labels) else None)

"""A published model on a table's rows, without a server."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import msgspec
import numpy as np
import polars as pl

from contract.errors import InvalidRows
from contract.repository import Artifact, Repository
from contract.schema import Schema
from litet.ahead import read_ahead
from service.answers import Answers
from service.predictor import Predictor
from training.batches import Batch, Rows, Wanted
from training.columns import require_columns
from training.dataset import frame_tensors

BATCH_ROWS = 16_384
"""Rows scored at a time: enough that a call's overhead vanishes, few enough to stay in the processor's cache."""
STEP_ROWS = 4 * BATCH_ROWS
"""Rows whose answers are put together and written at a time: these are what passes from one thread to another."""

Scored = tuple[Answers, dict[int, list[str]]]
"""The answers to a batch, and which of its rows had unseen categories (row number in the batch)."""


def read_version(repository: Repository, name: str, version: int | None) -> Artifact:
    """A verified version; the current one for None."""
    if version is not None:
        return repository.read(name, version)
    return repository.read_current(name)[1]


def score_rows(predictor: Predictor, rows: Rows) -> Generator[Batch, None, None]:
    """The answers as columns (`answers_frame`) for all rows of an open table, some at a time, in order.

    The next rows are read meanwhile. Rows are scored in batches that begin at multiples of `BATCH_ROWS`, however the
    table hands them out.

    Raises:
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
    with closing(read_ahead(_in_steps(rows.batches(wanted)))) as steps:
        for frame, share in steps:
            scored = list(score(predictor, frame, first_row=first_row))
            first_row += frame.height
            yield Batch(answers_frame(schema, scored), share)


def score(predictor: Predictor, frame: pl.DataFrame, *, first_row: int = 0) -> Iterator[Scored]:
    """The answers for all rows of a frame, a batch at a time.

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
        yield answers, dict(tensors.unseen)


def answers_frame(schema: Schema, scored: Sequence[Scored]) -> pl.DataFrame:
    """Answers as columns: `label`, `class_index`, `probability_<label>` …, and `unseen` where there are categories."""
    class_index = np.concatenate([answers.class_index for answers, _ in scored])
    by_class = np.concatenate([answers.probabilities.T for answers, _ in scored], axis=1)
    columns = [pl.Series("label", schema.labels).gather(class_index), pl.Series("class_index", class_index)]
    columns += [
        pl.Series(f"probability_{str(label).lower() if isinstance(label, bool) else label}", probabilities)
        for label, probabilities in zip(schema.labels, by_class, strict=True)
    ]
    if schema.categorical:
        flags = [" ".join(unseen.get(row, ())) or None for answers, unseen in scored for row in range(len(answers[0]))]
        columns.append(pl.Series("unseen", flags, dtype=pl.String))
    return pl.DataFrame(columns)


def _in_steps(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same rows in frames of whole `BATCH_ROWS`, at most `STEP_ROWS`; the last may be shorter."""
    waiting: list[pl.DataFrame] = []
    n_waiting, share = 0, 0.0
    for frame, share in batches:
        waiting.append(frame)
        n_waiting += frame.height
        if n_waiting >= BATCH_ROWS:
            whole = n_waiting - n_waiting % BATCH_ROWS
            joined = _joined(waiting)
            yield from (Batch(joined[at : min(at + STEP_ROWS, whole)], share) for at in range(0, whole, STEP_ROWS))
            waiting, n_waiting = [joined[whole:]], n_waiting - whole
    if n_waiting:
        yield Batch(_joined(waiting), share)


def _joined(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames below each other; floats become texts again where the same column of another frame still is text."""
    return pl.concat(frames, how="vertical_relaxed")

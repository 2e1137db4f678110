"""A published model on a file's rows, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import polars as pl

from contract.errors import InvalidRows
from contract.repository import Artifact, Repository
from contract.schema import Schema
from service.predictor import Answers, Predictor
from training.dataset import frame_tensors

BATCH_ROWS = 16_384
"""Rows scored at a time: enough that a call's overhead vanishes, few enough to stay in the processor's cache."""


def read_version(repository: Repository, name: str, version: int | None) -> Artifact:
    """A verified version; the current one for None."""
    if version is not None:
        return repository.read(name, version)
    return repository.read_current(name)[1]


def score(predictor: Predictor, frame: pl.DataFrame) -> Iterator[tuple[Answers, dict[int, list[str]]]]:
    """The answers for all rows, a batch at a time, and which rows had unseen categories (row number in the batch).

    Raises:
        InvalidRows: a cell does not fit its feature; row numbers count from the frame's first.
    """
    for start in range(0, frame.height, BATCH_ROWS):
        tensors = frame_tensors(predictor.schema, frame[start : start + BATCH_ROWS], first_row=start)
        try:
            answers = predictor.predict(tensors)
        except InvalidRows as error:
            faults = [msgspec.structs.replace(fault, row=start + fault.row) for fault in error.faults]
            raise InvalidRows(faults, error.n_faults) from None
        yield answers, dict(tensors.unseen)


def answers_frame(schema: Schema, answers: Answers, unseen: dict[int, list[str]]) -> pl.DataFrame:
    """Answers as columns: `label`, `class_index`, `probability_<label>` …, and `unseen` where there are categories."""
    labels = pl.Series("label", [schema.labels[index] for index in answers.class_index.tolist()])
    columns = [labels, pl.Series("class_index", answers.class_index)]
    columns += [
        pl.Series(
            f"probability_{str(label).lower() if isinstance(label, bool) else label}", answers.probabilities[:, index]
        )
        for index, label in enumerate(schema.labels)
    ]
    if schema.categorical:
        flags = [" ".join(unseen[row]) if row in unseen else None for row in range(len(labels))]
        columns.append(pl.Series("unseen", flags, dtype=pl.String))
    return pl.DataFrame(columns)

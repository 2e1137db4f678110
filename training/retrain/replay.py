"""Recent requests, answered again by champion and challenger: what promotion would change for those who send them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from contract.decision import GateLimits, Replay
from contract.errors import InvalidRows
from contract.model_file import CLASS_INDEX, LOGITS, PROBABILITIES
from contract.schema import Label
from contract.tensors import Row, RowReader
from training.parity import run_session
from training.retrain.scoring import BATCH_ROWS, Model

MIN_ROWS = 50
"""With fewer rows one changed answer is too large a share to judge by."""

LabelKey = tuple[type, Label]
"""A label told apart from equal ones of another type: True is not 1."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a prediction is asked with, as the service takes it."""

    instances: list[Any]


DECODER = msgspec.json.Decoder(Body)


def replay(champion: Model, challenger: Model, bodies: Sequence[bytes], limits: GateLimits) -> Replay | None:
    """What the challenger answers to the requests that the champion can answer; None where there is no such request."""
    reader = RowReader(champion.schema)
    asked = [rows for rows in map(_rows, bodies) if rows and _reads(reader, rows)]
    objects = [row for rows in asked for row in rows if type(row) is dict]
    arrays = [row for rows in asked for row in rows if type(row) is not dict]
    before, after = (_join(_answer(model, objects), _answer(model, arrays)) for model in (champion, challenger))
    n_rows = int(before.answered.sum())
    if not n_rows:
        return None
    both = before.answered & after.answered
    n_refused = n_rows - int(both.sum())
    flip_rate, change = _difference(before, after, both) if both.any() else (0.0, 0.0)
    return Replay(
        n_requests=len(asked),
        n_rows=n_rows,
        n_refused=n_refused,
        label_flip_rate=flip_rate,
        max_probability_change=change,
        max_label_flips=limits.max_label_flips,
        passed=n_refused == 0 and (n_rows < MIN_ROWS or flip_rate <= limits.max_label_flips),
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """Of each row: whether it was answered, bool `(n_rows,)`; and if so its class index, int64 `(n_rows,)`, and its
    probabilities, float32 `(n_rows, n_classes)`. `labels` are those of the classes.
    """

    answered: np.ndarray
    class_index: np.ndarray
    probabilities: np.ndarray
    labels: tuple[Label, ...]


def _rows(body: bytes) -> list[Any]:
    """The rows in a body; none where it is no request."""
    try:
        return DECODER.decode(body).instances
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def _reads(reader: RowReader, rows: Sequence[Row]) -> bool:
    try:
        reader.read(rows)
    except InvalidRows:
        return False
    return True


def _answer(model: Model, rows: Sequence[Row]) -> _Answers:
    """The answers to rows that are all arrays or all objects; those that the model cannot read have none."""
    reader = RowReader(model.schema)
    n_classes = len(model.schema.labels)
    answered = np.ones(len(rows), dtype=bool)
    if not _reads(reader, rows):
        answered[:] = [_reads(reader, [row]) for row in rows]
    class_index = np.zeros(len(rows), np.int64)
    probabilities = np.zeros((len(rows), n_classes), np.float32)
    readable = np.flatnonzero(answered)
    for start in range(0, len(readable), BATCH_ROWS):
        batch = readable[start : start + BATCH_ROWS]
        outputs = run_session(model.session, reader.read([rows[index] for index in batch]))
        class_index[batch], probabilities[batch] = outputs[CLASS_INDEX], outputs[PROBABILITIES]
        answered[batch] = np.isfinite(outputs[LOGITS]).all(axis=1) & np.isfinite(outputs[PROBABILITIES]).all(axis=1)
    return _Answers(answered, class_index, probabilities, model.schema.labels)


def _join(first: _Answers, second: _Answers) -> _Answers:
    """The answers of one model to two lists of rows."""
    return _Answers(
        np.concatenate([first.answered, second.answered]),
        np.concatenate([first.class_index, second.class_index]),
        np.concatenate([first.probabilities, second.probabilities]),
        first.labels,
    )


def _difference(before: _Answers, after: _Answers, rows: np.ndarray) -> tuple[float, float]:
    """The share of `rows`, bool `(n_rows,)`, whose label changed, and the largest change of any label's probability."""
    keys = dict.fromkeys(map(_key, (*before.labels, *after.labels)))
    place = {key: index for index, key in enumerate(keys)}
    labels, probabilities = [], []
    for answers in (before, after):
        places = np.array([place[_key(label)] for label in answers.labels])
        wide = np.zeros((int(rows.sum()), len(place)), np.float32)
        wide[:, places] = answers.probabilities[rows]
        labels.append(places[answers.class_index[rows]])
        probabilities.append(wide)
    return float((labels[0] != labels[1]).mean()), float(np.abs(probabilities[0] - probabilities[1]).max())


def _key(label: Label) -> LabelKey:
    return type(label), label

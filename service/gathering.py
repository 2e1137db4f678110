"""Rows of several requests through the model at once.

A run of a small model takes as long for ten rows as for one. The answers are the same, bit for bit: versions for which
that does not hold are found when they are loaded (`Predictor.is_batch_invariant`), and run once for each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from contract.tensors import Tensors
from service.answers import Answers
from service.formats.rows import Rows
from service.formats.scored import Run, Scored
from service.predictor import Predictor
from service.scoring import score

MAX_ROWS = 256
"""Of one request; more are worth a run of their own."""


def score_all(predictor: Predictor, asked: Sequence[Rows]) -> list[Scored | None]:
    """The answers to the rows of each request; None where they cannot be had."""
    if len(asked) == 1 or not predictor.is_batch_invariant:
        return [_score_one(predictor, rows) for rows in asked]
    small = [rows for rows in asked if rows.tensors.n_samples <= MAX_ROWS]
    together = iter(_score_together(predictor, small))
    return [next(together) if rows.tensors.n_samples <= MAX_ROWS else _score_one(predictor, rows) for rows in asked]


def _score_together(predictor: Predictor, asked: Sequence[Rows]) -> list[Scored | None]:
    answers = _answer_together(predictor, [rows.tensors for rows in asked])
    if answers is None or not answers.are_finite():
        return [_score_one(predictor, rows) for rows in asked]
    run = Run(answers)
    ends = accumulate((rows.tensors.n_samples for rows in asked), initial=0)
    return [
        Scored(predictor, run, start, end, rows.tensors.unseen, rows.faults)
        for rows, (start, end) in zip(asked, pairwise(ends), strict=True)
    ]


def _answer_together(predictor: Predictor, tensors: Sequence[Tensors]) -> Answers | None:
    if not tensors:
        return None
    x_num = np.concatenate([one.x_num for one in tensors])
    x_cat = np.concatenate([one.x_cat for one in tensors])
    try:
        return predictor.run(Tensors(x_num, x_cat, {}))
    except Exception:  # noqa: BLE001 # each by itself tells whose it is
        return None


def _score_one(predictor: Predictor, rows: Rows) -> Scored | None:
    try:
        return score(predictor, rows)
    except Exception:  # noqa: BLE001 # whatever it is, the app meets it again, and says and counts it
        return None

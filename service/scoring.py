"""Rows → answers, with what is wrong with the rows that have none."""

from __future__ import annotations

import numpy as np

from contract.errors import Fault
from service.formats.rows import Rows
from service.formats.scored import Scored
from service.predictor import Predictor, too_large


def score(predictor: Predictor, rows: Rows) -> Scored:
    """The answers to rows.

    Raises:
        NotFinite: an answer would not be finite; where bad rows are listed, that row is one of them.
    """
    tensors = rows.tensors
    if rows.faults is None:
        return Scored.alone(predictor, predictor.predict(tensors), tensors.unseen, None)
    answers = predictor.run(tensors)
    scored = Scored.alone(predictor, answers, tensors.unseen, rows.faults)
    return scored if answers.are_finite() else _without_infinite(scored)


def _without_infinite(scored: Scored) -> Scored:
    answers = scored.answers
    finite = answers.finite_rows()
    faults: dict[int, Fault] = {**scored.faults} if scored.faults else {}
    faults |= {row: too_large(row) for row in scored.answered()[~finite].tolist()}
    places = dict(zip(np.flatnonzero(finite).tolist(), range(len(finite)), strict=False))
    unseen = {places[row]: names for row, names in scored.unseen.items() if row in places}
    return Scored.alone(scored.predictor, answers.take(finite), unseen, dict(sorted(faults.items())))

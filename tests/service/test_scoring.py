"""Rows that have no finite answer are bad rows, where those are listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.publishing import Publisher
from contract.repository import Repository
from contract.tensors import Tensors
from service.answers import Answers
from service.formats.rows import read_rows
from service.predictor import Predictor
from service.scoring import score


class Overflowing(Predictor):
    """A predictor that has no finite answer for a mass of 7."""

    def run(self, tensors: Tensors) -> Answers:
        answers = super().run(tensors)
        answers.logits[tensors.x_num[:, 1] == 7] = np.inf
        return answers


@pytest.fixture
def predictor(publisher: Publisher, foundry: Any) -> Predictor:
    foundry.publish(publisher, "penguins", foundry.mixed())
    return Overflowing(Repository(publisher.root).read_current("penguins")[1])


def test_what_is_unseen_stays_with_its_row_where_others_are_left_out(predictor: Predictor) -> None:
    rows = [
        [1, "Dream", 7, "male"],
        [1],
        [2, "Atlantis", 3, "male"],
        [3, "Dream", 7, "?"],
        [4, "Dream", 5, "?"],
    ]
    scored = score(predictor, read_rows(rows, predictor.reader, 10, partial=True))
    assert scored.answered().tolist() == [2, 4]
    assert scored.unseen == {0: ["island"], 1: ["sex"]}
    assert list(scored.faults or ()) == [0, 1, 3]
    assert np.isfinite(scored.answers.logits).all()
    alone = score(predictor, read_rows([rows[4]], predictor.reader, 10, partial=False))
    assert scored.answers.logits[1].tobytes() == alone.answers.logits[0].tobytes()


def test_a_body_with_bad_rows_only_has_no_answers(predictor: Predictor) -> None:
    scored = score(predictor, read_rows([[1, "Dream", 7, "male"]], predictor.reader, 10, partial=True))
    assert (scored.n_answers, scored.n_rows, scored.unseen) == (0, 1, {})

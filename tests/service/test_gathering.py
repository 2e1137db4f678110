"""Requests that are answered together are answered as each alone, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.publishing import Publisher
from contract.repository import Repository
from contract.tensors import Tensors
from service.formats.rows import Rows
from service.gathering import MAX_ROWS, score_all
from service.predictor import MAX_BATCH_ROWS, Predictor
from service.scoring import score


class Counting(Predictor):
    """A predictor that notes how many rows each of its runs has."""

    def __init__(self, *args: Any) -> None:
        self.batches: list[int] = []
        super().__init__(*args)
        self.batches.clear()

    def _run(self, tensors: Tensors) -> Any:
        self.batches.append(tensors.n_samples)
        return super()._run(tensors)


@pytest.fixture
def predictor(publisher: Publisher, foundry: Any) -> Counting:
    foundry.publish(publisher, "penguins", foundry.mixed())
    return Counting(Repository(publisher.root).read_current("penguins")[1])


def asked(predictor: Predictor, *rows: Any, partial: bool = False) -> Rows:
    return Rows(*predictor.reader.read_good(rows)) if partial else Rows(predictor.reader.read(rows))


def test_requests_share_one_run_and_get_the_answers_that_each_would_get_alone(predictor: Counting) -> None:
    requests = [
        asked(predictor, [1.5, "Dream", 2, "male"]),
        asked(predictor, [3, "?", None, None], [4, "Dream", 5, "female"]),
        asked(predictor, [0.1, "Biscoe", 7, "male"], [1], partial=True),
    ]
    together = score_all(predictor, requests)
    assert predictor.batches == [4]
    for scored, rows in zip(together, requests, strict=True):
        alone = score(predictor, rows)
        assert scored is not None
        assert all(a.tobytes() == b.tobytes() for a, b in zip(scored.answers, alone.answers, strict=True))
        assert (scored.unseen, scored.faults, scored.n_rows) == (alone.unseen, alone.faults, alone.n_rows)


def test_a_row_without_a_finite_answer_spoils_its_own_request_only(publisher: Publisher, foundry: Any) -> None:
    foundry.publish(publisher, "iris")
    predictor = Counting(Repository(publisher.root).read_current("iris")[1])
    good, bad = [1, 2, 3, 4], [3e38, 3e38, 3e38, 3e38]
    requests = [asked(predictor, good), asked(predictor, bad), asked(predictor, bad, good, partial=True)]
    first, second, third = score_all(predictor, requests)
    assert first is not None
    assert first.n_answers == 1
    assert second is None
    assert third is not None
    assert (third.n_answers, list(third.faults or ())) == (1, [0])


def test_a_version_whose_answers_depend_on_their_neighbours_runs_for_each(predictor: Counting) -> None:
    predictor._least_rows = None
    score_all(predictor, [asked(predictor, [number, "Dream", 2, "male"]) for number in range(3)])
    assert predictor.batches == [1, 1, 1]


def test_a_row_that_must_not_be_alone_has_a_copy_beside_it(predictor: Counting) -> None:
    rows = asked(predictor, [1.5, "Dream", 2, "male"])
    alone = predictor.run(rows.tensors)
    predictor._least_rows = 2
    paired = predictor.run(rows.tensors)
    assert predictor.batches == [1, 2]
    predictor.run(asked(predictor, *[[1.5, "Dream", 2, "male"]] * (MAX_BATCH_ROWS + 1)).tensors)
    assert predictor.batches[2:] == [MAX_BATCH_ROWS, 2]
    assert [array.shape for array in paired] == [array.shape for array in alone]
    np.testing.assert_allclose(paired.logits, alone.logits, rtol=1e-6)


def test_large_requests_are_not_put_together(predictor: Counting) -> None:
    large = asked(predictor, *[[1.5, "Dream", 2, "male"]] * (MAX_ROWS + 1))
    small = [asked(predictor, [number, "Dream", 2, "male"]) for number in range(2)]
    scores = score_all(predictor, [small[0], large, small[1]])
    assert sorted(predictor.batches) == [2, MAX_ROWS + 1]
    assert [scored and scored.n_answers for scored in scores] == [1, MAX_ROWS + 1, 1]


def test_a_run_that_fails_is_tried_for_each_request_by_itself(
    predictor: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Counting._run

    def failing(self: Counting, tensors: Tensors) -> Any:
        if tensors.n_samples > 1:
            raise RuntimeError("no memory")
        return run(self, tensors)

    monkeypatch.setattr(Counting, "_run", failing)
    assert None not in score_all(predictor, [asked(predictor, [number, "Dream", 2, "male"]) for number in range(3)])

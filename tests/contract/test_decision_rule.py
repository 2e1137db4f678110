"""What a rule decides for: the label of least expected cost, whatever else is asked with it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.decision_rule import MAX_CLASSES, METADATA_KEY, DecisionRule
from contract.errors import CorruptArtifact

COST = st.floats(0, 1e6)


def rows_of(n: int, n_classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(n_classes), n).astype(np.float32)


@given(st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(COST, min_size=n, max_size=n), min_size=n, max_size=n)))
def test_a_rule_decides_for_the_label_of_least_expected_cost(costs: list[list[float]]) -> None:
    rule = DecisionRule(tuple(map(tuple, costs)))
    rows = rows_of(20, len(costs))
    for row, decided in zip(rows.astype(float).tolist(), rule.decide(rows).tolist(), strict=True):
        expected = [sum(p * costs[true][label] for true, p in enumerate(row)) for label in range(len(costs))]
        assert expected[decided] <= min(expected) * (1 + 1e-12)


def test_costs_are_by_the_true_label_first() -> None:
    # To miss the second label is dear: at a tenth it is decided for.
    rule = DecisionRule(((0, 1), (20, 0)))
    assert rule.decide(np.float32([[0.9, 0.1], [0.99, 0.01]])).tolist() == [1, 0]


def test_what_is_right_may_have_a_cost() -> None:
    assert DecisionRule(((5, 1), (5, 1))).decide(rows_of(10, 2)).tolist() == [1] * 10


@given(threshold=st.floats(0.01, 0.99))
def test_a_threshold_is_a_matrix_of_costs(threshold: float) -> None:
    rows = rows_of(200, 2)
    far = np.abs(rows[:, 1] - threshold) > 1e-6
    decided = DecisionRule.of_threshold(threshold).decide(rows)
    assert decided[far].tolist() == (rows[far, 1] > threshold).astype(int).tolist()


def test_equal_costs_decide_for_the_likeliest_label() -> None:
    rows = rows_of(500, 4)
    rule = DecisionRule(tuple(tuple(float(i != j) for j in range(4)) for i in range(4)))
    assert rule.decide(rows).tolist() == rows.argmax(axis=1).tolist()


def test_a_row_is_decided_alike_alone_and_among_others() -> None:
    rng = np.random.default_rng(0)
    rule = DecisionRule(tuple(map(tuple, rng.random((7, 7)).tolist())))
    rows = rows_of(300, 7)
    assert np.concatenate([rule.decide(row[np.newaxis]) for row in rows]).tolist() == rule.decide(rows).tolist()


def test_a_model_file_carries_the_rule() -> None:
    rule = DecisionRule(((0.0, 0.1), (0.9, 0.0)))
    assert DecisionRule.from_metadata(rule.to_metadata(), 2) == rule
    assert DecisionRule.from_metadata({}, 2) is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "must be readable"),
        (b"[" * 100_000, "must be readable"),
        (b'{"costs":[[0,NaN],[1,0]]}', "must be readable"),
        ({"costs": [[0, -1], [1, 0]]}, "finite and 0 or more, got -1.0"),
        ({"costs": [[0, 1], [1]]}, "must be a square"),
        ({"costs": [[0]]}, "must be a square of 2 to 100 classes, got 1 rows"),
        ({"costs": [[0] * (MAX_CLASSES + 1)] * (MAX_CLASSES + 1)}, "got 101 rows"),
        ({"costs": [[0, 1], [1, 0]], "more": 1}, "must be readable"),
        ({"costs": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]}, "must be for 2 classes, got 3"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_that_is_something_else_is_a_corrupt_artifact(document: object, says: str) -> None:
    text = document if isinstance(document, bytes) else msgspec.json.encode(document)
    with pytest.raises(CorruptArtifact, match=says):
        DecisionRule.from_metadata({METADATA_KEY: text.decode()}, 2)

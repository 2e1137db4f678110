"""Which labels are in a prediction set: by the definition, by another library, and as a model file carries it."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conformal import MAX_ROWS, METADATA_KEY, Conformal
from contract.errors import CorruptArtifact

PROBABILITY = st.floats(0, 1, width=32)
TIED = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
LEVELS = st.one_of(st.integers(1, 99).map(lambda percent: percent / 100), st.floats(0.001, 0.999))


def random_rows(n: int, seed: int, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    return probabilities, rng.permutation(np.arange(n) % n_classes)


def is_in(p: float, p_true: list[float], level: float) -> bool:
    """By the definition, in exact numbers: fewer rows are less strange than their share of the level allows."""
    n_less_strange = sum(1 - Fraction(one) < 1 - Fraction(p) for one in p_true)
    return n_less_strange < (len(p_true) + 1) * Fraction(repr(level))


@given(
    p_true=st.lists(st.lists(PROBABILITY | TIED, max_size=12), min_size=2, max_size=4).filter(any),
    p=st.lists(PROBABILITY | TIED, min_size=4, max_size=4),
    level=LEVELS,
)
def test_a_set_holds_the_labels_that_the_definition_says(
    p_true: list[list[float]], p: list[float], level: float
) -> None:
    conformal = Conformal([np.array(of_class, np.float32) for of_class in p_true])
    row = np.array([p[: len(p_true)]], np.float32)
    pooled = [one for of_class in p_true for one in of_class]
    marginal, per_class = (conformal.sets(row, level, per_class=by_class)[0].tolist() for by_class in (False, True))
    assert marginal == [is_in(one, pooled, level) for one in p[: len(p_true)]]
    assert per_class == [is_in(one, of_class, level) for one, of_class in zip(p, p_true, strict=False)]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("per_class", [False, True])
def test_sets_are_those_of_crepes(level: float, per_class: bool) -> None:
    # 98 rows, or 3 times 98: crepes counts one row more where the rank is a whole number, which 99 · level is not.
    from crepes import ConformalClassifier  # noqa: PLC0415 # takes seconds

    probabilities, y = random_rows(98 * (3 if per_class else 1), seed=0)
    others, _ = random_rows(2_000, seed=1)
    scores = 1 - probabilities[np.arange(len(y)), y].astype(np.float64)
    theirs = ConformalClassifier().fit(scores, bins=y if per_class else None)
    strangeness = 1 - others.astype(np.float64)
    if per_class:
        expected = np.column_stack(
            [
                theirs.predict_set(strangeness[:, [label]], np.full(len(others), label), None, level, smoothing=False)
                for label in range(3)
            ]
        )
    else:
        expected = theirs.predict_set(strangeness, confidence=level, smoothing=False)
    sets = Conformal.calibrate(probabilities, y).sets(others, level, per_class=per_class)
    assert np.array_equal(sets, expected.astype(bool))


def test_a_level_counts_as_it_is_written() -> None:
    conformal = Conformal([np.linspace(0.01, 0.99, 99, dtype=np.float32), np.float32([])])
    assert 100 * 0.07 > 7
    assert conformal.sets(np.float32([[0.93, 0.92]]), 0.07, per_class=False).tolist() == [[True, False]]


def test_too_few_rows_for_a_level_put_every_label_in_the_set() -> None:
    nine = Conformal([np.full(9, 0.9, np.float32), np.float32([])])
    unlikely = np.float32([[1.0, 0.0]])
    assert nine.sets(unlikely, 0.9, per_class=False).tolist() == [[True, False]]
    assert nine.sets(unlikely, 0.91, per_class=False).tolist() == [[True, True]]
    assert nine.sets(unlikely, 0.9, per_class=True).tolist() == [[True, True]]


def test_a_set_may_be_empty() -> None:
    sure = Conformal([np.full(99, 0.9, np.float32), np.float32([])])
    assert sure.sets(np.float32([[0.5, 0.5]]), 0.9, per_class=False).tolist() == [[False, False]]


def test_a_row_without_a_finite_number_is_the_strangest() -> None:
    conformal = Conformal.calibrate(np.float32([[0.9, 0.1], [np.nan, np.nan]]), np.array([0, 0]))
    assert conformal.sets(np.float32([[0.1, 0.0]]), 0.6, per_class=False).tolist() == [[True, True]]


@given(p_true=st.lists(st.lists(PROBABILITY, max_size=20), min_size=2, max_size=5).filter(any))
def test_a_model_file_carries_the_numbers_to_the_last_bit(p_true: list[list[float]]) -> None:
    conformal = Conformal([np.array(of_class, np.float32) for of_class in p_true])
    found = Conformal.from_metadata(conformal.to_metadata(), len(p_true))
    assert found is not None
    assert found.n_samples == conformal.n_samples
    thresholds = np.unique(np.concatenate([np.array(of_class, np.float32) for of_class in p_true]))
    rows = np.repeat(thresholds[:, np.newaxis], len(p_true), axis=1)
    for level in (0.05, 0.5, 0.9):
        assert np.array_equal(*[one.sets(rows, level, per_class=True) for one in (conformal, found)])


def test_a_model_file_without_the_entry_has_none() -> None:
    assert Conformal.from_metadata({}, 3) is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "must be readable"),
        (b"[]", "must be readable"),
        (b'{"p_true":[[0.5],[NaN]]}', "must be readable"),
        ({"p_true": [[0.5], [1.5]]}, "<= 1.0"),
        ({"p_true": [[0.5], [-0.5]]}, ">= 0.0"),
        ({"p_true": [[0.5], ["half"]]}, "must be readable"),
        ({"p_true": [[0.5], [0.5]], "more": 1}, "must be readable"),
        ({"p_true": [[0.5]]}, "of 2 classes, got 1 of 1"),
        ({"p_true": [[], []]}, "from 1 to 1000 calibration rows of 2 classes, got 0 of 2"),
        ({"p_true": [[0.5], [0.5] * MAX_ROWS]}, "got 1001 of 2"),
        (b"[" * 100_000, "must be readable"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_entry_that_is_something_else_is_a_corrupt_artifact(document: object, says: str) -> None:
    text = document if isinstance(document, bytes) else msgspec.json.encode(document)
    with pytest.raises(CorruptArtifact, match=says):
        Conformal.from_metadata({METADATA_KEY: text.decode()}, 2)

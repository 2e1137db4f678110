"""The peers get what their documentation asks for, and learn from it."""

from __future__ import annotations

import numpy as np
import pytest

from contract.tensors import Tensors
from tests.peers_threads import one_thread
from training.compare.peers import MAX_CODES, PEERS, Matrix, encode


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    with one_thread(monkeypatch):
        yield


def rows(numbers: list[float], texts: list[str]) -> Tensors:
    return Tensors(np.array(numbers, np.float32)[:, None], np.array(texts, dtype=object)[:, None], {})


def test_texts_become_codes_and_numbers_stay():
    train, test = encode(rows([1.5, np.nan, 3.0], ["b", "", "a"]), rows([np.nan, 2.0], ["a", "new"]))
    assert train.n_codes == test.n_codes == (0, 3)
    assert (train.numbers, train.categories()) == ([0], [1])
    np.testing.assert_array_equal(train.values, [[1.5, 2], [np.nan, 0], [3.0, 1]])
    np.testing.assert_array_equal(test.values, [[np.nan, 1], [2.0, np.nan]])


def test_rows_without_texts_are_numbers():
    part = Tensors(np.eye(2, dtype=np.float32), np.empty((2, 0), dtype=object), {})
    train, test = encode(part, part)
    assert train.n_codes == (0, 0)
    assert (test.values == np.eye(2)).all()


def test_more_texts_than_a_peer_takes_are_no_categories_to_it():
    matrix = Matrix(np.empty((0, 3)), (0, MAX_CODES, MAX_CODES + 1))
    assert matrix.categories() == [1, 2]
    assert matrix.categories(MAX_CODES) == [1]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("kind", ["numbers", "texts", "both"])
def test_a_peer_learns_and_takes_what_is_missing_or_new(name, kind):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    x_num = (y[:, None] * 4 + rng.normal(size=(300, 2))).astype(np.float32)[:, : 0 if kind == "texts" else 2]
    x_cat = np.array([["low", "mid", "high"][one] for one in y], dtype=object)[:, None][:, : kind != "numbers"]
    odd = Tensors(np.full((1, x_num.shape[1]), np.nan, np.float32), np.full((1, x_cat.shape[1]), "new", object), {})
    train, odd_row = encode(Tensors(x_num, x_cat, {}), odd)
    model = PEERS[name](train, y, 0)
    assert (model.predict_proba(train.values).argmax(axis=1) == y).mean() > 0.9
    assert model.predict_proba(odd_row.values).sum() == pytest.approx(1)


def test_a_number_that_no_train_row_has_is_left_out():
    part = Tensors(np.array([[1, np.nan], [2, np.nan]], np.float32), np.empty((2, 0), dtype=object), {})
    train, test = encode(part, Tensors(np.ones((1, 2), np.float32), np.empty((1, 0), dtype=object), {}))
    assert train.n_codes == (0,)
    assert (train.values.tolist(), test.values.tolist()) == ([[1.0], [2.0]], [[1.0]])

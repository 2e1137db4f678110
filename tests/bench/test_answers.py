import numpy as np
import orjson
import pytest

from bench.peers.formats import ARRAYS, TENSOR
from bench.peers.measuring import check_answer
from bench.peers.rows import Rows, iris_rows
from bench.peers.servers import IRIS
from bench.peers.wrk import RunFailed


@pytest.fixture
def rows() -> Rows:
    return iris_rows(IRIS / "1" / "model.onnx").take(3)


def answer(probabilities: np.ndarray) -> bytes:
    return orjson.dumps({"predictions": [{"probabilities": row} for row in probabilities.tolist()]})


def test_an_answer_of_the_models_probabilities_is_let_pass(rows: Rows) -> None:
    check_answer(200, answer(rows.probabilities), ARRAYS, rows)


def test_tensors_are_read_in_their_shape(rows: Rows) -> None:
    flat = rows.probabilities.ravel().tolist()
    outputs = [{"name": "logits"}, {"name": "probabilities", "shape": [3, 3], "data": flat}]

    check_answer(200, orjson.dumps({"outputs": outputs}), TENSOR, rows)


def test_a_single_probability_that_is_off_fails(rows: Rows) -> None:
    wrong = rows.probabilities.copy()
    wrong[2, 1] += 2e-5

    with pytest.raises(RunFailed, match="the model's within 1e-05"):
        check_answer(200, answer(wrong), ARRAYS, rows)


def test_an_answer_of_fewer_rows_fails(rows: Rows) -> None:
    with pytest.raises(RunFailed, match=r"must be \(3, 3\), got \(2, 3\)"):
        check_answer(200, answer(rows.probabilities[:2]), ARRAYS, rows)


def test_a_probability_that_is_missing_fails(rows: Rows) -> None:
    content = orjson.dumps({"predictions": [{"probabilities": [None, 0.5, 0.5]}] * 3})

    with pytest.raises(RunFailed, match="nan off"):
        check_answer(200, content, ARRAYS, rows)


def test_an_error_fails_with_its_detail(rows: Rows) -> None:
    with pytest.raises(RunFailed, match=r"^answered 415: no such type$"):
        check_answer(415, b'{"detail": "no such type"}', ARRAYS, rows)


def test_what_is_no_answer_fails(rows: Rows) -> None:
    with pytest.raises(RunFailed, match="must hold probabilities"):
        check_answer(200, b"[]", ARRAYS, rows)

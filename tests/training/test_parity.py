"""The parity check sees a graph that is wrong in one place only."""

import numpy as np
import pytest

from contract.errors import ParityError
from contract.schema import CategoricalFeature, NumericFeature, Schema
from contract.tensors import Tensors
from training.calibration import softmax
from training.parity import check_parity, odd_rows

SCHEMA = Schema(
    target="y",
    features=(
        NumericFeature(name="a", missing=False, minimum=0.0, maximum=1.0, quantiles=()),
        CategoricalFeature(name="c", missing=False, categories=("u",)),
    ),
    labels=("p", "q"),
)
ROWS = Tensors(np.linspace(0, 1, 20, dtype=np.float32)[:, None], np.full((20, 1), "u", object), {})


def logits(tensors: Tensors) -> np.ndarray:
    x = np.nan_to_num(tensors.x_num) + (tensors.x_cat == "u")
    return np.concatenate([x, -x], axis=1).astype(np.float32)


class Session:
    """Answers like onnxruntime's session; `wrong` changes some of the answers."""

    def __init__(self, wrong=None):
        self.wrong = wrong

    def run(self, _names, feed):
        tensors = Tensors(feed["x_num"], feed["x_cat"], {})
        answer = logits(tensors)
        answers = [answer, softmax(answer).astype(np.float32), answer.argmax(axis=1)]
        if self.wrong:
            self.wrong(tensors, *answers)
        return answers


def far_out(tensors, answer, probabilities, index):
    rows = np.abs(tensors.x_num[:, 0]) > 50
    answer[rows] *= 1.01


def alone(tensors, answer, probabilities, index):
    if len(answer) == 1:
        answer += 0.01
        probabilities[:] = softmax(answer)


def one_probability(tensors, answer, probabilities, index):
    probabilities[0] = probabilities[0, ::-1] + 0.001


def one_index(tensors, answer, probabilities, index):
    index[-1] = 1 - index[-1]


def unseen(tensors, answer, probabilities, index):
    rows = [text.endswith("never seen") for text in tensors.x_cat[:, 0]]
    answer[rows] += 0.1
    probabilities[:] = softmax(answer)


def missing(tensors, answer, probabilities, index):
    rows = np.isnan(tensors.x_num[:, 0])
    answer[rows] = np.nan


def test_a_graph_that_agrees_passes():
    assert check_parity(Session(), logits, SCHEMA, ROWS).max_error == 0


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("wrong", [far_out, alone, one_probability, one_index, unseen, missing])
def test_a_graph_that_is_wrong_in_one_place_fails(wrong):
    with pytest.raises(ParityError):
        check_parity(Session(wrong), logits, SCHEMA, ROWS)


def test_odd_rows_are_at_beyond_and_outside_the_ranges():
    tensors = odd_rows(SCHEMA)
    numbers = tensors.x_num[:, 0]
    assert {0.0, 1.0, -100.0, 101.0} <= set(numbers.tolist())
    assert np.isnan(numbers).any()
    assert {"u", ""} < set(tensors.x_cat[:, 0])

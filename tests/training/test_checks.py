"""Only what is a softmax in every row is taken for one."""

import pytest
import torch

from training.checks import check_logits


@pytest.mark.parametrize(
    "outputs",
    [
        [[0.5, 0.5], [3.0, 1.0]],
        [[1.5, -0.5], [0.5, 0.5]],
        [[2.0, -1.0], [-1.0, 2.0]],
        [[0.0, 0.0]],
    ],
)
def test_raw_logits_pass(outputs):
    check_logits(torch.tensor(outputs))


@pytest.mark.parametrize("outputs", [torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.5, 0.5]]).log()])
def test_probabilities_and_their_logarithms_do_not(outputs):
    with pytest.raises(ValueError, match="applies the softmax itself"):
        check_logits(outputs)

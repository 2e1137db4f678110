"""Many rows are evaluated in parts, which nobody can tell from the answers."""

import pytest
import torch

from training.ensemble import Ensemble
from training.network import Network, predict_logits
from training.rows_at_once import MOST_ROWS

N_ROWS = 2 * MOST_ROWS + 1


def network():
    return Network(3, [4], 2, activation="relu", dropout=0.5, batch_norm=True)


def ensemble():
    return Ensemble(3, [4], 2, n_members=2, activation="relu", dropout=0.5, waved=[0], n_frequencies=2)


@pytest.mark.parametrize(("make", "shape"), [(network, ()), (ensemble, ()), (ensemble, (2,))])
def test_many_rows_are_answered_as_at_once(make, shape):
    torch.manual_seed(0)
    model = make().eval()
    x = torch.randn(*shape, N_ROWS, 3)
    with torch.inference_mode():
        at_once = model(x)
    torch.testing.assert_close(predict_logits(model.train(), x), at_once)


def test_no_more_rows_are_evaluated_at_once_than_the_cache_holds():
    sizes = []

    class Watched(Network):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    predict_logits(Watched(3, [4], 2, activation="relu"), torch.randn(N_ROWS, 3))
    assert sizes == [MOST_ROWS, MOST_ROWS, 1]

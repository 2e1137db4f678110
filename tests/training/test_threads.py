"""Small layers are computed by one thread, and torch is left as it was."""

import pytest
import torch

from contract.config import make_config
from training.threads import threads_for


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "n_rows", "n_threads"),
    [
        ({}, 1000, 1),
        ({}, 10_000, 2),
        ({"n_members": 1}, 10_000, 1),
        ({"hidden_sizes": (2048, 2048)}, 1000, 2),
        ({"hidden_sizes": (2048, 2048), "n_members": 1}, 1, 1),
    ],
)
def test_only_large_steps_get_more_than_one_thread(two_threads, options, n_rows, n_threads):
    with threads_for(make_config(**options), d_in=10, n_rows=n_rows):
        assert torch.get_num_threads() == n_threads
    assert torch.get_num_threads() == 2

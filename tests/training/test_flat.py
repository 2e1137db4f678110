"""One vector holds a network's parameters, and Adam on it is torch's."""

import pytest
import torch

from training.flat import FlatAdam, FlatParameters
from training.loop import train_step
from training.losses import CrossEntropy
from training.network import Network, predict_logits


def make_network(*, batch_norm: bool = False) -> Network:
    """A layer that gets wider, one that stays as it is, one that gets narrower."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(6, [20, 20], 3, activation="gelu", batch_norm=batch_norm)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, 6, generator=generator), torch.randint(0, 3, (50,), generator=generator)


def test_a_network_answers_the_same_once_its_parameters_lie_in_one_vector():
    network, flat_network = make_network(), make_network()
    FlatParameters(flat_network)
    x, _ = batch()
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), flat_network.parameters(), strict=True))
    torch.testing.assert_close(predict_logits(flat_network, x), predict_logits(network, x))


def test_backward_writes_every_gradient_into_the_vector():
    network = make_network()
    flat = FlatParameters(network)
    x, y = batch()
    CrossEntropy()(network(x), y).backward()
    squares = sum(parameter.grad.square().sum() for parameter in network.parameters())
    assert flat.gradient.norm().square().item() == pytest.approx(squares.item(), rel=1e-5)
    flat.gradient.zero_()
    assert not any(parameter.grad.any() for parameter in network.parameters())


def test_the_weights_come_first_in_the_vector():
    network = make_network()
    flat = FlatParameters(network)
    flat.weights.zero_()
    assert [bool(parameter.any()) for parameter in network.parameters()] == [False, True] * 3


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_steps_are_those_of_torchs_adam_with_decay_of_the_weights_alone(weight_decay):
    network, other = make_network(), make_network()
    optimizer = FlatAdam(FlatParameters(network), lr=0.01, weight_decay=weight_decay, beta2=0.95)
    named = list(other.named_parameters())
    weights, biases = ([p for name, p in named if name.endswith(end)] for end in ("weight", "bias"))
    torchs = torch.optim.AdamW(
        [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.95),
    )
    for _ in range(20):
        train_step(network, CrossEntropy(), optimizer, *batch())
        train_step(other, CrossEntropy(), torchs, *batch())
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_an_adjusted_optimizer_takes_steps_of_the_new_size():
    network = make_network()
    flat = FlatParameters(network)
    optimizer = FlatAdam(flat, lr=0.01, weight_decay=0.5)
    optimizer.adjust(lr=0.0, weight_decay=0.5)
    before = flat.vector.clone()
    train_step(network, CrossEntropy(), optimizer, *batch())
    assert torch.equal(flat.vector, before)


def test_a_snapshot_brings_back_parameters_and_running_statistics():
    network = make_network(batch_norm=True)
    flat = FlatParameters(network)
    x, y = batch()
    before = predict_logits(network, x)
    snapshot = flat.snapshot()
    train_step(network, CrossEntropy(), FlatAdam(flat, lr=0.1, weight_decay=0.0), x, y)
    assert not torch.allclose(predict_logits(network, x), before)
    flat.restore(snapshot)
    assert torch.equal(predict_logits(network, x), before)

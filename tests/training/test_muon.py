"""Orthogonal steps: what they are, which weights take them, and that all else is Adam's."""

import numpy as np
import pytest
import torch
from torch import nn

import training.muon as muon_module
from contract.config import make_config
from training.ensemble import Ensemble, MemberLoss
from training.flat import FlatAdam, FlatParameters
from training.loop import train_step
from training.losses import CrossEntropy
from training.muon import (
    FIRST_STEPS,
    N_ITERATIONS,
    STEP_RMS,
    STEPS_BETWEEN,
    WIDEST,
    FlatMuon,
    find_whitening,
    make_optimizer,
    whiten,
)
from training.network import Network

LR = 0.01


def make_network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(6, [20, 20, 12], 3, activation="gelu")


def make_ensemble() -> Ensemble:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Ensemble(5, (8, 8), 3, n_members=2, activation="silu-relu", waved=(0, 3), n_frequencies=4)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, 6, generator=generator), torch.randint(0, 3, (50,), generator=generator)


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    return whiten(matrices, find_whitening(matrices))


def with_singular_values(values: torch.Tensor, n_rows: int, n_columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(n_rows, len(values), generator=generator))
    right, _ = torch.linalg.qr(torch.randn(n_columns, len(values), generator=generator))
    return left @ values.diag() @ right.mT


@pytest.mark.parametrize("shape", [(12, 12), (40, 12), (12, 40)], ids=str)
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_singular_values_come_near_one_and_their_vectors_stay(shape, size):
    matrix = with_singular_values(torch.linspace(0.3, 1, 12), *shape) * size
    orthogonal = orthogonalize(matrix.unsqueeze(0))[0]
    left, values, right = torch.linalg.svd(orthogonal, full_matrices=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    before_left, _, before_right = torch.linalg.svd(matrix, full_matrices=False)
    torch.testing.assert_close(
        before_left.mT @ orthogonal @ before_right.mT, torch.diag(torch.ones(12)), atol=0.35, rtol=0
    )
    torch.testing.assert_close(left @ right, before_left @ before_right, atol=1e-3, rtol=0)


def test_each_member_is_made_orthogonal_by_itself():
    sizes = torch.tensor([[[1e-3]], [[1.0]], [[1e3]]])
    matrices = torch.randn(3, 9, 7, generator=torch.Generator().manual_seed(0)) * sizes
    together = orthogonalize(matrices)
    for matrix, one in zip(matrices, together, strict=True):
        torch.testing.assert_close(orthogonalize(matrix.unsqueeze(0))[0], one, atol=1e-5, rtol=0)


def test_no_gradient_is_no_step():
    assert torch.equal(orthogonalize(torch.zeros(2, 5, 4)), torch.zeros(2, 5, 4))


def test_the_matrices_between_hidden_units_are_those_of_neither_inputs_nor_logits():
    network = make_network()
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert [names[id(weight)] for weight in network.hidden_weights()] == ["layers.2.weight", "layers.4.weight"]
    ensemble = make_ensemble()
    names = {id(parameter): name for name, parameter in ensemble.named_parameters()}
    assert [names[id(weight)] for weight in ensemble.hidden_weights()] == ["first_of_waves.weight", "layers.1.weight"]


@pytest.mark.parametrize("hidden_sizes", [(), (9,)], ids=str)
def test_a_network_without_two_hidden_layers_has_none(hidden_sizes):
    assert Network(4, hidden_sizes, 3, activation="relu").hidden_weights() == []


def test_steps_are_those_of_torchs_muon_and_adam():
    network, other = make_network(), make_network()
    optimizer = FlatMuon(FlatParameters(network, network.hidden_weights()), lr=LR, weight_decay=0.3, beta2=0.95)
    hidden = {id(weight) for weight in other.hidden_weights()}
    rest = [pair for pair in other.named_parameters() if id(pair[1]) not in hidden]
    weights, biases = ([p for name, p in rest if name.endswith(end)] for end in ("weight", "bias"))
    muon = torch.optim.Muon(
        other.hidden_weights(), lr=LR, weight_decay=0.3, adjust_lr_fn="match_rms_adamw", ns_steps=N_ITERATIONS
    )
    groups = [{"params": weights, "weight_decay": 0.3}, {"params": biases, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.95))
    start = [weight.detach().clone() for weight in other.hidden_weights()]
    for _ in range(5):
        train_step(network, CrossEntropy(), optimizer, *batch())
        muon.zero_grad()
        train_step(other, CrossEntropy(), adam, *batch())
        muon.step()
    for ours, theirs, before in zip(network.hidden_weights(), other.hidden_weights(), start, strict=True):
        moved = torch.dist(theirs, before)
        assert moved > 0.1
        assert torch.dist(ours, theirs) < 0.02 * moved, "torch's is computed in bfloat16"
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0)


def test_a_step_is_as_large_as_one_of_adam_whatever_the_gradients_size():
    moves = []
    for factor in (1e-4, 1e4):
        network = make_network()
        optimizer = FlatMuon(FlatParameters(network, network.hidden_weights()), lr=LR, weight_decay=0.0)
        before = network.hidden_weights()[0].detach().clone()
        x, y = batch()
        optimizer.zero_grad()
        (CrossEntropy()(network(x), y) * factor).backward()
        optimizer.step()
        moves.append(network.hidden_weights()[0].detach() - before)
    torch.testing.assert_close(moves[0], moves[1], atol=1e-5, rtol=1e-2)
    assert 0.3 * LR * STEP_RMS < moves[0].square().mean().sqrt() < 1.3 * LR * STEP_RMS


def test_all_weights_decay_and_no_bias():
    network = make_network()
    optimizer = FlatMuon(FlatParameters(network, network.hidden_weights()), lr=0.1, weight_decay=0.5)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer.zero_grad()
    optimizer.step()
    for parameter, was in zip(network.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), was * (0.95 if parameter.ndim == 2 else 1))


def test_an_adjusted_step_has_the_new_size():
    network = make_network()
    flat = FlatParameters(network, network.hidden_weights())
    optimizer = FlatMuon(flat, lr=LR, weight_decay=0.5)
    optimizer.adjust(lr=0.0, weight_decay=0.5)
    before = flat.vector.clone()
    train_step(network, CrossEntropy(), optimizer, *batch())
    assert torch.equal(flat.vector, before)


def test_an_ensembles_members_move_as_if_each_were_alone():
    ensemble = make_ensemble()
    optimizer = FlatMuon(FlatParameters(ensemble, ensemble.hidden_weights()), lr=LR, weight_decay=0.0)
    x, y = torch.randn(30, 5), torch.randint(0, 3, (30, 2))
    y[:, 1] = -100  # the second one has nothing to learn from
    y[0, 1] = 0
    before = [weight.detach().clone() for weight in ensemble.hidden_weights()]
    train_step(ensemble, MemberLoss(), optimizer, x, y)
    for weight, was in zip(ensemble.hidden_weights(), before, strict=True):
        sizes = (weight.detach() - was).flatten(1).norm(dim=1)
        assert sizes[1] > 0.2 * sizes[0], "one target against thirty: the step is as large, or nearly"


def test_after_the_first_steps_one_whitening_serves_for_several(monkeypatch):
    renewed = []

    def noting(matrices: torch.Tensor) -> torch.Tensor:
        renewed.append(n_taken)
        return find_whitening(matrices)

    monkeypatch.setattr(muon_module, "find_whitening", noting)
    network = Network(6, [8, 8], 3, activation="gelu")
    optimizer = FlatMuon(FlatParameters(network, network.hidden_weights()), lr=LR, weight_decay=0.0)
    for n_taken in range(FIRST_STEPS + 3 * STEPS_BETWEEN):  # which `noting` notes
        before = network.hidden_weights()[0].detach().clone()
        train_step(network, CrossEntropy(), optimizer, *batch())
        assert torch.dist(network.hidden_weights()[0].detach(), before) > 0.3 * LR * STEP_RMS * 8, n_taken
    later = [step for step in renewed if step >= FIRST_STEPS]
    assert renewed[:FIRST_STEPS] == list(range(FIRST_STEPS))
    assert len(later) == 3
    assert set(np.diff(later)) == {STEPS_BETWEEN}


@pytest.mark.parametrize(
    ("preset", "kind", "n_matrices"),
    [("default", FlatMuon, 2), ("reference", FlatAdam, 0)],
    ids=["default", "reference"],
)
def test_the_config_decides(preset, kind, n_matrices):
    flat, optimizer = make_optimizer(make_ensemble(), make_config(preset))
    assert type(optimizer) is kind
    assert len(flat.matrices) == n_matrices


def test_matrices_that_are_too_wide_to_whiten_get_adam():
    network = Network(4, [WIDEST + 1, WIDEST + 1, WIDEST, 2], 3, activation="relu")
    flat, _ = make_optimizer(network, make_config())
    assert [tuple(matrix.shape) for matrix, _ in flat.matrices] == [(WIDEST, WIDEST + 1), (2, WIDEST)]


def test_a_sudden_gradient_of_one_member_is_no_larger_step_and_the_others_stay_as_large():
    ensemble = make_ensemble()
    flat = FlatParameters(ensemble, ensemble.hidden_weights())
    optimizer = FlatMuon(flat, lr=LR, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(FIRST_STEPS + STEPS_BETWEEN - 1):
        flat.gradient.copy_(torch.randn(flat.gradient.shape, generator=generator))
        before = [matrix.clone() for matrix, _ in flat.matrices]
        optimizer.step()
    usual = [(matrix - was).square().mean(dim=(1, 2)) for (matrix, _), was in zip(flat.matrices, before, strict=True)]
    flat.gradient.copy_(torch.randn(flat.gradient.shape, generator=generator))
    for _, gradient in flat.matrices:
        gradient[0] *= 1e4
    before = [matrix.clone() for matrix, _ in flat.matrices]
    optimizer.step()
    for (matrix, _), was, size in zip(flat.matrices, before, usual, strict=True):
        sudden, other = (matrix - was).square().mean(dim=(1, 2))
        assert sudden.sqrt() <= LR * STEP_RMS * 1.001
        assert other > 0.5 * size[1]


def test_any_other_module_gets_adam():
    _, optimizer = make_optimizer(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), make_config())
    assert type(optimizer) is FlatAdam

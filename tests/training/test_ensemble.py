"""Members side by side answer, learn and are exported as if each stood alone."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from contract.config import Activation
from training.ensemble import Ensemble, MemberLoss, combine
from training.folds import MOST_ROWS, make_folds
from training.losses import IGNORED
from training.member_layers import N_MASKS, LogitsLayer, PeriodicEmbedding, SharedDropout


def make_ensemble(**options):
    torch.manual_seed(0)
    return Ensemble(
        5, (7, 6), 3, **{"n_members": 4, "activation": "gelu", "waved": (0, 3), "n_frequencies": 2} | options
    )


@pytest.mark.parametrize("waved", [(), (0, 3)])
@pytest.mark.parametrize("hidden_sizes", [(), (7,), (7, 6)])
def test_rows_of_each_members_own_get_that_members_answers(waved, hidden_sizes):
    torch.manual_seed(0)
    ensemble = Ensemble(5, hidden_sizes, 3, n_members=4, activation="gelu", waved=waved, n_frequencies=2).eval()
    x = torch.randn(4, 10, 5)
    own = ensemble(x)
    assert own.shape == (4, 10, 3)
    for member in range(4):
        torch.testing.assert_close(own[member], ensemble(x[member])[member])


def test_a_member_is_not_moved_by_what_another_learns():
    ensemble = make_ensemble()
    ensemble(torch.randn(10, 5))[2].sum().backward()
    weight = ensemble.layers[-1].weight.grad
    assert weight[2].abs().sum() > 0
    assert weight[[0, 1, 3]].abs().sum() == 0


def test_the_loss_is_the_mean_of_the_members_losses():
    logits, y = torch.randn(4, 10, 3), torch.randint(0, 3, (10,))
    expected = torch.stack([functional.cross_entropy(member, y) for member in logits]).mean()
    torch.testing.assert_close(MemberLoss()(logits, y.unsqueeze(1).repeat(1, 4)), expected)


def test_a_row_that_a_member_leaves_out_does_not_move_it():
    logits = torch.randn(2, 3, 3, requires_grad=True)
    targets = torch.tensor([[0, 1], [IGNORED, 2], [1, IGNORED]])
    MemberLoss()(logits, targets).backward()
    assert (logits.grad.abs().sum(dim=-1) > 0).tolist() == [[True, False, True], [True, True, False]]


def test_what_is_combined_is_the_mean_of_probabilities():
    logits = torch.randn(4, 10, 3)
    torch.testing.assert_close(combine(logits).exp(), logits.softmax(dim=-1).mean(dim=0))
    torch.testing.assert_close(combine(logits).softmax(dim=-1), combine(logits).exp())


def test_members_that_are_very_sure_do_not_make_the_logits_infinite():
    assert combine(torch.tensor([[[1e4, 0.0]], [[1e4, -1e4]]])).isfinite().all()


def test_dropout_zeroes_the_same_values_of_all_members_and_keeps_the_mean():
    dropout = SharedDropout(0.25)
    torch.manual_seed(0)
    x = dropout(torch.ones(3, 400, 50))
    assert (x == x[0]).all()
    assert sorted(x.unique().tolist()) == pytest.approx([0, 1 / 0.75])
    assert x.mean().item() == pytest.approx(1, abs=0.02)
    assert (dropout.eval()(torch.ones(3, 4, 5)) == 1).all()


@pytest.mark.parametrize("n_rows", [100, N_MASKS])
def test_another_batch_gets_another_mask(n_rows):
    dropout = SharedDropout(0.25)
    torch.manual_seed(0)
    first, second = (dropout(torch.ones(1, n_rows, 50)) for _ in range(2))
    assert (first != second).float().mean().item() == pytest.approx(2 * 0.25 * 0.75, abs=0.05)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_what_is_overwritten_is_needed_by_no_gradient(activation):
    gradients = []
    for inplace in (True, False):
        ensemble = make_ensemble(activation=activation, dropout=0.5)
        for module in ensemble.modules():
            if not inplace and hasattr(module, "inplace"):
                module.inplace = False
        x, targets = torch.randn(10, 5), torch.randint(0, 3, (10, 4))
        MemberLoss()(ensemble(x), targets).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in ensemble.parameters()]))
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_dropout_beside_a_nonlinearity_scales_what_that_answers(activation):
    torch.manual_seed(0)
    ensemble = Ensemble(3, (500,), 500, n_members=1, activation=activation, dropout=0.5)
    ensemble.layers[-1].weight.data = torch.eye(500).unsqueeze(0)
    ensemble.layers[-1].bias.data.zero_()
    x = torch.randn(20, 3)
    dropped, whole = ensemble(x), ensemble.eval()(x)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])
    assert kept[whole != 0].float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_waves_are_those_of_the_chosen_columns():
    torch.manual_seed(0)
    embedding = PeriodicEmbedding([2], 3)
    x = torch.randn(6, 4)
    changed = x.clone()
    changed[:, [0, 1, 3]] += 1
    torch.testing.assert_close(embedding(x), embedding(changed))
    waves = torch.sin(2 * torch.pi * x[:, 2:3] * embedding.frequencies[0] + embedding.phases[0])
    torch.testing.assert_close(embedding(x), waves @ embedding.mixing[0])


def test_the_last_layers_gradients_are_those_of_its_answers():
    layer = LogitsLayer(2, 4, 3).double()
    x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(layer(x), x @ layer.weight.mT + layer.bias.mT)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))


def test_every_part_of_an_ensemble_gets_a_gradient():
    ensemble = make_ensemble(dropout=0.1)
    targets = torch.randint(0, 3, (10, 4))
    MemberLoss()(ensemble(torch.randn(10, 5)), targets).backward()
    assert [name for name, p in ensemble.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []
    assert isinstance(ensemble, nn.Module)


# Folds


def test_with_one_part_for_each_member_every_row_is_left_out_once():
    y = np.random.default_rng(0).integers(0, 3, 800)
    folds = make_folds(y, 8, 1 / 8, seed=1)
    assert folds.rows.shape == (8, 100)
    assert sorted(folds.rows.ravel().tolist()) == list(range(800))


def test_no_more_rows_are_left_out_than_it_takes_to_tell_when_to_stop():
    rows = make_folds(np.zeros(100_000, np.int64), 8, 1 / 8, seed=1).rows
    assert rows.shape == (8, MOST_ROWS // 8)
    assert len(np.unique(rows)) == MOST_ROWS


def test_each_fold_has_the_classes_in_about_the_same_proportions():
    y = (np.arange(1000) < 40).astype(np.int64)
    shares = [y[rows].sum() for rows in make_folds(y, 8, 1 / 8, seed=1).rows]
    assert min(shares) >= 4
    assert max(shares) <= 6


def test_the_same_seed_gives_the_same_folds_and_another_others():
    y = np.arange(60) % 3
    first, again, other = (make_folds(y, 4, 0.2, seed=seed).rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_samples_hold_what_each_member_learns_and_what_it_is_judged_by():
    y = torch.arange(24) % 3
    x = torch.randn(24, 2)
    folds = make_folds(y.numpy(), 4, 1 / 4, seed=0)
    train, valid = folds.train_samples(x, y), folds.valid_samples(x, y)
    for member, rows in enumerate(folds.rows):
        left_out = torch.zeros(24, dtype=torch.bool)
        left_out[rows] = True
        assert (train.y[left_out, member] == IGNORED).all()
        assert (train.y[~left_out, member] == y[~left_out]).all()
        assert (valid.x[member] == x[rows]).all()
        assert (valid.y[:, member] == y[rows]).all()

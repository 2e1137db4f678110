"""Cross entropy is torch's, whichever way it is computed."""

import pytest
import torch
from torch.nn import functional

from training.losses import CrossEntropy, cross_entropy


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 7, 15, 16, 40])
@pytest.mark.parametrize("n_rows", [1, 3, 1_024])
def test_the_loss_and_its_gradient_are_those_of_torch(n_rows, n_classes, weighted):
    generator = torch.Generator().manual_seed(0)
    logits = (5 * torch.randn(n_rows, n_classes, generator=generator)).requires_grad_()
    target = torch.randint(0, n_classes, (n_rows,), generator=generator)
    target[1::3] = -100  # passed over
    weight = torch.rand(n_classes, generator=generator) + 0.5 if weighted else None
    ours, theirs = cross_entropy(logits, target, weight), functional.cross_entropy(logits, target, weight)
    torch.testing.assert_close(ours, theirs)
    gradients = (torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs))
    torch.testing.assert_close(*gradients, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("n_rows", [2, 2_000])
def test_logits_of_any_size_make_a_finite_loss(n_rows):
    logits = torch.tensor([[1e30, -1e30], [0.0, 1e4]]).repeat(n_rows // 2, 1)
    loss = cross_entropy(logits, torch.tensor([0, 0]).repeat(n_rows // 2))
    assert loss.item() == pytest.approx(5_000)


def test_the_criterion_weighs_classes():
    logits, target, weight = torch.randn(600, 3), torch.arange(600) % 3, torch.tensor([0.1, 1.0, 3.0])
    torch.testing.assert_close(CrossEntropy(weight)(logits, target), functional.cross_entropy(logits, target, weight))

"""Orthogonal steps for the matrices between hidden units, Adam's for everything else.

Adam moves each weight by itself, so a matrix mostly moves along the few directions that many rows agree on. Muon
(Jordan et al., 2024) takes the momentum of the whole matrix and makes its singular values about equal: what few rows
ask for moves as far as what many do. Gorishniy et al. (Benchmarking Optimizers for MLPs in Tabular Deep Learning, 2026)
found it better than Adam on most of 17 tables; what it is worth here is in docs/experiments.md. Inputs, of which many
are rarely other than 0, and logits stay with Adam.

torch's own Muon takes one matrix at a time, in bfloat16, which is slow on a processor; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from contract.config import TrainingConfig
from training.ensemble import Ensemble
from training.flat import FlatAdam, FlatParameters
from training.network import Network

MOMENTUM = 0.95
STEP_RMS = 0.2
"""Of a step, before it is multiplied by lr: about that of Adam's, so that one lr and one weight decay suit both (Liu et
al., Muon Is Scalable for LLM Training, 2025)."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan's: ax + bx³ + cx⁵ takes singular values between 0 and 1 to between 0.7 and 1.2 in few iterations."""
N_ITERATIONS = 3
"""Each multiplies small singular values by 3.4; the usual five are no better here."""
STEPS_BETWEEN = 8
"""One whitening serves so many steps, since momentum turns slowly: a new one each time takes as long as half a step."""
FIRST_STEPS = 50
"""In which momentum turns faster, and each has its own."""
WIDEST = 256
"""Of a matrix' short side: beyond, a whitening would take longer than the rest of its steps, and Adam moves it."""
TINY = 1e-20
"""Keeps what is made of a gradient of zeros finite."""


class FlatMuon(FlatAdam):
    """Muon with Nesterov's momentum for the `matrices` of flat parameters, Adam for their rest."""

    def __init__(self, flat: FlatParameters, *, lr: float, weight_decay: float, beta2: float = 0.999) -> None:
        super().__init__(flat, lr=lr, weight_decay=weight_decay, beta2=beta2)
        self._stacks = [_Stack(matrices, gradient) for matrices, gradient in flat.matrices]
        self._n_taken = 0

    def step(self) -> None:
        """Shrink the weights, then move every parameter against its gradient."""
        super().step()
        renew = self._n_taken < FIRST_STEPS or self._n_taken % STEPS_BETWEEN == 0
        for stack in self._stacks:
            stack.step(self._lr, renew=renew)
        self._n_taken += 1


class _Stack:
    """Matrices of one layer, a member's or all members', their gradients, and what is remembered of earlier steps."""

    def __init__(self, matrices: Tensor, gradient: Tensor) -> None:
        self._matrices, self._gradient = (one.unsqueeze(0) if one.ndim == 2 else one for one in (matrices, gradient))
        self._momentum = torch.zeros_like(self._matrices)
        self._whitening: Tensor | None = None
        self._size = STEP_RMS * math.sqrt(max(matrices.shape[-2:]))
        self._largest = math.sqrt(min(matrices.shape[-2:]))

    def step(self, lr: float, *, renew: bool) -> None:
        self._momentum.lerp_(self._gradient, 1 - MOMENTUM)
        ahead = self._gradient.lerp(self._momentum, MOMENTUM)
        if renew or self._whitening is None:
            self._whitening = find_whitening(ahead)
        steps = whiten(ahead, self._whitening)
        # None is larger than an orthogonal matrix: that of a sudden gradient would be, which the whitening has not met.
        limit = (self._largest / vector_norm(steps, dim=(1, 2), keepdim=True)).clamp_(max=1)
        self._matrices.addcmul_(steps, limit, value=-lr * self._size)


def find_whitening(matrices: Tensor) -> Tensor:
    """What brings the singular values of matrices near 1: float32 `(k, n, m)` → `(k, min(n, m), min(n, m))`.

    Newton and Schulz's iteration. All of it is powers of the smaller Gram matrix, so the long side is met but once.
    """
    gram = matrices.mT @ matrices if _is_tall(matrices) else matrices @ matrices.mT
    squared_norm = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] + TINY
    gram.div_(squared_norm)
    whitening = factor = _polynomial(gram)
    for _ in range(N_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _polynomial(gram)
        whitening = whitening @ factor
    return whitening / squared_norm.sqrt()


def whiten(matrices: Tensor, whitening: Tensor) -> Tensor:
    """Matrices of the same singular vectors, and with a whitening of their own of singular values near 1."""
    return matrices @ whitening if _is_tall(matrices) else whitening @ matrices


def make_optimizer(network: nn.Module, config: TrainingConfig) -> tuple[FlatParameters, FlatAdam]:
    """A network's parameters in one vector, and the optimizer on them that the config asks for."""
    matrices: Sequence[Tensor] = ()
    kind = FlatAdam
    if config.optimizer == "muon" and isinstance(network, Network | Ensemble):
        matrices = [weight for weight in network.hidden_weights() if min(weight.shape[-2:]) <= WIDEST]
        kind = FlatMuon
    flat = FlatParameters(network, matrices)
    return flat, kind(flat, lr=config.lr, weight_decay=config.weight_decay, beta2=config.beta2)


def _is_tall(matrices: Tensor) -> bool:
    return matrices.shape[-2] >= matrices.shape[-1]


def _polynomial(gram: Tensor) -> Tensor:
    """a + b·gram + c·gram²: what a matrix is multiplied by to become aM + bMMᵀM + c(MMᵀ)²M."""
    a, b, c = COEFFICIENTS
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=-2, dim2=-1).add_(a)
    return factor

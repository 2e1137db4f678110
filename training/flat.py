"""All parameters of a network in one vector, so that a step, a norm, a snapshot and a restore are one call each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BETA1, EPSILON = 0.9, 1e-8
"""Adam's memory of gradients, and what keeps its division finite: torch's defaults."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a network: its parameters in one vector, and its buffers (batch norm's running statistics)."""

    vector: Tensor
    buffers: tuple[Tensor, ...]


class FlatParameters:
    """Views a network's parameters and gradients as two vectors; the network keeps working, and sees every change.

    `weights` is the first part of `vector`, which weight decay shrinks; biases and the like come after it. Before all
    others come `matrices`, weights that an optimizer moves in another way than the `rest`, each beside its gradient.
    """

    def __init__(self, network: nn.Module, matrices: Sequence[Tensor] = ()) -> None:
        first = {id(matrix) for matrix in matrices}
        named = sorted(
            network.named_parameters(), key=lambda pair: (id(pair[1]) not in first, not pair[0].endswith("weight"))
        )
        parameters = [parameter for _, parameter in named]
        n_weights = sum(parameter.numel() for name, parameter in named if name.endswith("weight"))
        by_columns = {
            module.weight
            for module in network.modules()
            if isinstance(module, nn.Linear) and module.out_features > module.in_features
        }
        self._buffers = tuple(network.buffers())
        self.vector = parameters[0].new_empty(sum(parameter.numel() for parameter in parameters))
        self.gradient = torch.zeros_like(self.vector)
        self.weights = self.vector[:n_weights]
        self.matrices: list[tuple[Tensor, Tensor]] = []
        start = 0
        for parameter in parameters:
            view = _view_by_columns if parameter in by_columns else Tensor.view_as
            part = slice(start, start + parameter.numel())
            parameter.data = view(self.vector[part], parameter).copy_(parameter.detach())
            parameter.grad = gradient = view(self.gradient[part], parameter)
            if id(parameter) in first:
                self.matrices.append((parameter.data, gradient))
            start = part.stop
        self.rest = slice(sum(matrix.numel() for matrix in matrices), None)

    def snapshot(self) -> Snapshot:
        """A copy of the network's state."""
        return Snapshot(self.vector.clone(), tuple(buffer.clone() for buffer in self._buffers))

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot's state back."""
        self.vector.copy_(snapshot.vector)
        for buffer, saved in zip(self._buffers, snapshot.buffers, strict=True):
            buffer.copy_(saved)


class FlatAdam:
    """Adam (Kingma & Ba, 2015), with decoupled weight decay (Loshchilov & Hutter, 2019), on the vector's `rest`.

    The decay is that of all weights.

    A step is the operator that torch's fused optimizers call, without what they do around it for each group of
    parameters, which took a tenth of a step. Gradients are cleared in place, since the network's parameters hold views
    of them.
    """

    def __init__(self, flat: FlatParameters, *, lr: float, weight_decay: float, beta2: float = 0.999) -> None:
        self._flat = flat
        self._lr, self._weight_decay, self._beta2 = lr, weight_decay, beta2
        self._vector, self._gradient = flat.vector[flat.rest], flat.gradient[flat.rest]
        self._mean, self._square = torch.zeros_like(self._vector), torch.zeros_like(self._vector)
        self._n_steps = torch.zeros((), device=flat.vector.device)

    def adjust(self, *, lr: float, weight_decay: float) -> None:
        """For the steps from now on."""
        self._lr, self._weight_decay = lr, weight_decay

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        self._flat.gradient.zero_()

    def step(self) -> None:
        """Shrink the weights, then move every parameter against its gradient."""
        if self._weight_decay:
            self._flat.weights.mul_(1 - self._lr * self._weight_decay)
        self._n_steps += 1
        torch._fused_adam_(  # torch.optim wraps it in 40 µs of Python; a test compares the two
            [self._vector], [self._gradient], [self._mean], [self._square], [], [self._n_steps],
            lr=self._lr, beta1=BETA1, beta2=self._beta2, weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip


def _view_by_columns(part: Tensor, parameter: Tensor) -> Tensor:
    """As `view_as`, but a matrix's columns lie together.

    Autograd then computes the gradient of a layer that gets wider with its long side in a row: 54 → 128 in two thirds
    of the time.
    """
    return part.view(parameter.shape[::-1]).t()

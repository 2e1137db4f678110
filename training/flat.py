"""All parameters of a network in one vector, so that a step, a norm, a snapshot and a restore are one call each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a network: its parameters in one vector, and its buffers (batch norm's running statistics)."""

    vector: Tensor
    buffers: tuple[Tensor, ...]


class FlatParameters:
    """Views a network's parameters and gradients as two vectors; the network keeps working, and sees every change.

    `vector` is what the optimizer is given: one tensor instead of two a layer.
    """

    def __init__(self, network: nn.Module) -> None:
        parameters = list(network.parameters())
        self._buffers = tuple(network.buffers())
        self.vector = nn.Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in parameters]))
        self.gradient = torch.zeros_like(self.vector, requires_grad=False)
        self.vector.grad = self.gradient
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.data = self.vector.data[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end

    def snapshot(self) -> Snapshot:
        """A copy of the network's state."""
        return Snapshot(self.vector.detach().clone(), tuple(buffer.clone() for buffer in self._buffers))

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot's state back."""
        self.vector.data.copy_(snapshot.vector)
        for buffer, saved in zip(self._buffers, snapshot.buffers, strict=True):
            buffer.copy_(saved)


class FlatAdam(torch.optim.Adam):
    """Adam, with decoupled weight decay, on the one vector: torch's own fused step, in one call for all layers.

    Gradients are cleared in place, since the network's parameters hold views of them.
    """

    def __init__(self, flat: FlatParameters, *, lr: float, weight_decay: float) -> None:
        super().__init__([flat.vector], lr=lr, weight_decay=weight_decay, decoupled_weight_decay=True, fused=True)
        self._gradient = flat.gradient

    def zero_grad(self, set_to_none: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 # torch's signature
        """Set every gradient to zero."""
        self._gradient.zero_()

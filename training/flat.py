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

    The optimizer is given two tensors instead of two a layer: `weights`, which stand first in the vector and which
    weight decay shrinks, and `others`, such as biases, which it leaves alone.
    """

    def __init__(self, network: nn.Module) -> None:
        named = sorted(network.named_parameters(), key=lambda pair: not pair[0].endswith("weight"))
        parameters = [parameter for _, parameter in named]
        n_weights = sum(parameter.numel() for name, parameter in named if name.endswith("weight"))
        self._buffers = tuple(network.buffers())
        self.vector = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        self.gradient = torch.zeros_like(self.vector)
        self.weights, self.others = (nn.Parameter(part) for part in (self.vector[:n_weights], self.vector[n_weights:]))
        self.weights.grad, self.others.grad = self.gradient[:n_weights], self.gradient[n_weights:]
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.data = self.vector[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end

    def snapshot(self) -> Snapshot:
        """A copy of the network's state."""
        return Snapshot(self.vector.clone(), tuple(buffer.clone() for buffer in self._buffers))

    def restore(self, snapshot: Snapshot) -> None:
        """Put a snapshot's state back."""
        self.vector.copy_(snapshot.vector)
        for buffer, saved in zip(self._buffers, snapshot.buffers, strict=True):
            buffer.copy_(saved)


class FlatAdam(torch.optim.Adam):
    """Adam, with decoupled weight decay, on the one vector: torch's own fused step, for all layers at once.

    Gradients are cleared in place, since the network's parameters hold views of them.
    """

    def __init__(self, flat: FlatParameters, *, lr: float, weight_decay: float, beta2: float = 0.999) -> None:
        super().__init__(
            [{"params": [flat.weights], "weight_decay": weight_decay}, {"params": [flat.others], "weight_decay": 0.0}],
            lr=lr,
            betas=(0.9, beta2),
            decoupled_weight_decay=True,
            fused=True,
        )
        self._gradient = flat.gradient

    def adjust(self, *, lr: float, weight_decay: float) -> None:
        """For the steps from now on."""
        weights, others = self.param_groups
        weights["lr"] = others["lr"] = lr
        weights["weight_decay"] = weight_decay

    def zero_grad(self, set_to_none: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 # torch's signature
        """Set every gradient to zero."""
        self._gradient.zero_()

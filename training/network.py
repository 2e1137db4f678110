"""The network: linear layers with a nonlinearity between them, ending in raw logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contract.config import Activation
from training.rows_at_once import rows_at_once

_ACTIVATIONS: dict[Activation, tuple[type[nn.Module], type[nn.Module]]] = {
    "relu": (nn.ReLU, nn.ReLU),
    "silu": (nn.SiLU, nn.SiLU),
    "silu-relu": (nn.SiLU, nn.ReLU),
    "selu": (nn.SELU, nn.SELU),
    "tanh": (nn.Tanh, nn.Tanh),
    "gelu": (nn.GELU, nn.GELU),
}


class Network(nn.Module):
    """`d_in` numbers in, `d_out` raw logits out. The loss applies the softmax, so the network has none.

    Each hidden layer is Linear → batch norm (if asked for) → activation → dropout (if asked for).

    Shape:
        x: float32 `(n_samples, d_in)` → float32 `(n_samples, d_out)`.

    >>> network = Network(4, [10], 3, activation="relu")
    >>> [tuple(parameter.shape) for parameter in network.parameters()]
    [(10, 4), (10,), (3, 10), (3,)]
    """

    def __init__(
        self,
        d_in: int,
        hidden_sizes: Sequence[int],
        d_out: int,
        *,
        activation: Activation,
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, d_block in enumerate(hidden_sizes):
            layers.append(nn.Linear(d_in, d_block))
            layers += [nn.BatchNorm1d(d_block)] if batch_norm else []
            layers.append(nonlinearity(activation, is_first=index == 0))
            layers += [nn.Dropout(dropout)] if dropout else []
            d_in = d_block
        layers.append(nn.Linear(d_in, d_out))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Raw logits."""
        for layer in self.layers:
            x = layer(x)
        return x

    def hidden_weights(self) -> Sequence[Tensor]:
        """The matrices between hidden units: not the first, which meets the inputs, nor the last."""
        return [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)][1:-1]


def nonlinearity(activation: Activation, *, is_first: bool) -> nn.Module:
    """What stands behind a hidden layer, the first one or another."""
    first, other = _ACTIVATIONS[activation]
    return first() if is_first else other()


class Evaluation:
    """A network's answers with dropout off and batch norm on its running statistics, whatever mode it is in."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        # The modules' own dictionaries: what `train()` and `eval()` change, without walking the tree and through every
        # module's registries, which took a tenth of an epoch.
        self._modules = [module.__dict__ for module in network.modules()]

    def logits(self, x: Tensor) -> Tensor:
        """What the network answers to x, on its device. Modes are restored."""
        modes = [module["training"] for module in self._modules]
        for module in self._modules:
            module["training"] = False
        try:
            with torch.inference_mode():
                n_rows = rows_at_once(x.numel() // x.shape[-2])
                if x.shape[-2] <= n_rows:
                    logits: Tensor = self._network(x)
                    return logits
                return torch.cat([self._network(chunk) for chunk in x.split(n_rows, dim=-2)], dim=-2)
        finally:
            for module, mode in zip(self._modules, modes, strict=True):
                module["training"] = mode


def predict_logits(network: nn.Module, x: Tensor) -> Tensor:
    """The logits of one `Evaluation`."""
    return Evaluation(network).logits(x)


def count_parameters(network: nn.Module) -> int:
    """How many numbers training fits."""
    return sum(parameter.numel() for parameter in network.parameters())

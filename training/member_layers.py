"""The layers of several small networks that are trained as one: what each member has of its own lies side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

SIGMA = 0.1
"""Deviation of the first frequencies, in waves per unit of a scaled number."""
D_EMBEDDING = 4
"""What the waves of one number are mixed down to."""
N_MASKS = 8_192
"""Rows of dropout that are drawn ahead. Drawing them for each batch took a fourteenth of a step."""


class PeriodicEmbedding(nn.Module):
    """Some columns of x as waves: sin(2π · frequency · x + phase), mixed for each column by itself.

    Shape:
        x: float32 `(…, d_in)` → float32 `(…, n_columns × D_EMBEDDING)`.
    """

    def __init__(self, columns: Sequence[int], n_frequencies: int) -> None:
        super().__init__()
        size = (len(columns), n_frequencies)
        self.register_buffer("columns", torch.tensor(list(columns), dtype=torch.int64))
        self.columns: Tensor
        self.frequencies = nn.Parameter(torch.randn(size) * SIGMA)
        self.phases = nn.Parameter((torch.rand(size) * 2 - 1) * math.pi)
        self.mixing = nn.Parameter(torch.randn(*size, D_EMBEDDING) / math.sqrt(n_frequencies))

    def forward(self, x: Tensor) -> Tensor:
        """The mixed waves."""
        # Rows last: a column's frequency then meets all of its numbers at once, which takes half as long.
        by_column = x.index_select(-1, self.columns).mul_(2 * math.pi).movedim(-1, 0).flatten(1).unsqueeze(1)
        angles = (self.frequencies.unsqueeze(-1) * by_column).add_(self.phases.unsqueeze(-1))
        mixed = torch.bmm(self.mixing.transpose(1, 2), angles.sin())
        return mixed.flatten(0, 1).t().reshape(*x.shape[:-1], -1)


class InputLayer(nn.Module):
    """A linear layer of each member on inputs that they share; `weight` is float32 `(n_members, d_in, d_out)`.

    `scales`, float32 `(n_members, d_in)` or `(n_members, 1)`, are what a member's inputs are multiplied by; None for 1.
    Every second member, from the first, also multiplies the last `n_learnt` inputs by `gains`, float32 `(half of
    n_members rounded up, n_learnt, 1)`, which it learns.

    Shape:
        x: `(n_samples, d_in)`, or rows of each member's own `(n_members, n_samples, d_in)`; `hidden`, what it is added
        to in place → `(n_members, n_samples, d_out)`.
    """

    def __init__(
        self, n_members: int, d_in: int, d_out: int, *, fan_in: int, scales: Tensor | None = None, n_learnt: int = 0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(uniform((n_members, d_in, d_out), fan_in))
        self.register_buffer("scales", torch.ones(n_members, 1, 1) if scales is None else scales.unsqueeze(-1))
        self.scales: Tensor
        self.gains = nn.Parameter(torch.ones(math.ceil(n_members / 2), n_learnt, 1)) if n_learnt else None

    @property
    def scaled_weight(self) -> Tensor:
        """`weight` with the scales and gains in it, of its shape."""
        return self.weight * self._scales_and_gains()

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """xW + what is there."""
        return hidden.baddbmm_(x.expand(len(self.weight), -1, -1), self.scaled_weight)

    def _scales_and_gains(self) -> Tensor:
        """In one small tensor first: gradients then go through the weights but once."""
        if self.gains is None:
            return self.scales
        factors = self.scales.expand(-1, self.weight.shape[1], -1).clone()
        factors[::2, -self.gains.shape[1] :].mul_(self.gains)
        return factors


class MemberLinear(nn.Module):
    """A linear layer of each member on its own input; `weight` is float32 `(n_members, d_in, d_out)`.

    Shape:
        x: `(n_members, n_samples, d_in)` → `(n_members, n_samples, d_out)`.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(uniform((n_members, d_in, d_out), d_in))
        self.bias = nn.Parameter(uniform((n_members, 1, d_out), d_in))

    def forward(self, x: Tensor) -> Tensor:
        """xW + b for each member."""
        return torch.baddbmm(self.bias, x, self.weight)


class LogitsLayer(nn.Module):
    """A member's last layer, which has few outputs; `weight` is float32 `(n_members, d_out, d_in)`.

    Shape:
        x: `(n_members, n_samples, d_in)` → `(n_members, n_samples, d_out)`, whose rows lie side by side in memory.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(uniform((n_members, d_out, d_in), d_in))
        self.bias = nn.Parameter(uniform((n_members, d_out, 1), d_in))

    def forward(self, x: Tensor) -> Tensor:
        """Wx + b for each member."""
        logits: Tensor = _RowsLast.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return logits.mT


class _RowsLast(torch.autograd.Function):
    """Wxᵀ + b, whose three products each have the rows, or what is as many, last.

    With two columns instead of 256 there a product takes four times as long, and autograd would choose so for one of
    the three, whichever way the layer is written; it is 5 % of a step. Softmax, too, is faster along rows.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias, weight, x.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return torch.bmm(gradient.mT, weight), torch.bmm(gradient, x), gradient.sum(dim=-1, keepdim=True)


class SharedDropout(nn.Module):
    """Dropout with one mask for all members: drawing one for each took longer than their multiplications.

    Masks are drawn ahead, `N_MASKS` rows of them; a batch gets as many in a row as it has, from anywhere among them.

    Shape:
        x: `(n_members, n_samples, d)` → the same; with `inplace`, x itself.
    """

    def __init__(self, p: float, *, inplace: bool = False) -> None:
        super().__init__()
        self.p = p
        self.inplace = inplace
        self._masks: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Values kept are scaled up, so that their mean stays."""
        if not self.training:
            return x
        mask = self._mask(x)
        return x.mul_(mask) if self.inplace else x * mask

    def _mask(self, x: Tensor) -> Tensor:
        n_rows = x.shape[-2]
        if n_rows > N_MASKS // 2:
            return self._draw(n_rows, x)
        if self._masks is None:
            self._masks = self._draw(N_MASKS, x)
        start = int(torch.randint(N_MASKS - n_rows + 1, ()))
        return self._masks[start : start + n_rows]

    def _draw(self, n_rows: int, x: Tensor) -> Tensor:
        return torch.rand(n_rows, x.shape[-1], device=x.device).ge_(self.p).div_(1 - self.p)


def uniform(shape: tuple[int, ...], fan_in: int) -> Tensor:
    """As torch's Linear begins."""
    return (torch.rand(shape) * 2 - 1) / math.sqrt(fan_in)

"""Several small networks trained as one: their weights lie side by side, so that each layer is one multiplication.

The members see the same batches, but each leaves out rows of its own (`training.folds`), which tell when to stop; their
mean answers better, and more honestly, than any of them. Each number also enters as a few waves whose frequencies are
learnt, which lets a small network follow steep turns (Gorishniy et al., On Embeddings for Numerical Features in Tabular
Deep Learning, 2022, §3.3), and each member meets categories, thresholds and waves on scales of its own
(`training.input_scales`). What each part is worth is in docs/experiments.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from contract.config import Activation
from training.input_scales import InputScales
from training.losses import cross_entropy
from training.network import nonlinearity

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
        self.weight = nn.Parameter(_uniform((n_members, d_in, d_out), fan_in))
        self.register_buffer("scales", torch.ones(n_members, 1, 1) if scales is None else scales.unsqueeze(-1))
        self.scales: Tensor
        self.gains = nn.Parameter(torch.ones(math.ceil(n_members / 2), n_learnt, 1)) if n_learnt else None

    @property
    def scaled_weight(self) -> Tensor:
        """`weight` with the scales and gains in it, of its shape."""
        scales = self.scales
        if self.gains is not None:
            scales = scales.clone()
            scales[::2, -self.gains.shape[1] :] *= self.gains
        return self.weight * scales

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """xW + what is there."""
        return hidden.baddbmm_(x.expand(len(self.weight), -1, -1), self.scaled_weight)


class MemberLinear(nn.Module):
    """A linear layer of each member on its own input; `weight` is float32 `(n_members, d_in, d_out)`.

    Shape:
        x: `(n_members, n_samples, d_in)` → `(n_members, n_samples, d_out)`.
    """

    def __init__(self, n_members: int, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(_uniform((n_members, d_in, d_out), d_in))
        self.bias = nn.Parameter(_uniform((n_members, 1, d_out), d_in))

    def forward(self, x: Tensor) -> Tensor:
        """xW + b for each member."""
        return torch.baddbmm(self.bias, x, self.weight)


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


class Ensemble(nn.Module):
    """`n_members` networks: `d_in` numbers in, raw logits of each out.

    Shape:
        x: float32 `(n_samples, d_in)`, or rows of each member's own `(n_members, n_samples, d_in)` →
        float32 `(n_members, n_samples, d_out)`.
    """

    def __init__(  # noqa: PLR0913 # one for each option of the config
        self,
        d_in: int,
        hidden_sizes: Sequence[int],
        d_out: int,
        *,
        n_members: int,
        activation: Activation,
        dropout: float = 0.0,
        waved: Sequence[int] = (),
        n_frequencies: int = 0,
        scales: InputScales | None = None,
    ) -> None:
        super().__init__()
        of_columns, of_waves, n_learnt = scales or (None, None, 0)
        waved = waved if n_frequencies else ()
        self.n_members = n_members
        fan_in = d_in + len(waved) * D_EMBEDDING
        sizes = (*hidden_sizes, d_out)
        self.first = InputLayer(n_members, d_in, sizes[0], fan_in=fan_in, scales=of_columns, n_learnt=n_learnt)
        # What it adds is a layer of its own rather than columns beside x: x needs no gradient, and is the wider.
        self.embedding = PeriodicEmbedding(waved, n_frequencies) if waved else None
        self.first_of_waves = (
            InputLayer(n_members, fan_in - d_in, sizes[0], fan_in=fan_in, scales=of_waves) if waved else None
        )
        self.first_bias = nn.Parameter(_uniform((n_members, 1, sizes[0]), fan_in))
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            layers += _nonlinear(activation, dropout, is_first=index == 0)
            layers.append(MemberLinear(n_members, before, after))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Raw logits of each member."""
        hidden = self.first_bias.expand(-1, x.shape[-2], -1).clone(memory_format=torch.contiguous_format)
        hidden = self.first(x, hidden)
        if self.embedding is not None and self.first_of_waves is not None:
            hidden = self.first_of_waves(self.embedding(x), hidden)
        logits: Tensor = self.layers(hidden)
        return logits


class MemberLoss(nn.CrossEntropyLoss):
    """Cross entropy over all members' answers at once: the mean of their losses, never the loss of their mean.

    Shape:
        logits: `(n_members, n_samples, n_classes)`; targets: int64 `(n_samples, n_members)`, `IGNORED` where a member
        leaves a row out → a scalar.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002 # torch's names
        """The loss."""
        return cross_entropy(input.flatten(0, 1), target.t().flatten(), self.weight)


def combine(logits: Tensor) -> Tensor:
    """Members' logits `(n_members, n_samples, n_classes)` → log of the mean of their probabilities."""
    return logits.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits))


def _nonlinear(activation: Activation, dropout: float, *, is_first: bool) -> list[nn.Module]:
    """What stands behind a layer. It overwrites what no gradient asks for again, since fetching memory takes its time.

    That is ReLU's input, so dropout comes first there, which is the same; and the output of those whose gradient is a
    matter of their input.
    """
    layer = nonlinearity(activation, is_first=is_first)
    is_relu = isinstance(layer, nn.ReLU)
    overwrites = is_relu or isinstance(layer, (nn.SiLU, nn.GELU))
    masked = [SharedDropout(dropout, inplace=overwrites)] if dropout else []
    return [*masked, nn.ReLU(inplace=True)] if is_relu else [layer, *masked]


def _uniform(shape: tuple[int, ...], fan_in: int) -> Tensor:
    """As torch's Linear begins."""
    return (torch.rand(shape) * 2 - 1) / math.sqrt(fan_in)

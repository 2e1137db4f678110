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
from torch.nn import functional

from contract.config import Activation
from training.input_scales import InputScales
from training.losses import IGNORED
from training.member_layers import (
    D_EMBEDDING,
    InputLayer,
    LogitsLayer,
    MemberLinear,
    PeriodicEmbedding,
    SharedDropout,
    uniform,
)
from training.network import nonlinearity


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
        self.first_bias = nn.Parameter(uniform((n_members, 1, sizes[0]), fan_in))
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            layers += _nonlinear(activation, dropout, is_first=index == 0)
            is_last = index == len(hidden_sizes) - 1
            layers.append((LogitsLayer if is_last else MemberLinear)(n_members, before, after))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Raw logits of each member."""
        hidden = self.first_bias.expand(-1, x.shape[-2], -1).clone(memory_format=torch.contiguous_format)
        hidden = self.first(x, hidden)
        if self.embedding is not None and self.first_of_waves is not None:
            hidden = self.first_of_waves(self.embedding(x), hidden)
        logits: Tensor = self.layers(hidden)
        return logits

    def hidden_weights(self) -> Sequence[Tensor]:
        """The matrices between hidden units, which waves are, too: they are learnt."""
        of_waves = [self.first_of_waves.weight] if self.first_of_waves is not None else []
        return of_waves + [layer.weight for layer in self.layers if isinstance(layer, MemberLinear)]


class MemberLoss(nn.CrossEntropyLoss):
    """Cross entropy over all members' answers at once: the mean of their losses, never the loss of their mean.

    Shape:
        logits: `(n_members, n_samples, n_classes)`; targets: int64 `(n_samples, n_members)`, `IGNORED` where a member
        leaves a row out → a scalar.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002 # torch's names
        """The loss."""
        return functional.cross_entropy(input.mT, target.t(), self.weight, ignore_index=IGNORED)


def combine(logits: Tensor) -> Tensor:
    """Members' logits `(n_members, n_samples, n_classes)` → log of the mean of their probabilities."""
    return logits.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(logits))


def _nonlinear(activation: Activation, dropout: float, *, is_first: bool) -> list[nn.Module]:
    """What stands behind a layer. It overwrites what no gradient asks for again, since fetching memory takes its time.

    That is ReLU's input, so dropout comes first there, which is the same; and the output of all others but tanh, whose
    gradient is a matter of that.
    """
    layer = nonlinearity(activation, is_first=is_first)
    masked = [SharedDropout(dropout, inplace=not isinstance(layer, nn.Tanh))] if dropout else []
    return [*masked, nn.ReLU(inplace=True)] if isinstance(layer, nn.ReLU) else [layer, *masked]

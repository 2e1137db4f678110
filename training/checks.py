"""The known mistakes of a training loop, caught where they are made."""

from __future__ import annotations

import torch
from torch import Tensor

RULE = "the loss takes raw logits and applies the softmax itself, got a network that ends"


def check_samples(x: Tensor, y: Tensor) -> None:
    """Features and targets that cross entropy can learn from.

    Raises:
        TypeError: `x` is not float32 or `y` is not int64.
        ValueError: `x` is not `(n_samples, d_in)` or `y` not `(n_samples,)`, with members `(n_samples, n_members)`, or
            there are no rows.
    """
    if x.dtype != torch.float32:
        raise TypeError(f"features must be float32, as the weights are, got {_name(x.dtype)}")
    if y.dtype != torch.int64:
        raise TypeError(f"targets must be int64 class indices, got {_name(y.dtype)}")
    rows = {1: (tuple(y.shape),), 2: (tuple(y.shape[:1]), tuple(y.shape[::-1]))}.get(y.ndim, ())
    if tuple(x.shape[:-1]) not in rows or y.numel() == 0:
        raise ValueError(f"x must be (n_samples, d_in) and y (n_samples,), got {tuple(x.shape)} and {tuple(y.shape)}")


def check_scalar(loss: Tensor) -> Tensor:
    """The loss itself, where backward can start from it.

    Raises:
        ValueError: it is not a single number of shape `[]`.
    """
    if loss.ndim != 0:
        raise ValueError(f"backward starts from one scalar: the loss must have shape [], got {list(loss.shape)}")
    return loss


def check_logits(outputs: Tensor) -> None:
    """A network's answers `(…, n_samples, d_out)`, where they are raw logits.

    Cross entropy applies log-softmax itself. After a softmax it still runs, but its gradients fade and the network
    learns slowly and badly, so what looks like probabilities or their logarithms in every row is refused.

    Raises:
        ValueError: a softmax or log-softmax stands at the end of the network.
    """
    outputs = outputs.flatten(0, -2)
    ones = torch.ones(len(outputs), device=outputs.device)
    if bool((outputs >= 0).all()) and torch.allclose(outputs.sum(dim=1), ones, atol=1e-5):
        raise ValueError(f"{RULE} in softmax")
    if outputs.shape[1] > 1 and torch.allclose(outputs.exp().sum(dim=1), ones, atol=1e-5):
        raise ValueError(f"{RULE} in log-softmax")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

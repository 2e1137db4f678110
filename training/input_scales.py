"""On what scale each member meets each kind of input: the same columns, quieter for one member and louder for another.

Adam moves all weights about as far in a step, and weight decay shrinks all alike, so it is a column's scale that says
how much a network makes of it: how soon it learns from it, and how much of the noise. No scale suits every table. Where
labels hang on how categories meet, loud categories are worth more than anything else; where each category adds its own
small part, they are learnt by heart. So the members differ, over a range that reaches both, and their mean does about
as well as the better ones would (Wenzel et al., Hyperparameter Ensembles for Robustness and Uncertainty Quantification,
2020). From there every second member learns how loud each category is to be for it, as RealMLP does for all columns
(Holzmüller et al., Better by Default, 2024): what does not help falls silent. The others stay, since where categories
are many, some are learnt by heart that way. What it is worth is in docs/experiments.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.preprocessing import Preprocessing

Ends = tuple[float, float]
"""The first member's scale and the last one's; the others lie between, each as many times the one before."""
CATEGORIES: Ends = (1.0, 10.0)
"""Times the fourth root of a category's share of the rows: those that are rare are learnt by heart first."""
THRESHOLDS: Ends = (4.0, 1.0)
WAVES: Ends = (1.0, 6.0)


class InputScales(NamedTuple):
    """Factors of the network's inputs, `columns`, float32 `(n_members, d_in)`, and of all its waves, `(n_members, 1)`.

    For every second member those of the last `n_learnt` columns are where learning begins.
    """

    columns: Tensor
    waves: Tensor
    n_learnt: int


def find_scales(preprocessing: Preprocessing, x: Tensor, n_members: int) -> InputScales:
    """The factors of an ensemble on such inputs; x, float32 `(n_samples, d_in)`, are the train rows.

    Numbers and their indicators stay as they are. A category that no train row has gets 0: it says nothing, whatever
    the weights that stand for it began with.
    """
    thresholds, categories, waves = (_between(ends, n_members).to(x) for ends in (THRESHOLDS, CATEGORIES, WAVES))
    n_numeric = preprocessing.d_numeric
    columns = torch.ones(n_members, preprocessing.d_in, device=x.device)
    columns[:, n_numeric - len(preprocessing.thresholds.values) : n_numeric] = thresholds
    columns[:, n_numeric:] = categories * x[:, n_numeric:].mean(dim=0) ** 0.25
    return InputScales(columns, waves, n_learnt=preprocessing.d_categorical)


def _between(ends: Ends, n_members: int) -> Tensor:
    """Float32 `(n_members, 1)`; for a single member the middle."""
    factors = np.geomspace(*ends, n_members) if n_members > 1 else np.sqrt([ends[0] * ends[1]])
    return torch.from_numpy(factors.astype(np.float32)).unsqueeze(1)

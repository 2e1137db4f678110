"""Rows that say what others say already, or the contrary."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import polars as pl

from contract.decision import Finding
from training.cells import numbers
from training.kinds import Kind
from training.retrain.findings import Limits

DUPLICATES = Limits(warn=0.5, refuse=0.95)
"""Above the first a table was probably put together from overlapping parts, above the second it is one part many times
over: the rows to validate on are then all known."""
CONTRADICTIONS = Limits(warn=0.05, refuse=0.5)
"""Above the first, labels are noisier than models are usually asked to learn; above the second most of the table says
both one thing and another."""


def find_repeats(frame: pl.DataFrame, y: np.ndarray, kinds: Mapping[str, Kind]) -> list[Finding]:
    """Findings on repeated and on contradictory rows. `y` are class indices int64 `(n_rows,)`, none of them -1.

    Rows of few categories or whole numbers repeat, and contradict each other, by nature. So repeats are measured
    against what the same cells would give if each column were shuffled; and only a table with a feature that has
    fractions, whose rows seldom meet, is refused.
    """
    features = frame.select(list(kinds))
    rows = pl.DataFrame({"key": features.hash_rows(seed=0), "y": y})
    can_refuse = any(kind == "numeric" and _has_fractions(features[name]) for name, kind in kinds.items())
    repeats, contradictions = _share_of_repeats(rows, features), _share_of_contradictions(rows)
    findings = [
        *DUPLICATES.judge("duplicates", repeats, f"{repeats:.1%} of the rows that could differ repeat an earlier one"),
        *CONTRADICTIONS.judge(
            "contradictions",
            contradictions,
            f"{contradictions:.1%} of the rows have the same features as a row with another label",
        ),
    ]
    return findings if can_refuse else [msgspec.structs.replace(finding, refused=False) for finding in findings]


def _share_of_repeats(rows: pl.DataFrame, features: pl.DataFrame) -> float:
    n_distinct = rows.n_unique()
    if n_distinct >= (1 - DUPLICATES.warn) * len(rows):
        return 1 - n_distinct / len(rows)
    shuffled = (column.hash().shuffle(seed) for seed, column in enumerate(features))
    n_possible = pl.DataFrame([*shuffled, rows["y"]]).n_unique()
    return max(0.0, 1 - n_distinct / n_possible)


def _share_of_contradictions(rows: pl.DataFrame) -> float:
    groups = rows.group_by("key").agg(pl.len(), pl.col("y").n_unique().alias("n_labels"))
    return float(groups.filter(pl.col("n_labels") > 1)["len"].sum() / len(rows))


def _has_fractions(column: pl.Series) -> bool:
    x, _ = numbers(column)
    return bool((np.floor(x) != x)[~np.isnan(x)].any())

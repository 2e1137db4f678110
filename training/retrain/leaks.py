"""Does one feature alone give the label away? Then it most likely was written after the label was known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from contract.decision import Finding
from contract.faults import show
from training.cells import numbers, texts
from training.kinds import Kind
from training.retrain.findings import Limits

LEAK = Limits(warn=0.97, refuse=0.995)
"""Of skill: honest features reach 0.9 or so on the easiest of tables, such as iris."""
MIN_ROWS = 100
"""With fewer rows, half of them are looked up without an error too often by chance."""
MAX_ROWS = 100_000
"""More are not looked at: so many tell a skill to within 0.001."""
MAX_BINS = 64
MIN_ROWS_OF_BIN = 20


def find_leaks(frame: pl.DataFrame, y: np.ndarray, kinds: Mapping[str, Kind]) -> list[Finding]:
    """A finding for each feature whose skill exceeds a limit.

    `y` are class indices int64 `(n_rows,)`, none of them -1. Skill is measured on half of the rows: 1 where the feature
    predicts each of them right, 0 where it does no better than the commonest class.
    """
    if len(y) < MIN_ROWS:
        return []
    rows = np.random.default_rng(0).permutation(len(y))[:MAX_ROWS]
    frame, y = frame[rows], y[rows]
    skills = {name: _skill(_codes(frame[name], kind, y), y) for name, kind in kinds.items()}
    return [
        finding for name, skill in skills.items() for finding in LEAK.judge("leak", skill, _told(name, skill), name)
    ]


def _told(name: str, skill: float) -> str:
    return (
        f"column {show(name)} alone takes the error of always answering the commonest class down by {skill:.1%}: "
        "it may not be known yet when a prediction is asked for"
    )


def _codes(column: pl.Series, kind: Kind, y: np.ndarray) -> pl.Series:
    """What a lookup table knows a cell by, UInt64 or Int64: the category, the number, or the bin that it lies in."""
    if kind == "categorical":
        return texts(column).hash()
    x, _ = numbers(column)
    values, code = np.unique(x, return_inverse=True)
    if len(values) > MAX_BINS:
        half = len(x) // 2
        code = np.where(np.isnan(x), -1, np.searchsorted(_edges(x[:half], y[:half]), x, side="right"))
    return pl.Series(code.astype(np.int64))


def _edges(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where bins of about as many numbers each end, and where each class begins and ends.

    Without the latter a bin would straddle the bound between two classes, and hide that the number tells them apart.
    """
    present = ~np.isnan(x)
    x, y = x[present], y[present]
    n_bins = max(1, min(MAX_BINS, len(x) // MIN_ROWS_OF_BIN))
    inner = np.arange(1, n_bins) / n_bins
    order = np.lexsort((x, y))
    is_last = np.append(np.diff(y[order]) > 0, np.ones(min(1, len(x)), dtype=bool))
    ends, begins = x[order[is_last]], x[order[np.roll(is_last, 1)]]
    quantiles = np.quantile(x, inner) if len(inner) else inner
    return np.unique(np.concatenate([quantiles, np.nextafter(ends, np.inf), begins]))


def _skill(codes: pl.Series, y: np.ndarray) -> float:
    """How well the commonest class of each code in the first half of the rows predicts the second half."""
    cells = pl.DataFrame({"code": codes, "y": y})
    half = len(y) // 2
    first, second = cells[:half], cells[half:]
    counts = first.group_by("code", "y").len().sort("len", "y", descending=[True, False])
    lookup = counts.unique("code", keep="first", maintain_order=True).select("code", predicted="y")
    commonest = int(np.bincount(y[:half]).argmax())
    predicted = second.join(lookup, on="code", how="left", maintain_order="left")["predicted"].fill_null(commonest)
    accuracy = float((predicted == second["y"]).mean())  # type: ignore[arg-type] # half a table has rows
    majority = float((second["y"] == commonest).mean())  # type: ignore[arg-type] # the same
    return (accuracy - majority) / (1 - majority) if majority < 1 else 0.0

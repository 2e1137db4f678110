"""What came out of putting one promise to the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
"""Where the packages lie: child processes import them from here."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A promise, the figure reached, the target, and whether it was met. `raw` holds every count behind the figure."""

    promise: str
    figure: str
    target: str
    ok: bool
    raw: Mapping[str, object]


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """A percentile of latencies, in milliseconds; NaN where there are none."""
    return float(np.percentile(seconds, percent)) * 1000 if seconds else float("nan")

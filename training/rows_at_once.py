"""How many rows are evaluated at once, in torch and in onnxruntime alike."""

from __future__ import annotations

MOST_ROWS, MOST_NUMBERS = 1 << 11, 1 << 18
"""In an ensemble a row takes n_members × width numbers a layer, and a number many waves: these still lie in the
processor's cache, which takes half the time of writing those of 40,000 rows to memory."""


def rows_at_once(n_numbers: int) -> int:
    """How many rows of so many numbers to evaluate at once, so that memory is bounded."""
    return min(MOST_ROWS, max(MOST_NUMBERS // max(n_numbers, 1), 1))

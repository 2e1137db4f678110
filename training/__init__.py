"""Offline: a table → a trained network → one ONNX file, evaluated and published. torch lives here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.estimator import LitetClassifier

__all__ = ["LitetClassifier"]


def __getattr__(name: str) -> object:
    """The estimator, imported when it is first asked for: it needs scikit-learn, and the commands do not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from training.estimator import LitetClassifier  # noqa: PLC0415

    return LitetClassifier

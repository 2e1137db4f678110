"""One thread for other libraries' models: on a busy machine, threads that wait for each other take most of the time."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from threadpoolctl import threadpool_limits


def one_thread(monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[object]:
    """Within, scikit-learn and LightGBM, which asks joblib how many cores there are, use one thread."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    return threadpool_limits(1)

"""The last requests of each model, in memory, to try a candidate on before it serves."""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial

MAX_BYTES = 4096
"""Larger bodies are left out: what is kept of a model has at most this many bytes times their number."""


class RecentRequests:
    """The bodies that were answered last, `n_requests` for each model. Nothing is ever written to a disk."""

    def __init__(self, n_requests: int) -> None:
        self._bodies: dict[str, deque[bytes]] = defaultdict(partial(deque, maxlen=n_requests))

    def add(self, model: str, body: bytes) -> None:
        """One answered request."""
        if len(body) <= MAX_BYTES:
            self._bodies[model].append(body)

    def of(self, model: str) -> list[bytes]:
        """The requests of a model, oldest first. Any thread may ask."""
        bodies = self._bodies.get(model)
        return list(bodies.copy()) if bodies else []

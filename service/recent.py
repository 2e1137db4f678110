"""The last requests of each model, in memory, to try a candidate on before it serves."""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial

import orjson

from contract.tensors import RowReader, Tensors

MAX_BYTES = 4096
MAX_CELLS = 1024
"""Rows of larger bodies, or of more cells, are left out: what is kept of a model is at most some times this times the
number of requests. The body's bytes alone do not tell: an Arrow column without a value has none for any number of rows,
and its views may all share one long text."""


class RecentRequests:
    """The rows of the last `n_requests` that each model answered. Nothing is ever written to a disk."""

    def __init__(self, n_requests: int) -> None:
        self._requests: dict[str, deque[tuple[RowReader, Tensors]]] = defaultdict(partial(deque, maxlen=n_requests))

    def add(self, model: str, reader: RowReader, tensors: Tensors, n_bytes: int) -> None:
        """The rows of one answered request, which its reader made of a body of so many bytes."""
        if n_bytes <= MAX_BYTES and tensors.x_num.size + tensors.x_cat.size <= MAX_CELLS and _fits(tensors):
            self._requests[model].append((reader, tensors))

    def of(self, model: str) -> list[bytes]:
        """The requests of a model, oldest first, each as `{"instances": [row, …]}`. Any thread may ask."""
        requests = self._requests.get(model)
        return [_document(reader, tensors) for reader, tensors in requests.copy()] if requests else []


def _fits(tensors: Tensors) -> bool:
    return not tensors.x_cat.size or sum(map(len, tensors.x_cat.flat)) <= MAX_BYTES


def _document(reader: RowReader, tensors: Tensors) -> bytes:
    return orjson.dumps({"instances": reader.write(tensors)})

"""Sets of labels, row by row, for formats that write each distinct set once: of thousands of rows there are few."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from contract.schema import Label


def json_text(label: Label) -> bytes:
    """A label as JSON."""
    return json.dumps(label, ensure_ascii=False).encode()


def distinct_sets(sets: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The distinct rows of bool `(n_rows, n_classes)`, as they first come, and for each row which of them it is."""
    packed = np.packbits(sets, axis=1)
    keys = packed.view(f"V{packed.shape[1]}").ravel().tolist()
    number_of: dict[bytes, int] = {}
    numbers = [number_of.setdefault(key, len(number_of)) for key in keys]
    firsts = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))
    return sets[[firsts[key] for key in number_of]], numbers


def set_texts(sets: np.ndarray, texts: Sequence[bytes], wrap: Callable[[bytes], bytes]) -> list[bytes]:
    """For each row what `wrap` makes of the texts of its set's labels, in their order, with commas between them."""
    distinct, numbers = distinct_sets(sets)
    wrapped = [wrap(b",".join([texts[label] for label in np.flatnonzero(one).tolist()])) for one in distinct]
    return [wrapped[number] for number in numbers]

"""How much memory there is, how much a table would take, and what of it a streamed run gives to what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from contract.errors import InvalidConfig, InvalidData
from training.cells import texts
from training.kinds import idle, kind_of

GB = 10**9
RESERVED_BYTES = 8 * GB // 10
"""For the interpreter and its libraries (0.45 GB), the network, its activations, the slices being decoded, and what
allocators keep back."""
MIN_BYTES = GB
SHARE_OF_AVAILABLE = 0.7
"""Of the memory that is available, where nobody said how much: estimates are rough, and others want some."""
SAMPLE_ROWS = 1 << 18
"""Of a streamed table, about so many rows decide on columns, categories and scales, and are split into the parts. Those
of the test part, 39,000, tell a log loss within ±0.003; a quartile of so many is within 0.1 % of the rows."""
MIN_SAMPLE_ROWS = 1 << 12
SAMPLE_SHARE = 0.5
"""Of what is not reserved, for the sample; the rest is for the buffers."""
COPIES, INPUT_COPIES = 2, 5
"""How often a row is held at most, as it was read and as the network's inputs: the frame and those of its parts;
tensors, what `Preprocessing` puts together, and the members' valid rows. With a million rows of 20 numbers and 4 texts,
which makes 1.5 kB a row, training took 1.1."""
MEMINFO = Path("/proc/meminfo")
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of the control group that a container sees as its own, in versions 2 and 1."""
BYTES_PER_TEXT = 64
"""A cell of text as a Python string."""


@dataclass(frozen=True, slots=True)
class RowSize:
    """What one row takes, about: as it is read, and its numbers and texts as inputs of a network."""

    n_bytes: float
    d_in: int
    n_texts: int

    @property
    def in_memory(self) -> float:
        """The most that training takes for it, in bytes, where all rows are held."""
        return COPIES * self.n_bytes + INPUT_COPIES * 4 * self.d_in + BYTES_PER_TEXT * self.n_texts


def measure_rows(frame: pl.DataFrame, max_categories: int) -> RowSize:
    """The size of a table's rows, judged by some of them, at least one."""
    d_in = n_texts = 0
    for column in frame:
        kind = kind_of(column)
        if kind == "numeric":
            d_in += 1
        elif kind == "categorical" and not idle(column, kind):
            d_in += min(texts(column).n_unique(), max_categories)
            n_texts += 1
    return RowSize(frame.estimated_size() / frame.height, d_in, n_texts)


@dataclass(frozen=True, slots=True)
class Budget:
    """The memory that a run may take, all in all; at least `MIN_BYTES`.

    Raises:
        InvalidConfig: it is less.
    """

    n_bytes: int

    def __post_init__(self) -> None:
        if self.n_bytes < MIN_BYTES:
            raise InvalidConfig(f"a run must have at least {show_bytes(MIN_BYTES)} of memory, got {self.n_bytes} bytes")

    def holds(self, n_rows: float, size: RowSize) -> bool:
        """Whether so many rows can be trained on in memory."""
        return n_rows * size.in_memory <= self.n_bytes - RESERVED_BYTES

    def sample_rows(self, size: RowSize) -> int:
        """How many rows of a streamed table the sample may have.

        Raises:
            InvalidData: too few to decide anything by.
        """
        n_rows = min(SAMPLE_ROWS, int(SAMPLE_SHARE * (self.n_bytes - RESERVED_BYTES) / size.in_memory))
        if n_rows < MIN_SAMPLE_ROWS:
            needed = RESERVED_BYTES + MIN_SAMPLE_ROWS * size.in_memory / SAMPLE_SHARE
            raise InvalidData(
                f"a table with rows of {size.n_bytes:,.0f} bytes must have {show_bytes(needed)} of memory, "
                f"got {show_bytes(self.n_bytes)}: leave columns out, or lower max_categories"
            )
        return n_rows

    @property
    def buffer_bytes(self) -> int:
        """What the rows that are read ahead may take."""
        return int((1 - SAMPLE_SHARE) * (self.n_bytes - RESERVED_BYTES))


def available_bytes(meminfo: Path = MEMINFO, limits: Sequence[Path] = LIMITS) -> int | None:
    """The memory that this process could still get, as Linux and its control group tell; None where neither does."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", _read(meminfo), re.MULTILINE)
    told = [int(text) for text in (_read(path).strip() for path in limits) if text.isdigit()]
    return min([*told, *([int(found[1]) * 1024] if found else [])], default=None)


def show_bytes(n_bytes: float) -> str:
    """A size with its unit, to three digits, as `--max-memory` takes it."""
    return f"{n_bytes / GB:.3g}GB"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

"""Tables that are read a batch of rows at a time, however many they have."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import polars as pl


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns to read, in the table's order.

    Text in a column of `numeric` may come as floats, where that leaves nothing to be told about a cell.
    """

    columns: tuple[str, ...]
    numeric: Set[str] = field(default_factory=frozenset)


class Batch(NamedTuple):
    """Rows, at least one; and the share of the table that has been read with them, from 0 to 1."""

    frame: pl.DataFrame
    share: float


class Rows(Protocol):
    """A table that is open. Cells are as in `training.table.Table`, but for `Wanted.numeric`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the table."""
        ...

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """The rows, in order.

        Raises:
            InvalidData: the table cannot be read to its end.
        """
        ...

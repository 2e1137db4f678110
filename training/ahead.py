"""Reading that goes on while the caller is busy, in a thread of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The items; while the caller has one, the next is made in another thread. Errors are raised when their turn comes.

    Whoever stops early closes this iterator, which waits for the item that is being made.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="read") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item

"""Writing that goes on while the caller is busy, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

MAX_WAITING = 2
"""Items that may wait to be written: enough to bridge a hesitation, few enough to take no memory."""


class WriteBehind(Generic[T]):
    """Hands items to `write`, which gets them from an iterator in a thread of its own.

    Leaving the context waits until all is written that was put.

    Raises:
        Whatever `write` raises, at the next `put` or at the end.
    """

    def __init__(self, write: Callable[[Iterator[T]], None]) -> None:
        self._write = write
        self._items: queue.Queue[T | None] = queue.Queue(MAX_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="write")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Wait for a place in the queue."""
        if self._error is not None:
            raise self._error
        self._items.put(item)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._items.put(None)
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        items = self._handed_over()
        try:
            self._write(items)
        except BaseException as error:  # noqa: BLE001 # raised again in the thread that puts
            self._error = error
        for _ in items:
            """An item that nobody writes any more must not keep `put` waiting."""

    def _handed_over(self) -> Iterator[T]:
        while (item := self._items.get()) is not None:
            yield item

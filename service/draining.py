"""A stop that loses no request: not ready at once, serving for a while longer, and only then the server's own stop.

uvicorn stops listening as soon as SIGTERM arrives, when a load balancer still sends requests here. So in between, its
handler is put off by the drain delay. A second SIGTERM, or a SIGINT, stops at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], Any]


class Draining:
    """Whether the process has been told to stop. `delay_s` is how long it goes on serving then."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self.started = False

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Put off the server's SIGTERM handler while the app runs, where it has one: in its process's main thread."""
        with contextlib.ExitStack() as cleanup:
            if threading.current_thread() is threading.main_thread():
                loop = asyncio.get_running_loop()
                self._stand_before(signal.SIGTERM, lambda stop: self._handler(stop, loop), cleanup)
                self._stand_before(signal.SIGINT, self._noted, cleanup)
            yield

    def _stand_before(
        self, number: signal.Signals, make: Callable[[Handler], Handler], cleanup: contextlib.ExitStack
    ) -> None:
        stop = signal.getsignal(number)
        if callable(stop):
            signal.signal(number, make(stop))
            cleanup.callback(signal.signal, number, stop)

    def _noted(self, stop: Handler) -> Handler:
        """The server's own handler; but what lasts, such as a stream of events, learns that it has to end."""

        def on_sigint(number: int, frame: FrameType | None) -> None:
            self.started = True
            stop(number, frame)

        return on_sigint

    def _handler(self, stop: Handler, loop: asyncio.AbstractEventLoop) -> Handler:
        def on_sigterm(number: int, frame: FrameType | None) -> None:
            again, self.started = self.started, True
            if again or not self._delay_s:
                stop(number, frame)
            else:
                # The only call that a signal handler may make of a loop.
                loop.call_soon_threadsafe(loop.call_later, self._delay_s, stop, number, None)

        return on_sigterm

"""Open-loop load: requests are due at a fixed rate whether or not answers come, over kept-alive connections.

A request that is due while every connection waits for an answer is sent as soon as one is free; its latency counts
from when it was due, so a service that stalls cannot hide it (Gil Tene's coordinated omission).
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import uvloop

N_CONNECTIONS = 32
LAST_ANSWERS_S = 10.0
LOOK_S = 0.01
LOWEST_RATE = 500.0
RATE_STEP = 1.4
KEEPS_UP_S = 0.02
"""Beyond it requests wait for each other: at ever higher rates they wait ever longer."""
PACE_S = 0.0005
"""Requests that are due within so short a time are sent together."""
OK = b"HTTP/1.1 200 "
HEAD = b"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


class Sample(NamedTuple):
    """One answered request. Times are of the monotonic clock; `answer` is an index into `Load.answers`."""

    due: float
    finished: float
    connection: int
    answer: int

    @property
    def latency_s(self) -> float:
        """From when it was due to the end of its answer."""
        return self.finished - self.due


@dataclass(slots=True)
class Load:
    """What came back. `answers` are the different bodies; `failures` says what became of requests that failed."""

    samples: list[Sample] = field(default_factory=list)
    answers: dict[bytes, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def n_requests(self) -> int:
        """All that were sent."""
        return len(self.samples) + len(self.failures)


def under_load(url: str, body: bytes, rate: float, act: Callable[[], None]) -> Load:
    """What came back of `rate` requests a second of POST /predict while `act` ran, in a thread.

    Raises:
        Exception: what `act` raised.
    """
    request = HEAD + str(len(body)).encode() + END_OF_HEAD + body
    gc.collect()
    gc.freeze()
    try:
        with ThreadPoolExecutor(1) as thread, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            acting = thread.submit(act)
            load = runner.run(Driver(url, request, rate, acting).drive())
            acting.result()
    finally:
        gc.unfreeze()
    return load


def capacity(url: str, body: bytes, seconds: float) -> float:
    """The highest rate that answers keep up with, each tried for some seconds: p99 stays below `KEEPS_UP_S`.

    It is that of service and driver together, which share the machine.
    """
    rate = LOWEST_RATE
    while _keeps_up(under_load(url, body, rate * RATE_STEP, lambda: time.sleep(seconds))):
        rate *= RATE_STEP
    return rate


def _keeps_up(load: Load) -> bool:
    latencies = sorted(sample.latency_s for sample in load.samples)
    return not load.failures and latencies[int(0.99 * len(latencies))] < KEEPS_UP_S


class Driver:
    """Sends on schedule over its connections until `acting` is done."""

    def __init__(self, url: str, request: bytes, rate: float, acting: Future[None]) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 0)
        self._rate = rate
        self._acting = acting
        self.request = request
        self.load = Load()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._n_under_way = 0
        self._connecting: set[asyncio.Task[None]] = set()

    async def drive(self) -> Load:
        """Send until the end, and wait for the last answers."""
        for number in range(N_CONNECTIONS):
            await self._connect(number)
        await asyncio.to_thread(self._pace, asyncio.get_running_loop())
        deadline = time.monotonic() + LAST_ANSWERS_S
        while (self._waiting or self._n_under_way) and time.monotonic() < deadline:  # noqa: ASYNC110 # once, at the end
            await asyncio.sleep(LOOK_S)
        self.load.failures += ["no answer"] * (len(self._waiting) + self._n_under_way)
        for connection in self._idle:
            connection.close()
        return self.load

    def answered(self, connection: Connection) -> None:
        """A connection is free again."""
        self._n_under_way -= 1
        self._idle.append(connection)
        self._send_waiting()

    def lost(self, connection: Connection, *, under_way: bool) -> None:
        """Put another connection in the place of one that the service closed."""
        if under_way:
            self._n_under_way -= 1
        else:
            self._idle.remove(connection)
        task = asyncio.get_running_loop().create_task(self._connect(connection.number))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _pace(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the loop when requests are due. In a thread, for a loop's own timers are a millisecond late."""
        started = time.monotonic()
        n_due = 0
        while not self._acting.done():
            time.sleep(max(PACE_S, started + n_due / self._rate - time.monotonic()))
            upto = math.floor((time.monotonic() - started) * self._rate) + 1
            loop.call_soon_threadsafe(self._send, [started + number / self._rate for number in range(n_due, upto)])
            n_due = upto

    def _send(self, due: list[float]) -> None:
        self._waiting.extend(due)
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Send what is due, as far as connections are free; each connection in its turn."""
        while self._waiting and self._idle:
            self._n_under_way += 1
            self._idle.popleft().send(self._waiting.popleft())

    async def _connect(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(number, self), self._host, self._port)
        self._idle.append(connection)
        self._send_waiting()


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, number: int, driver: Driver) -> None:
        self.number = number
        self._driver = driver
        self._due: float | None = None
        self._received = b""
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def send(self, due: float) -> None:
        """Send the request that was due then."""
        self._due = due
        self._transport.write(self._driver.request)

    def close(self) -> None:
        """No more requests."""
        self._closing = True
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(END_OF_HEAD)
        if not found or self._due is None:
            return
        at = head.lower().index(LENGTH) + len(LENGTH)
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        load, due = self._driver.load, self._due
        self._received, self._due = b"", None
        if head.startswith(OK):
            answer = load.answers.setdefault(body, len(load.answers))
            load.samples.append(Sample(due, time.monotonic(), self.number, answer))
        else:
            load.failures.append(status_line(head))
        self._driver.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing:
            return
        if self._due is not None:
            self._driver.load.failures.append(f"connection lost: {exc}")
        self._driver.lost(self, under_way=self._due is not None)


def status_line(head: bytes) -> str:
    """The status line of an answer."""
    return head.split(b"\r\n", 1)[0].decode("latin-1")

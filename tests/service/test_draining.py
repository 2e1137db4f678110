"""A process told to stop is not ready at once, serves on for the delay, and then stops as the server would."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from service.draining import Draining


class Stops:
    """A server's handler that only notes when it was called."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.happened = asyncio.Event()

    def __call__(self, _number: int, _frame: object) -> None:
        self.times.append(time.monotonic())
        self.happened.set()


@pytest.fixture
def stops() -> Iterator[Stops]:
    handler = Stops()
    before = signal.signal(signal.SIGTERM, handler)
    yield handler
    signal.signal(signal.SIGTERM, before)


def test_without_a_delay_the_servers_handler_runs_at_once(stops: Stops) -> None:
    async def stop() -> None:
        draining = Draining(0)
        async with draining.lifespan(None):
            assert not draining.started
            signal.raise_signal(signal.SIGTERM)
            assert draining.started
            assert len(stops.times) == 1

    asyncio.run(stop())


def test_with_a_delay_the_servers_handler_waits(stops: Stops) -> None:
    async def stop() -> None:
        draining = Draining(0.2)
        async with draining.lifespan(None):
            told = time.monotonic()
            signal.raise_signal(signal.SIGTERM)
            assert draining.started
            assert not stops.times
            async with asyncio.timeout(10):
                await stops.happened.wait()
            assert stops.times[0] - told >= 0.2

    asyncio.run(stop())


def test_a_second_signal_stops_at_once(stops: Stops) -> None:
    async def stop() -> None:
        async with Draining(3600).lifespan(None):
            signal.raise_signal(signal.SIGTERM)
            assert not stops.times
            signal.raise_signal(signal.SIGTERM)
            assert len(stops.times) == 1

    asyncio.run(stop())


def test_the_servers_handler_is_back_when_the_app_ends(stops: Stops) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> None:
        async with Draining(1).lifespan(None):
            assert signal.getsignal(signal.SIGTERM) is not before

    asyncio.run(run())
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_without_a_handler_keeps_its_default() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def run() -> None:
        async with Draining(1).lifespan(None):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_interrupt_is_noted_and_left_to_the_server(stops: Stops) -> None:
    async def stop() -> None:
        draining = Draining(3600)
        before = signal.signal(signal.SIGINT, stops)
        try:
            async with draining.lifespan(None):
                signal.raise_signal(signal.SIGINT)
                assert draining.started
                assert len(stops.times) == 1
            assert signal.getsignal(signal.SIGINT) is stops
        finally:
            signal.signal(signal.SIGINT, before)

    asyncio.run(stop())

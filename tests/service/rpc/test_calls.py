"""A call is over when gRPC has finished with it, which may be after the server has stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import pytest

from service.errors import InvalidBody
from service.metrics import Metrics
from service.rpc.calls import Calls
from service.telemetry import Telemetry


class Context:
    """As much of gRPC's context as is used."""

    def __init__(self, peer: str = "ipv4:10.0.0.1:5000") -> None:
        self._peer = peer
        self.trailing: Mapping[str, str] = {}
        self.aborted: tuple[grpc.StatusCode, str] | None = None
        self._end: Callable[[Any], None] = lambda _context: None
        self._is_freed = False

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "a test"), ("x-request-id", "mine"))

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.trailing = dict(metadata)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._end = callback

    def end(self) -> None:
        """What gRPC does at last. To ask it for something then ends the process."""
        self._is_freed = True
        self._end(self)

    def peer(self) -> str:
        assert not self._is_freed
        return self._peer

    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        self.aborted = (code, text)
        raise grpc.aio.AbortError


class Noted(Telemetry):
    """Keeps what it is told of each call: status and client."""

    def __init__(self) -> None:
        super().__init__(Metrics(None), access_log=False)
        self.calls: list[tuple[int, str | None]] = []

    def record(self, *told: Any) -> None:
        self.calls.append((told[4], told[6]))


async def answer(_body: bytes) -> bytes:
    return b"!"


async def refuse(_body: bytes) -> bytes:
    raise InvalidBody("a body must be another")


async def stream(_body: bytes) -> AsyncIterator[bytes]:
    yield b"1"
    raise InvalidBody("a body must be another")


def test_the_end_waits_for_calls_that_were_answered_but_not_finished_with() -> None:
    async def stopping() -> list[str]:
        happened: list[str] = []
        calls, context = Calls(Noted()), Context()
        await calls.finish()  # nothing is open
        assert await calls.unary("/a/b", answer).unary_unary(b"", context) == b"!"
        end = asyncio.create_task(calls.finish())
        end.add_done_callback(lambda _task: happened.append("stopped"))
        for _ in range(10):
            await asyncio.sleep(0)
        happened.append("finished")
        context.end()
        await end
        await asyncio.sleep(0)
        return happened

    assert asyncio.run(stopping()) == ["finished", "stopped"]


@pytest.mark.parametrize(
    ("peer", "client"),
    [("ipv4:10.0.0.1:5000", "10.0.0.1"), ("ipv6:%5B::1%5D:5000", "::1"), ("unix:", ""), ("", "")],
)
def test_a_call_is_told_of_once_it_is_over(peer: str, client: str) -> None:
    told, context = Noted(), Context(peer)
    asyncio.run(Calls(told).unary("/a/b", answer).unary_unary(b"", context))
    assert not told.calls
    context.end()
    assert told.calls == [(200, client)]
    assert context.trailing == {"x-request-id": "mine"}


def test_an_error_ends_a_call_with_its_code() -> None:
    told, context = Noted(), Context()
    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(Calls(told).unary("/a/b", refuse).unary_unary(b"", context))
    context.end()
    assert context.aborted == (grpc.StatusCode.INVALID_ARGUMENT, "a body must be another")
    assert told.calls == [(400, "10.0.0.1")]


def test_an_error_ends_a_stream_with_its_code() -> None:
    told, context = Noted(), Context()
    got: list[bytes] = []

    async def read() -> None:
        async for message in Calls(told).stream("/a/b", stream).unary_stream(b"", context):
            got.append(message)  # noqa: PERF401 # what came before the error counts

    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(read())
    context.end()
    assert got == [b"1"]
    assert context.aborted == (grpc.StatusCode.INVALID_ARGUMENT, "a body must be another")
    assert told.calls == [(400, "10.0.0.1")]


def test_a_call_that_is_given_up_is_counted_as_that() -> None:
    told, context = Noted(), Context()

    async def forever(_body: bytes) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def give_up() -> None:
        task = asyncio.create_task(Calls(told).unary("/a/b", forever).unary_unary(b"", context))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    context.end()
    assert told.calls == [(499, "10.0.0.1")]

"""What surrounds every call: its id, its status, its metrics and its line in the access log.

A call is counted with the status that HTTP has for its outcome, so that one rule watches both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import grpc

from service.logs import REQUEST_ID
from service.problems import protocol_error
from service.telemetry import HEADER, OTHER, Telemetry

METHOD = "GRPC"
REQUEST_ID_KEY = HEADER.decode()
OK = 200
UNIMPLEMENTED = 404
"""What a call of a method that there is not counts as: it is the caller's mistake."""
CANCELLED = 499
"""The caller gave up, or its deadline passed: none of HTTP's own, but what proxies write of that."""
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""By the status of an error over HTTP; INTERNAL for any other."""
MAX_TEXT = 1_000
"""Characters of an error's text: it goes as a header, of which clients take 8 KiB, each byte beyond ASCII as three."""

LAST_S = 1.0
"""How long, at the end, gRPC may take to finish with calls that it has answered."""

Handler = Callable[[bytes], Awaitable[bytes]]
StreamHandler = Callable[[bytes], AsyncIterator[bytes]]


@dataclass
class Outcome:
    """How a call ends: given up, unless something else is said."""

    status: int = CANCELLED


class Calls:
    """Makes handlers of calls that are named, counted, timed and logged.

    Messages are bytes. They are parsed by the handlers, not by gRPC, which would call one that is none its own error.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._n_open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    def unary(self, path: str, handler: Handler) -> grpc.RpcMethodHandler:
        """A method that answers a message with one. What it raises becomes the call's status."""

        async def call(body: bytes, context: Any) -> bytes:
            outcome = self._begin(path, context)
            try:
                answer = await handler(body)
            except Exception as error:
                await _abort(context, outcome, error, path)
                raise  # not reached: an abort raises
            outcome.status = OK
            return answer

        return grpc.unary_unary_rpc_method_handler(call)

    def stream(self, path: str, handler: StreamHandler) -> grpc.RpcMethodHandler:
        """A method that answers a message with any number of them."""

        async def call(body: bytes, context: Any) -> AsyncIterator[bytes]:
            outcome = self._begin(path, context)
            try:
                async for answer in handler(body):
                    yield answer
            except Exception as error:  # noqa: BLE001 # as above
                await _abort(context, outcome, error, path)
            outcome.status = OK

        return grpc.unary_stream_rpc_method_handler(call)

    def refused(self, path: str, text: str) -> grpc.RpcMethodHandler:
        """A method that there is not."""

        async def call(_messages: object, context: Any) -> None:
            self._begin(path, context, OTHER).status = UNIMPLEMENTED
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, _cut(text))

        return grpc.stream_stream_rpc_method_handler(call)

    async def finish(self) -> None:
        """Wait until gRPC has finished with every call, of which a stopped server does not wait for the last bits."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await self._none_open.wait()

    def _begin(self, path: str, context: Any, route: str | None = None) -> Outcome:
        """Name a call; it is counted when it is over, which for others is when the answer has left."""
        started = perf_counter()
        given = next((value for key, value in context.invocation_metadata() if key == REQUEST_ID_KEY), None)
        request_id = self._telemetry.name(given.encode() if isinstance(given, str) else given)
        text = request_id.decode()
        context.set_trailing_metadata(((REQUEST_ID_KEY, text),))
        REQUEST_ID.set(text)  # for the task of this call, which ends with it
        client = _client(context.peer())
        outcome = Outcome()
        self._n_open += 1
        self._none_open.clear()

        def end(_context: object) -> None:  # which must not be asked for anything any more: its call is freed by now
            self._n_open -= 1
            if not self._n_open:
                self._none_open.set()
            seconds = perf_counter() - started
            self._telemetry.record(request_id, METHOD, path, route or path, outcome.status, seconds, client)

        context.add_done_callback(end)
        return outcome


async def _abort(context: Any, outcome: Outcome, error: Exception, path: str) -> None:
    outcome.status, text = protocol_error(error, path)
    await context.abort(CODES.get(outcome.status, grpc.StatusCode.INTERNAL), _cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _client(peer: str) -> str:
    """The host of a peer such as `ipv4:127.0.0.1:40404` or `ipv6:%5B::1%5D:40404`."""
    return unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]")

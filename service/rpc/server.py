"""The gRPC server of one worker, on the worker's own event loop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

import grpc
from grpc_reflection.v1alpha import reflection

from contract.faults import shorten
from service.rpc.calls import Calls
from service.rpc.health import SERVICE as HEALTH
from service.rpc.health import Health
from service.rpc.inference import SERVICE as INFERENCE
from service.rpc.inference import Inference
from service.settings import Settings
from service.sockets import resolve

logger = logging.getLogger(__name__)

MAX_STREAMS = 100
"""Calls at once on one connection, each of which may bring the largest message; a client's others wait. HTTP/2 asks for
no fewer (RFC 9113, 6.5.2)."""


class RpcServer:
    """Listens on a port that the other workers listen on, too; the kernel deals the connections out."""

    def __init__(self, settings: Settings, inference: Inference, health: Health, calls: Calls) -> None:
        self._settings = settings
        self._inference = inference
        self._health = health
        self._calls = calls
        self.address = ""
        """Host and port, once it listens."""

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Serve; at the end, let the calls under way finish."""
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_body_bytes),  # as it is once it is decompressed
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.so_reuseport", 1),
            ]
        )
        server.add_generic_rpc_handlers([Methods(self._inference, self._health, self._calls)])
        reflection.enable_server_reflection([INFERENCE, HEALTH, reflection.SERVICE_NAME], server)
        wanted = resolve(self._settings.host, self._settings.grpc_port or 0)
        port = server.add_insecure_port(str(wanted))
        await server.start()
        self.address = str(wanted.with_port(port))
        logger.info("listening for gRPC", extra={"address": self.address})
        try:
            yield
        finally:
            await server.stop(self._settings.shutdown_timeout_s)
            await self._calls.finish()


class Methods:
    """Finds the handler of a method (a `grpc.GenericRpcHandler`)."""

    def __init__(self, inference: Inference, health: Health, calls: Calls) -> None:
        self._calls = calls
        self._names = tuple(inference.methods())
        services = {INFERENCE: inference.methods(), HEALTH: health.methods()}
        self._handlers = {
            path: calls.unary(path, handler)
            for service, methods in services.items()
            for path, handler in ((f"/{service}/{name}", handler) for name, handler in methods.items())
        }
        path = f"/{HEALTH}/Watch"
        self._handlers[path] = calls.stream(path, health.watch)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a call; None for a service that there is not."""
        path: str = details.method
        if handler := self._handlers.get(path):
            return handler
        service, _, method = path[1:].partition("/")
        if service != INFERENCE:
            return None
        text = f"a method of {INFERENCE} must be one of {', '.join(self._names)}; got {shorten(method)!r}"
        return self._calls.refused(path, text)

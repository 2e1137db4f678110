"""The methods of `grpc.health.v1.Health`, which Kubernetes, load balancers and gRPC's own clients ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from grpc_health.v1.health_pb2 import DESCRIPTOR, HealthCheckRequest, HealthCheckResponse, HealthListResponse

from contract.errors import NotFound
from contract.faults import shorten
from service.draining import Draining
from service.health import Readiness
from service.rpc.calls import Handler
from service.rpc.inference import SERVICE as INFERENCE
from service.rpc.inference import parse

SERVICE: str = DESCRIPTOR.services_by_name["Health"].full_name
WATCH_S = 0.25
"""Seconds between two looks of one that watches."""


class Health:
    """The service. The whole server, whose name is empty, and inference are ready at the same times."""

    def __init__(self, readiness: Readiness, draining: Draining) -> None:
        self._readiness = readiness
        self._draining = draining

    def methods(self) -> Mapping[str, Handler]:
        """The methods by name that answer with one message."""
        return {"Check": self._check, "List": self._list}

    async def watch(self, body: bytes) -> AsyncIterator[bytes]:
        """The status now and whenever it changes, until the process is told to stop: a stop waits for its streams."""
        name = parse(HealthCheckRequest, body).service
        shown, is_last = None, False
        while not is_last:
            is_last = self._draining.started
            response = self._response() if _is_known(name) else HealthCheckResponse(status="SERVICE_UNKNOWN")
            if response != shown:
                shown = response
                yield response.SerializeToString()
            if not is_last:
                await asyncio.sleep(WATCH_S)

    async def _check(self, body: bytes) -> bytes:
        """The status of a service."""
        name = parse(HealthCheckRequest, body).service
        if not _is_known(name):
            raise NotFound(f"a service must be {INFERENCE}, or empty for all, got {shorten(name)!r}")
        content: bytes = self._response().SerializeToString()
        return content

    async def _list(self, _body: bytes) -> bytes:
        """The status of every service."""
        content: bytes = HealthListResponse(
            statuses=dict.fromkeys(("", INFERENCE), self._response())
        ).SerializeToString()
        return content

    def _response(self) -> HealthCheckResponse:
        return HealthCheckResponse(status="SERVING" if self._readiness.is_ready() else "NOT_SERVING")


def _is_known(name: str) -> bool:
    return name in {"", INFERENCE}

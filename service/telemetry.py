"""What surrounds every request: its id, its metrics, its line in the access log."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterable
from time import perf_counter

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.draining import Draining
from service.logs import REQUEST_ID
from service.metrics import Metrics

logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,128}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""The label of what strangers choose: an unknown path or method must not become a time series of its own."""


class Telemetry:
    """Names, counts, times and logs the requests of one app."""

    def __init__(self, metrics: Metrics, *, access_log: bool) -> None:
        self._metrics = metrics
        self._access_log = access_log
        # Random for the process, counted within it: half the time of a random number for each request.
        self._prefix = os.urandom(12).hex().encode()
        self._numbers = itertools.count()

    def name(self, given: bytes | None) -> bytes:
        """A request's id: what its client calls it, where that is an id."""
        if given is not None and ACCEPTED.fullmatch(given):
            return given
        return b"%b%08x" % (self._prefix, next(self._numbers))

    def record(
        self, request_id: bytes, method: str, path: str, route: str, status: int, seconds: float, client: str | None
    ) -> None:
        """One request that was answered; `route` is the template of its path."""
        self._metrics.count_request(method, route, status, seconds)
        if not self._access_log:
            return
        token = REQUEST_ID.set(request_id.decode())
        line = {"method": method, "path": path, "status": status, "seconds": round(seconds, 6), "client": client}
        logger.info("request", extra=line)
        REQUEST_ID.reset(token)


def observed(app: ASGIApp, telemetry: Telemetry, draining: Draining) -> ASGIApp:
    """`app`, with each request named, counted and timed.

    Pure ASGI, around the whole app rather than its routes: only there does the final status of every answer pass by,
    those of unknown paths and of errors included.
    """

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        request_id = telemetry.name(_header(scope["headers"]))
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (HEADER, request_id)]
                if draining.started:  # so that clients with open connections move on to another process
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            await send(message)

        token = REQUEST_ID.set(request_id.decode())
        started = perf_counter()
        try:
            await app(scope, receive, send_named)
        finally:
            seconds = perf_counter() - started
            route = scope.get("path_template") or OTHER
            client = scope["client"][0] if scope["client"] else None
            telemetry.record(request_id, _method(scope), scope["path"], route, status, seconds, client)
            REQUEST_ID.reset(token)

    return observe


def _header(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    return next((value for name, value in headers if name == HEADER), None)


def _method(scope: Scope) -> str:
    method = str(scope.get("method"))
    return method if method in METHODS else OTHER

"""What surrounds every request: its id, its metrics, its line in the access log.

Pure ASGI, around the whole app rather than its routes: only there does the final status of every answer pass by, those
of unknown paths and of errors included.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable

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


def telemetry(app: ASGIApp, metrics: Metrics, draining: Draining, *, access_log: bool) -> ASGIApp:
    """`app`, with each request named, counted and timed."""

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
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
        started = time.perf_counter()
        try:
            await app(scope, receive, send_named)
        finally:
            seconds = time.perf_counter() - started
            metrics.count_request(_method(scope), scope.get("path_template") or OTHER, status, seconds)
            if access_log:
                _log(scope, status, seconds)
            REQUEST_ID.reset(token)

    return observed


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    given = next((value for name, value in headers if name == HEADER), b"")
    return given if ACCEPTED.fullmatch(given) else os.urandom(16).hex().encode()


def _method(scope: Scope) -> str:
    method = str(scope.get("method"))
    return method if method in METHODS else OTHER


def _log(scope: Scope, status: int, seconds: float) -> None:
    client = scope["client"]
    logger.info(
        "request",
        extra={
            "method": scope.get("method"),
            "path": scope["path"],
            "status": status,
            "seconds": round(seconds, 6),
            "client": client[0] if client else None,
        },
    )

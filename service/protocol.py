"""uvicorn's HTTP/1.1, but for one thing: a stop loses no request that is already on its way."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_S = 1.0
"""How long an idle connection stays open after the listener is closed."""


class Protocol(HttpToolsProtocol):
    """One connection.

    uvicorn closes idle connections the moment it stops, with requests in them that it has not read yet: the first one
    of a connection just accepted, or the next one of a client that keeps its connection busy. Here those are answered
    during the grace, with `Connection: close` (`service.telemetry`).
    """

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE_S, super().shutdown)
        else:
            super().shutdown()

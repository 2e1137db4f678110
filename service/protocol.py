"""uvicorn's HTTP/1.1, but for two things: a stop loses no request that is already on its way, and heads have an end."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_S = 1.0
"""How long an idle connection stays open after the listener is closed."""
MAX_HEAD_BYTES = 64 * 1024
"""How much may arrive without completing a request's head or adding to its body; the parser would keep it all."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection.

    uvicorn closes idle connections the moment it stops, with requests in them that it has not read yet: the first one
    of a connection just accepted, or the next one of a client that keeps its connection busy. Here those are answered
    during the grace, with `Connection: close` (`service.telemetry`).
    """

    _unfinished_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read on, or refuse a head (or a chunk's extension, or trailers) that does not end."""
        self._unfinished_bytes += len(data)
        super().data_received(data)
        if self._unfinished_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._unfinished_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unfinished_bytes = 0
        super().on_message_complete()

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE_S, super().shutdown)
        else:
            super().shutdown()

"""uvicorn's HTTP/1.1, but for three things.

A stop loses no request that is already on its way; heads have an end; and a prediction that needs nothing of the app
is answered without it (`service.direct`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:  # a supervisor has a protocol, too, and nothing to answer
    from service.direct import Direct, Plan

GRACE_S = 1.0
"""How long an idle connection stays open after the listener is closed."""
MAX_HEAD_BYTES = 64 * 1024
"""How much may arrive without completing a request's head or adding to its body; the parser would keep it all."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


NOT_DIRECT = frozenset({b"expect", b"content-encoding", b"transfer-encoding", b"upgrade"})
"""Headers that ask for more than an answer to a body."""
MAX_DIGITS = 9


class Protocol(HttpToolsProtocol):
    """One connection.

    uvicorn closes idle connections the moment it stops, with requests in them that it has not read yet: the first one
    of a connection just accepted, or the next one of a client that keeps its connection busy. Here those are answered
    during the grace, with `Connection: close` (`service.telemetry`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unfinished_bytes = 0
        self._direct: Direct | None = getattr(self.app, "state", {}).get("direct")
        self._plan: Plan | None = None
        self._is_waiting = False
        self._started = 0.0
        self._given_id: bytes | None = None
        self._chunks: list[bytes] = []

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
        self._plan = self._make_plan(self._direct) if self._direct else None
        if self._plan is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._unfinished_bytes = 0
        if self._plan is None:
            super().on_body(body)
        else:
            self._chunks.append(body)

    def on_message_begin(self) -> None:
        """Another request comes; the one before is answered first."""
        self._answer_waiting()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unfinished_bytes = 0
        plan, self._plan = self._plan, None
        if self._direct is None or plan is None:
            super().on_message_complete()
            return
        self._is_waiting = True
        client = self.client[0] if self.client else None
        self._direct.ask(plan, b"".join(self._chunks), self._started, self._given_id, client, self._reply)

    def shutdown(self) -> None:
        """Finish, and close the connection."""
        self._answer_waiting()
        if self._plan is not None:  # the app waits for the rest of a request, and says that it was the last one
            self._hand_over()
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE_S, super().shutdown)
        else:
            super().shutdown()

    def _answer_waiting(self) -> None:
        if self._direct is not None and self._is_waiting:
            self._direct.answer_waiting()

    def _reply(self, response: bytes | None) -> None:
        """Send a response from its content's headers on; for None, let the app make one."""
        self._is_waiting = False
        if self.transport.is_closing():
            self._chunks.clear()
        elif response is None or self._direct is None:
            self._hand_over()
            super().on_message_complete()
        else:
            self._chunks.clear()
            self.transport.write(self._direct.start(self.server_state.default_headers) + response)
            self.on_response_complete()

    def _make_plan(self, direct: Direct) -> Plan | None:
        """How to answer the request without the app; None where that cannot be told from its head."""
        headers = dict(self.headers)
        if (
            self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or len(headers) < len(self.headers)
            or not NOT_DIRECT.isdisjoint(headers)
            or len(length := headers.get(b"content-length", b"0")) > MAX_DIGITS
            or self.flow.write_paused
            or self.transport.is_closing()
            or (self.cycle is not None and not self.cycle.response_complete)  # an earlier request comes first
        ):
            return None
        self._started = perf_counter()
        self._given_id = headers.get(b"x-request-id")
        return direct.plan(self.url, headers.get(b"content-type", b""), headers.get(b"accept", b""), int(length))

    def _hand_over(self) -> None:
        """Let the app have the request, as far as it has come."""
        self._plan = None
        super().on_headers_complete()
        for chunk in self._chunks:
            super().on_body(chunk)
        self._chunks.clear()

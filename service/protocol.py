"""uvicorn's HTTP/1.1, but for four things.

A stop loses no request that is already on its way; heads have an end; an offer of another protocol is passed over, as
RFC 9110, 7.8, lets us; and a prediction that needs nothing of the app is answered without it (`service.direct`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:  # a supervisor has a protocol, too, and nothing to answer
    from service.bodies import Headers
    from service.direct import Direct, Request, Response

GRACE_S = 1.0
"""How long an idle connection stays open after the listener is closed."""
MAX_HEAD_BYTES = 64 * 1024
"""How much may arrive without completing a request's head or adding to its body; the parser would keep it all."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
SUCCESS = b"HTTP/1.1 200 OK\r\n%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n\r\n%b"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n%bcontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
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
        self.url = b""
        self._unfinished_bytes = 0
        self._direct: Direct | None = getattr(self.app, "state", {}).get("direct")
        self._request: Request | None = None
        self._is_waiting = False
        self._chunks: list[bytes] = []
        self._defaults: tuple[object, bytes] = (None, b"")

    def data_received(self, data: bytes) -> None:
        """Read on, or refuse a head (or a chunk's extension, or trailers) that does not end."""
        self._unfinished_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse()
        if self._unfinished_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._unfinished_bytes = 0
        self._request = self._make_request(self._direct) if self._direct else None
        if self._request is None and not self.parser.should_upgrade():
            self._begin_for_app()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._unfinished_bytes = 0
        if self._request is None:
            super().on_body(body)
        else:
            self._chunks.append(body)

    def on_message_begin(self) -> None:
        """Another request comes; the one before is answered first."""
        self._answer_waiting()
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._unfinished_bytes = 0
        request, self._request = self._request, None
        if self._direct is not None and request is not None:
            self._is_waiting = True
            self._direct.ask(request, b"".join(self._chunks), self._reply)
        elif not self.parser.should_upgrade():
            super().on_message_complete()

    def shutdown(self) -> None:
        """Finish, and close the connection."""
        self._answer_waiting()
        if self._request is not None:  # the app waits for the rest of a request, and says that it was the last one
            self._hand_over()
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE_S, super().shutdown)
        else:
            super().shutdown()

    def _feed(self, data: bytes) -> None:
        """Have the parser read on, requests that offer another protocol among it.

        The parser leaves their body to that protocol, so such a request is read anew, without the offer.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self.parser.get_method() == b"CONNECT":  # no offer, but a demand
                    raise httptools.HttpParserInvalidMethodError from None
                head = _without_upgrade(self.parser, self.url, self.headers)
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
                data = head + data[offer.args[0] :]
            else:
                return

    def _refuse(self) -> None:
        """Say that this is no HTTP, in the terms of whoever speaks at the path, if one was read."""
        from service.problems import invalid_http  # noqa: PLC0415 # a supervisor does without what that imports

        self.logger.warning("not HTTP", extra={"client": self.client[0] if self.client else None})
        self._answer_waiting()
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self.cycle.keep_alive = False  # a whole request came before: its answer is the last one
            return
        media_type, content = invalid_http(self.url.decode("latin-1"))
        self.transport.write(REFUSED % (self._default_headers(), media_type.encode(), len(content), content))
        self.transport.close()

    def _answer_waiting(self) -> None:
        if self._direct is not None and self._is_waiting:
            self._direct.answer_waiting()

    def _reply(self, response: Response | None) -> None:
        """Send a response; for None, let the app make one."""
        self._is_waiting = False
        if self.transport.is_closing():
            self._chunks.clear()
        elif response is None:
            self._hand_over()
            super().on_message_complete()
        else:
            self._chunks.clear()
            written = response.written
            head = self._default_headers()
            if written.headers:
                head = b"".join([head, *[b"%b: %b\r\n" % header for header in written.headers]])
            content = written.content
            self.transport.write(SUCCESS % (head, written.content_type, len(content), response.request_id, content))
            self.on_response_complete()

    def _default_headers(self) -> bytes:
        headers = self.server_state.default_headers
        if headers is not self._defaults[0]:  # the server makes new ones each second
            self._defaults = headers, b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._defaults[1]

    def _make_request(self, direct: Direct) -> Request | None:
        """What to ask, by the request's head; None where it has to go to the app."""
        headers = dict(self.headers)
        if (
            self.parser.get_method() != b"POST"
            or not self.parser.should_keep_alive()
            or (b"connection" in headers and self.parser.get_http_version() != "1.1")
            or len(headers) < len(self.headers)
            or not NOT_DIRECT.isdisjoint(headers)
            or len(length := headers.get(b"content-length", b"0")) > MAX_DIGITS
            or self.flow.write_paused
            or self.transport.is_closing()
            or (self.cycle is not None and not self.cycle.response_complete)  # an earlier request comes first
        ):
            return None
        plan = direct.plan(self.url, headers, int(length))
        if plan is None:
            return None
        return direct.request(plan, headers.get(b"x-request-id"), self.client[0] if self.client else None)

    def _begin_for_app(self) -> None:
        """Begin the request again as uvicorn does: what the app is told of it is half of what its head costs."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def _hand_over(self) -> None:
        """Let the app have the request, as far as it has come."""
        self._request = None
        self._begin_for_app()
        for chunk in self._chunks:
            super().on_body(chunk)
        self._chunks.clear()


def _without_upgrade(parser: httptools.HttpRequestParser, url: bytes, headers: Headers) -> bytes:
    """The head of a request as it came, but for the offer."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"]
    return b"%b %b HTTP/%b\r\n%b\r\n" % (parser.get_method(), url, parser.get_http_version().encode(), b"".join(lines))

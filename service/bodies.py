"""Headers and bytes of a request's body: what is let in, before anything reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from litestar.types import Receive

from service.errors import BodyTooLarge, MalformedBody, UnsupportedBody

JSON = "application/json"
MAX_DIGITS = 19
"""Enough of a number to see that it is too large; reading all of a very long one takes time, or fails."""

JSON_BYTES = b"inference-header-content-length"
DECIDING = (b"content-type", b"accept", b"accept-encoding", JSON_BYTES)
"""The headers that decide how a body is read and answered."""
READ = frozenset({*DECIDING, b"content-encoding", b"content-length"})

Headers = Iterable[tuple[bytes, bytes]]


class Head(NamedTuple):
    """What a request's headers say of its body, and of what may come back.

    `encoding` is empty where the body is as it is. `json_bytes` says how many of its bytes are JSON, where others
    follow (`service.v2.request`); None where nothing is said.
    """

    content_type: bytes
    accept: bytes
    accept_encoding: bytes
    encoding: str
    json_bytes: bytes | None
    n_bytes: int


def read_head(headers: Headers) -> Head:
    """What is said. Where a length is not, it is 0."""
    named: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in READ:
            named[name] = named[name] + b"," + value if name in named else value
    encoding = named.get(b"content-encoding", b"").strip().lower().decode("latin-1")
    return Head(
        content_type=named.get(b"content-type", b""),
        accept=named.get(b"accept", b""),
        accept_encoding=named.get(b"accept-encoding", b""),
        encoding="" if encoding == "identity" else encoding,
        json_bytes=named.get(JSON_BYTES),
        n_bytes=_number(named.get(b"content-length", b"0")),
    )


async def read_body(head: Head, receive: Receive, max_bytes: int) -> bytes:
    """The whole body of a request.

    Raises:
        BodyTooLarge: more than `max_bytes`, declared or received.
        MalformedBody: the client hung up before its end.
    """
    if head.n_bytes > max_bytes:
        raise _too_large(max_bytes)
    return await _receive(receive, max_bytes)


async def read_json_body(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """The whole body of a request that says it is JSON.

    Raises:
        UnsupportedBody: another content type, or a content encoding.
        BodyTooLarge, MalformedBody: as `read_body`.
    """
    head = read_head(headers)
    if head.encoding:
        raise UnsupportedBody("a body must be sent without Content-Encoding")
    if media_type(head.content_type) != JSON:
        raise UnsupportedBody(f"a body must be sent as Content-Type: {JSON}")
    return await read_body(head, receive, max_bytes)


def media_type(content_type: bytes) -> str:
    """The type that a header names, without its parameters."""
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")


def declared_bytes(headers: Headers) -> int:
    """How long a body is said to be; 0 where nothing is said."""
    return next((_number(value) for name, value in headers if name == b"content-length"), 0)


def _number(value: bytes) -> int:
    return int(value[:MAX_DIGITS]) if value.isdigit() else 0


async def _receive(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise MalformedBody("a body must be sent to its end")
        chunk = message["body"]
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
        if not message["more_body"]:
            return chunk if size == len(chunk) else b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"a body must have at most {max_bytes} bytes")

"""Headers and bytes of a request's body: what is let in, before anything reads it."""

from __future__ import annotations

from collections.abc import Iterable

from litestar.types import Receive

from service.errors import BodyTooLarge, MalformedBody, UnsupportedBody

JSON = b"application/json"
MAX_DIGITS = 19
"""Enough of a number to see that it is too large; reading all of a very long one takes time, or fails."""

Headers = Iterable[tuple[bytes, bytes]]


async def read_json_body(headers: Headers, receive: Receive, max_bytes: int) -> bytes:
    """The whole body of a request that says it is JSON.

    Anything but `application/json` is refused, or a page elsewhere could make a visitor's browser send it as a plain
    form; an encoded body is, or a few bytes could unpack to any number.

    Raises:
        UnsupportedBody: another content type, or a content encoding.
        BodyTooLarge: more than `max_bytes`, declared or received.
        MalformedBody: the client hung up before its end.
    """
    content_type, declared = b"", 0
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            declared = _number(value)
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedBody("a body must be sent without Content-Encoding")
    if content_type != JSON and content_type.partition(b";")[0].strip().lower() != JSON:
        raise UnsupportedBody("a body must be sent as Content-Type: application/json")
    if declared > max_bytes:
        raise _too_large(max_bytes)
    return await _receive(receive, max_bytes)


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

"""Bodies that come compressed, and answers that go so: gzip (RFC 1952) and deflate (RFC 1950, as RFC 9110 means it)."""

from __future__ import annotations

import zlib
from functools import lru_cache

from contract.faults import shorten
from service.errors import BodyTooLarge, MalformedBody, UnsupportedBody
from service.exchange import Written
from service.formats.accept import preferred

WINDOW_BITS = {"gzip": 31, "deflate": 15}
LEVEL = 1
"""The quickest: numbers hardly shrink further at the others."""
MIN_BYTES = 4096
"""Smaller answers are sent as they are: they fit a few packets anyway."""
COMPRESSED_SHARE = 8
"""How many times fewer cells are answered at once where the answer may be compressed, which takes longer."""


def decompress(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The bytes in a body. No more than `max_bytes` are ever made of it.

    Raises:
        UnsupportedBody: it is encoded in another way, or in several.
        BodyTooLarge: there are more.
        MalformedBody: it is damaged, cut off, or goes on after its end.
    """
    bits = WINDOW_BITS.get(encoding)
    if bits is None:
        known = ", ".join(WINDOW_BITS)
        raise UnsupportedBody(f"Content-Encoding must be {known} or absent, got {shorten(encoding)!r}")
    decompressor = zlib.decompressobj(bits)
    try:
        content = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise MalformedBody(f"a body must be {encoding}, as its Content-Encoding says: {error}") from None
    if len(content) > max_bytes:
        raise BodyTooLarge(f"a body must have at most {max_bytes} bytes once it is decompressed")
    if not decompressor.eof or decompressor.unused_data:
        raise MalformedBody(f"a body must be one whole {encoding} stream")
    return content


def compressed(written: Written, encoding: str | None) -> Written:
    """What goes out of an answer: it is compressed where an encoding is wanted and that is worth it."""
    if encoding is None or len(written.content) < MIN_BYTES:
        return written
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS[encoding])
    content = compressor.compress(written.content) + compressor.flush()
    headers = (*written.headers, (b"content-encoding", encoding.encode()))
    return Written(content, written.content_type, headers)


@lru_cache(maxsize=64)
def accepted_encoding(accept_encoding: bytes) -> str | None:
    """The one that a client would rather have, if any (RFC 9110, 12.5.3): only what it names, gzip if it is all one."""
    chosen = preferred(accept_encoding, (*WINDOW_BITS, "identity"), {}) if accept_encoding else None
    return chosen if chosen in WINDOW_BITS else None

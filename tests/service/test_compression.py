"""Bodies may come compressed, within limits, and answers go so where they are worth it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service.compression import MIN_BYTES, accepted_encoding, compressed, decompress
from service.errors import BodyTooLarge, MalformedBody, UnsupportedBody
from service.exchange import Written

Service = TestClient[Litestar]

COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
ROW = b'{"instances":[[5.1,3.5,1.4,0.2]]}'
TYPE = {"content-type": "application/json"}


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize(
    "path", ["/predict", "/models/iris/predict", "/models/iris/versions/1/predict", "/invocations"]
)
def test_a_compressed_body_is_answered_as_the_plain_one(service: Service, path: str, encoding: str) -> None:
    plain = service.post(path, content=ROW, headers=TYPE)
    answer = service.post(path, content=COMPRESS[encoding](ROW), headers={**TYPE, "content-encoding": encoding.upper()})
    assert (answer.status_code, answer.content) == (200, plain.content)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_few_bytes_that_unpack_to_too_many_are_refused_before_they_are_there(service: Service, encoding: str) -> None:
    bomb = COMPRESS[encoding](b" " * 100 * 2**20)
    answer = service.post("/predict", content=bomb, headers={**TYPE, "content-encoding": encoding})
    assert answer.status_code == 413
    assert answer.json()["detail"] == f"a body must have at most {2 * 2**20} bytes once it is decompressed"


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize(
    "damage", [lambda body: body[:-5], lambda body: body + b"x", lambda body: b"x" + body, bytes.upper]
)
def test_a_damaged_stream_is_a_callers_fault(encoding: str, damage: Callable[[bytes], bytes]) -> None:
    whole = COMPRESS[encoding](ROW)
    assert decompress(whole, encoding, len(ROW)) == ROW
    with pytest.raises(MalformedBody, match=encoding):
        decompress(damage(whole), encoding, 1000)


def test_the_limit_is_that_of_the_content() -> None:
    with pytest.raises(BodyTooLarge):
        decompress(gzip.compress(ROW), "gzip", len(ROW) - 1)


def test_other_encodings_are_refused_with_those_that_are_read() -> None:
    with pytest.raises(UnsupportedBody, match="Content-Encoding must be gzip, deflate or absent, got 'br'"):
        decompress(b"", "br", 10)


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZIP, deflate, br", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.1, deflate;q=0.5", "deflate"),
        ("gzip;q=0", None),
        ("br, zstd", None),
        ("*", None),
        ("identity, gzip;q=0.5", None),
    ],
)
def test_an_answer_is_compressed_as_its_client_would_rather_have_it(accept_encoding: str, encoding: str | None) -> None:
    assert accepted_encoding(accept_encoding.encode()) == encoding


def test_only_what_is_worth_it_is_compressed() -> None:
    small, large = (Written(b"x" * size, b"text/plain", ((b"a", b"b"),)) for size in (MIN_BYTES - 1, MIN_BYTES))
    assert compressed(small, "gzip") is small
    assert compressed(large, None) is large
    written = compressed(large, "gzip")
    assert gzip.decompress(written.content) == large.content
    assert written.content_type == b"text/plain"
    assert written.headers == ((b"a", b"b"), (b"content-encoding", b"gzip"))
    assert zlib.decompress(compressed(large, "deflate").content) == large.content

"""What is no HTTP is refused in the terms of whoever speaks at its path."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.service.wire import CHUNKED, DIRECT, FOR_THE_APP, Wire, run

DETAIL = "the request must be valid HTTP"
PROBLEM = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": DETAIL}


@pytest.mark.parametrize(
    ("request_", "document"),
    [
        (b"\x16\x03\x01 not HTTP\r\n\r\n", PROBLEM),
        (b"POST /predict HTTP/9.9\r\n\r\n", PROBLEM),
        (b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n", PROBLEM),
        (b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", {"error": DETAIL}),
        (b"POST /v1/models/iris:predict?a HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n", {"error": DETAIL}),
    ],
)
def test_what_is_no_http_is_refused_as_other_errors_are(
    wire: Callable[..., Wire], request_: bytes, document: dict[str, object]
) -> None:
    (answer,) = run(wire(), request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    media_type = b"application/json" if "error" in document else b"application/problem+json"
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: %b\r\n" % media_type in head
    assert head.endswith(b"connection: close")
    assert json.loads(body) == document


@pytest.mark.parametrize("good", [DIRECT["a row"], FOR_THE_APP["a version"]])
def test_what_came_before_is_answered(wire: Callable[..., Wire], good: bytes) -> None:
    plain = run(wire(), good)[0].replace(b"connection: close\r\n", b"")
    for parts in ((good + b"nonsense\r\n\r\n",), (good, b"nonsense\r\n\r\n")):
        assert run(wire(), *parts)[0].replace(b"connection: close\r\n", b"") == plain


def test_a_body_that_breaks_off_into_nonsense_is_refused(wire: Callable[..., Wire]) -> None:
    (answer,) = run(wire(), CHUNKED[:-7], b"no length\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")

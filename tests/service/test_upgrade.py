"""A client that offers to go on in another protocol gets its answer in this one, and so do its next requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.service.wire import DIRECT, FOR_THE_APP, JSON, ROW, Wire, post, run

OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
ASKED = post("/predict", JSON, *OFFER)


def test_an_offer_changes_nothing(wire: Callable[..., Wire]) -> None:
    plain, offered = run(wire(), DIRECT["a row"]), wire()
    assert run(offered, ASKED) == plain
    assert offered.n_direct == 1


@pytest.mark.parametrize("cut", [1, 30, 100, len(ASKED) - len(ROW), len(ASKED) - 5])
def test_an_offer_may_come_in_pieces(wire: Callable[..., Wire], cut: int) -> None:
    assert run(wire(), ASKED[:cut], ASKED[cut:]) == run(wire(), DIRECT["a row"])


def test_offers_may_follow_each_other(wire: Callable[..., Wire]) -> None:
    in_turn = [ASKED, DIRECT["lines"], ASKED, ASKED, FOR_THE_APP["a wrong row"], ASKED]
    plain = [DIRECT["a row"], DIRECT["lines"], DIRECT["a row"], DIRECT["a row"], FOR_THE_APP["a wrong row"]]
    answers = run(wire(), b"".join(in_turn), n_answers=6)
    assert answers[:5] == [answer for request in plain for answer in run(wire(), request)]


@pytest.mark.parametrize(
    "request_",
    [
        post("/predict", JSON, *OFFER, body=b"{"),
        post("/predict", JSON, *OFFER, "Expect: 100-continue"),
        post("/predict", JSON, *OFFER, version="1.0"),
        post("/nowhere", *OFFER),
        post("/predict", JSON, "Connection: close, upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_the_app_gets_offers_without_them(wire: Callable[..., Wire], request_: bytes) -> None:
    plain = b"\r\n".join(line for line in request_.split(b"\r\n") if not line.startswith(b"Upgrade"))
    assert run(wire(), request_) == run(wire(), plain)


def test_a_tunnel_is_refused(wire: Callable[..., Wire]) -> None:
    (answer,) = run(wire(), b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close\r\n" in answer
